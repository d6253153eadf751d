"""Metrics of classifiers and rating models."""

import numpy as np


def accuracy(label: np.ndarray, predicted: np.ndarray) -> float:
    """Share of correct classes. (n,) predicted and (n,) true classes; nan without rows."""
    return float((label == predicted).mean()) if len(label) else float("nan")


def f1_macro(label: np.ndarray, predicted: np.ndarray) -> float:
    """Macro F1: mean of 2 · precision · recall / (precision + recall) over classes that occur in
    either. (n,) both.
    """
    classes = np.union1d(label, predicted)
    hit = np.array([((label == c) & (predicted == c)).sum() for c in classes])
    size = np.array([(label == c).sum() + (predicted == c).sum() for c in classes])
    return float((2 * hit / size).mean()) if len(classes) else float("nan")


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: probability that a positive row scores above a negative one, ties
    count half (Mann-Whitney). (n,) both; nan where one kind is missing.
    """
    label = label.astype(bool)
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((rank[label].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_one_vs_rest(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean one-vs-rest AUC over the classes. (n,) classes, (n, classes) scores."""
    if probability.shape[1] == 2:
        return auc(label == 1, probability[:, 1])
    each = [auc(label == c, probability[:, c]) for c in range(probability.shape[1])]
    defined = [value for value in each if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def log_loss(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean negative log probability of the true class. (n,) classes, (n, classes) probabilities."""
    return (
        float(-np.log(np.clip(probability[np.arange(len(label)), label], 1e-12, 1)).mean())
        if len(label)
        else float("nan")
    )


def calibration_error(right: np.ndarray, confidence: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017): weighted mean of
    |accuracy − confidence|. (n,) both; nan without rows.
    """
    if not len(confidence):
        return float("nan")
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, right, minlength=bins) - np.bincount(place, confidence, minlength=bins)
    )
    return float(gap[counts > 0].sum() / len(confidence))


def mae(rating: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error of (n,) predictions; nan without rows."""
    return float(np.abs(rating - predicted).mean()) if len(rating) else float("nan")


def mse(rating: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error of (n,) predictions; nan without rows."""
    return float(((rating - predicted) ** 2).mean()) if len(rating) else float("nan")


def coverage_curve(is_right: np.ndarray, confidence: np.ndarray, steps: int = 20) -> list[dict]:
    """Share answered and share right among the answers at thresholds from 0 to 1 (risk and
    coverage, El-Yaniv & Wiener 2010). (n,) both; right is None where nothing is answered.
    """
    rows = []
    for step in range(steps + 1):
        chosen = confidence >= step / steps
        right = float(is_right[chosen].mean()) if chosen.any() else None
        answered = float(chosen.mean()) if len(chosen) else 0.0
        rows.append({"threshold": step / steps, "answered": answered, "right": right})
    return rows


def right_at_coverage(is_right: np.ndarray, confidence: np.ndarray, share: float) -> float:
    """Share of right answers among the most confident `share` of the rows. (n,) both."""
    most = max(1, round(share * len(confidence)))
    best = np.argsort(-confidence, kind="stable")[:most]
    return float(is_right[best].mean())
