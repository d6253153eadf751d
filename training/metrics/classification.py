"""Metrics of classifiers and of rating models."""

import numpy as np


def accuracy(label: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows whose class is right, (n,) both; nan without rows."""
    return float((label == predicted).mean()) if len(label) else float("nan")


def f1_macro(label: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes that occur in either of 2 · precision · recall / (precision +
    recall).
    """
    classes = np.union1d(label, predicted)
    hit = np.array([((label == c) & (predicted == c)).sum() for c in classes])
    size = np.array([(label == c).sum() + (predicted == c).sum() for c in classes])
    return float((2 * hit / size).mean()) if len(classes) else float("nan")


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Chance that a positive row scores above a negative one, ties half (Mann-Whitney); nan
    where one kind is missing.
    """
    label = label.astype(bool)
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((rank[label].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_one_vs_rest(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean over the classes of each one's AUC against all others: (n,), (n, classes)."""
    if probability.shape[1] == 2:
        return auc(label == 1, probability[:, 1])
    each = [auc(label == c, probability[:, c]) for c in range(probability.shape[1])]
    told = [value for value in each if not np.isnan(value)]
    return float(np.mean(told)) if told else float("nan")


def log_loss(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean of −log of the probability that was given to what is right: (n,), (n, classes)."""
    return (
        float(-np.log(np.clip(probability[np.arange(len(label)), label], 1e-12, 1)).mean())
        if len(label)
        else float("nan")
    )


def calibration_error(right: np.ndarray, said: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017): mean |share that was right − probability
    said| over bins of equal width, weighted.
    """
    if not len(said):
        return float("nan")
    place = np.minimum((said * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, right, minlength=bins) - np.bincount(place, said, minlength=bins)
    )
    return float(gap[counts > 0].sum() / len(said))


def mae(rating: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error; nan without rows."""
    return float(np.abs(rating - predicted).mean()) if len(rating) else float("nan")


def mse(rating: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error; nan without rows."""
    return float(((rating - predicted) ** 2).mean()) if len(rating) else float("nan")
