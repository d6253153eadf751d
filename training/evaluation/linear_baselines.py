"""Linear models on vectors or words (scikit-learn): initialization of heads, and baselines."""

from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

STRENGTHS = (1.0, 10.0, 30.0, 100.0)
"""Candidate values of inverse regularization; validation rows select one."""


@dataclass(frozen=True)
class LinearFit:
    """A fitted linear model: weight (classes, features), bias (classes,), and the selected inverse
    regularization `strength`.
    """

    model: object
    strength: float


def fit_classes(
    x,
    y: np.ndarray,
    x_validation,
    y_validation: np.ndarray,
    seed: int,
    strengths: tuple = STRENGTHS,
) -> LinearFit:
    """Fit logistic regression on (rows, features); the regularization is selected by validation
    log-likelihood (default 100 without validation rows).
    """
    if not len(y_validation):
        strengths = (100.0,)
    fits = [
        LinearFit(LogisticRegression(C=c, max_iter=400, random_state=seed).fit(x, y), c)
        for c in strengths
    ]
    return (
        max(fits, key=lambda f: _likelihood(f.model, x_validation, y_validation))
        if len(fits) > 1
        else fits[0]
    )


def _likelihood(model: LogisticRegression, x, y: np.ndarray) -> float:
    known = np.isin(y, model.classes_)
    column = np.searchsorted(model.classes_, y[known])
    return float(model.predict_log_proba(x[known])[np.arange(known.sum()), column].mean())


def softmax_weights(fit: LinearFit, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The fit as weight (classes, features) and bias (classes,) of a softmax. Two-class fits have
    one row, which is halved.
    """
    model = fit.model
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2 and len(weight) == 1:
        weight, bias = (
            np.stack([-weight[0] / 2, weight[0] / 2]),
            np.array([-bias[0] / 2, bias[0] / 2]),
        )
    whole = np.zeros((classes, weight.shape[1]), dtype=np.float32)
    offset = np.full(classes, -10.0, dtype=np.float32)
    whole[model.classes_], offset[model.classes_] = weight, bias
    return whole, offset


def probabilities(fit: LinearFit, x, classes: int) -> np.ndarray:
    """Predict probabilities (n, classes); 0 for classes without training rows."""
    out = np.zeros((x.shape[0], classes))
    out[:, fit.model.classes_] = fit.model.predict_proba(x)
    return out


def fit_ratings(x, y: np.ndarray, x_validation, y_validation: np.ndarray) -> LinearFit:
    """Fit ridge regression on (rows, features); the penalty is selected by validation error
    (default 1 without validation rows).
    """
    strengths = STRENGTHS if len(y_validation) else (1.0,)
    fits = [LinearFit(Ridge(alpha=1 / c).fit(x, y), c) for c in strengths]
    return (
        min(fits, key=lambda f: ((f.model.predict(x_validation) - y_validation) ** 2).mean())
        if len(fits) > 1
        else fits[0]
    )


def word_features(texts: list[str], train: np.ndarray):
    """TF-IDF of words and word pairs (characters in languages without spaces), fitted on the
    training rows: (n, features) sparse.
    """
    spaced = np.mean([" " in texts[i] for i in train[:1000]]) > 0.5 if len(train) else True
    how = {"ngram_range": (1, 2)} if spaced else {"analyzer": "char", "ngram_range": (1, 2)}
    vectorizer = TfidfVectorizer(
        min_df=2 if len(train) > 1000 else 1, max_features=30_000, sublinear_tf=True, **how
    )
    vectorizer.fit([texts[i] for i in train])
    return vectorizer.transform(texts)
