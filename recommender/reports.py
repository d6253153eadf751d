"""The words of a report: what its measures and baselines are called, and which of them decides."""

MEASURES = {
    "ndcg@10": "NDCG@10", "recall@10": "Recall@10", "coverage@10": "Coverage", "accuracy": "Accuracy", "f1_macro": "F1", "auc": "AUC",
    "log_loss": "Log loss", "calibration_error": "Calibration error", "brier": "Brier score", "mae": "Mean error, stars", "mse": "Mean squared error",
    "loss": "Loss", "cosine": "Cosine to the teacher",
}  # fmt: skip
BASELINES = {
    "popularity_30d": "popularity", "text_before": "the text before fine-tuning", "words": "words alone", "unigram": "the frequency of words",
    "history": "buying habits alone", "teacher": "the teacher",
}  # fmt: skip
RANKING = {
    "measure": "ndcg@10", "system": "vitrine", "baseline": "popularity_30d", "also": ["popularity"], "part": "all", "higher_is_better": True,
}  # fmt: skip


def primary(report: dict) -> dict:
    """Which measure of which system decides, against which baseline; a ranking's where the report does not say."""
    return report.get("primary") or RANKING
