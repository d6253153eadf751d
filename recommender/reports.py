"""The words of a report: what its measures and baselines are called, and which of them decides."""

MEASURES = {
    "ndcg@10": "NDCG@10", "recall@10": "Recall@10", "coverage@10": "Coverage", "accuracy": "Accuracy", "f1_macro": "F1", "auc": "AUC",
    "log_loss": "Log loss", "calibration_error": "Calibration error", "brier": "Brier score", "mae": "Mean error, stars", "mse": "Mean squared error",
    "loss": "Loss", "cosine": "Cosine to the teacher",
}  # fmt: skip
BEYOND = {
    "diversity@10": ("Diversity", "How unlike one another a list’s products read; 0: all the same."),
    "novelty@10": ("Novelty", "Bits; the fewer shoppers have a product, the more."),
    "popularity@10": ("Popularity", "Mean place among all products by sales; 1: the best-selling."),
    "gini@10": ("Inequality", "0: every product is shown alike; 1: one has all the places."),
    "miscalibration@10": ("Mix of categories", "How far it is from the shopper’s history; 0: the same."),
}
"""Measures of the lists themselves, whatever was bought."""
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
