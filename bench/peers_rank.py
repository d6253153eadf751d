"""`python -m bench.peers_rank PEER FOLDER QUESTION ...`: rank these questions with a peer's best
setting for each; run by the peers' own Python.

Reads FOLDER/QUESTION-validation.npz, by which settings are chosen, and FOLDER/QUESTION.npz; all
questions share what may be learned. Writes FOLDER/PEER-QUESTION.npy, (shoppers, 10) rows of
products, -1 where empty, and FOLDER/PEER.json, which says what was chosen. Products that may not be
ranked are never listed.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from training.metrics.ranking import ndcg_at_k

K, SEED = 10, 7
EPOCHS, EPOCHS_A_LOOK = 24, 3

Question = dict[str, np.ndarray]
Rank = Callable[[Question], np.ndarray]
Fit = Callable[[Question], Rank]
Chosen = tuple[dict, float]
"""A setting and its NDCG@10 on the validation question."""


def ndcg(question: Question, lists: np.ndarray) -> float:
    n_items = len(question["rankable"])
    owner = np.repeat(np.arange(len(question["asked"])), np.diff(question["start"])).astype(
        np.int64
    )
    shown = np.arange(len(lists), dtype=np.int64)[:, None] * n_items + lists
    hits = np.isin(shown, owner * n_items + question["target"]) & (lists >= 0)
    return float(np.nanmean(ndcg_at_k(hits, np.diff(question["start"]), K)))


def matrix(question: Question) -> sp.csr_matrix:
    """(shoppers, products): how often each was bought."""
    shape = (int(question["user"].max()) + 1, len(question["rankable"]))
    return sp.csr_matrix(
        (np.ones(len(question["user"]), dtype=np.float32), (question["user"], question["item"])),
        shape=shape,
    )


def _implicit(model) -> Fit:
    """What `model()` ranks after learning a question's past."""

    def fit(known: Question) -> Rank:
        bought, fitted = matrix(known), model()
        fitted.fit(bought, show_progress=False)

        def rank(question: Question) -> np.ndarray:
            never = np.flatnonzero(~question["rankable"])
            users, new_only = question["asked"], bool(question["new_only"])
            lists, _ = fitted.recommend(
                users,
                bought[users],
                N=K,
                filter_already_liked_items=new_only,
                filter_items=never if len(never) else None,
            )
            return np.asarray(lists, dtype=np.int64)

        return rank

    return fit


def als() -> Iterator[tuple[dict, Fit]]:
    from implicit.als import AlternatingLeastSquares

    for factors in (64, 128):
        for regularization in (0.01, 0.1):
            for alpha in (1.0, 10.0):
                setting = {"factors": factors, "regularization": regularization, "alpha": alpha}
                yield (
                    setting,
                    _implicit(
                        lambda s=setting: AlternatingLeastSquares(
                            **s, iterations=15, random_state=SEED
                        )
                    ),
                )


def bpr() -> Iterator[tuple[dict, Fit]]:
    from implicit.bpr import BayesianPersonalizedRanking

    for factors in (64, 128):
        for learning_rate in (0.01, 0.05):
            for iterations in (100, 300):
                setting = {
                    "factors": factors,
                    "learning_rate": learning_rate,
                    "iterations": iterations,
                }
                yield (
                    setting,
                    _implicit(
                        lambda s=setting: BayesianPersonalizedRanking(**s, random_state=SEED)
                    ),
                )


def item_knn() -> Iterator[tuple[dict, Fit]]:
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender

    for kind in (CosineRecommender, TFIDFRecommender, BM25Recommender):
        for neighbours in (50, 200):
            yield (
                {"kind": kind.__name__, "neighbours": neighbours},
                _implicit(lambda kind=kind, neighbours=neighbours: kind(K=neighbours)),
            )


class Sasrec:
    """RecTools' SASRec, trained a few epochs at a time."""

    def __init__(self, known: Question) -> None:
        import pandas as pd
        import pytorch_lightning as lightning
        from rectools.dataset import Dataset
        from rectools.models import SASRecModel

        lightning.seed_everything(SEED)
        frame = pd.DataFrame(
            {
                "user_id": known["user"],
                "item_id": known["item"],
                "weight": 1.0,
                "datetime": pd.to_datetime(known["time"], unit="s"),
            }
        )
        self.dataset, self.known_items = Dataset.construct(frame), np.unique(known["item"])
        longest = int(np.clip(np.quantile(np.bincount(known["user"]), 0.95), 10, 50))
        self.model = SASRecModel(
            n_factors=64,
            n_blocks=2,
            n_heads=2,
            session_max_len=longest,
            lr=1e-3,
            batch_size=128,
            epochs=1,
            verbose=0,
        )

    def train(self, epochs: int) -> "Sasrec":
        self.model.fit_partial(self.dataset, min_epochs=epochs, max_epochs=epochs)
        return self

    def rank(self, question: Question) -> np.ndarray:
        rankable = np.intersect1d(np.flatnonzero(question["rankable"]), self.known_items)
        who = {
            "users": question["asked"],
            "filter_viewed": bool(question["new_only"]),
            "on_unsupported_targets": "ignore",
        }
        rankings = self.model.recommend(
            dataset=self.dataset, k=K, items_to_recommend=rankable, **who
        )
        lists = np.full((len(question["asked"]), K), -1, dtype=np.int64)
        lists[np.searchsorted(question["asked"], rankings["user_id"]), rankings["rank"] - 1] = (
            rankings["item_id"]
        )
        return lists


def by_sasrec(
    validation: dict[str, Question], tests: dict[str, Question]
) -> tuple[dict[str, Chosen], dict[str, np.ndarray]]:
    """For each question what was chosen, the epochs after which validation was best, and the
    lists.
    """
    model, best = Sasrec(_any(validation)), dict.fromkeys(validation, ({"epochs": 0}, -1.0))
    for epochs in range(EPOCHS_A_LOOK, EPOCHS + 1, EPOCHS_A_LOOK):
        model.train(EPOCHS_A_LOOK)
        result = {
            name: ndcg(question, model.rank(question)) for name, question in validation.items()
        }
        print(f"sasrec: {epochs} epochs, validation NDCG@10 {result}", file=sys.stderr, flush=True)
        better = [name for name in result if result[name] > best[name][1]]
        if not better:
            break
        best |= {name: ({"epochs": epochs}, result[name]) for name in better}
    model, lists = Sasrec(_any(tests)), {}
    for epochs in range(
        EPOCHS_A_LOOK, max(setting["epochs"] for setting, _ in best.values()) + 1, EPOCHS_A_LOOK
    ):
        model.train(EPOCHS_A_LOOK)
        lists |= {
            name: model.rank(tests[name])
            for name, (setting, _) in best.items()
            if setting["epochs"] == epochs
        }
    return best, lists


def by_settings(
    settings: Iterator[tuple[dict, Fit]],
    validation: dict[str, Question],
    tests: dict[str, Question],
) -> tuple[dict[str, Chosen], dict[str, np.ndarray]]:
    """For each question what was chosen, the setting best on validation, and the lists."""
    tried = []
    for setting, fit in settings:
        rank = fit(_any(validation))
        tried.append(
            (
                setting,
                fit,
                {name: ndcg(question, rank(question)) for name, question in validation.items()},
            )
        )
    best = {name: max(tried, key=lambda one, name=name: one[2][name]) for name in validation}
    lists = {}
    for setting, fit, _ in tried:
        if names := [name for name, chosen in best.items() if chosen[0] is setting]:
            rank = fit(_any(tests))
            lists |= {name: rank(tests[name]) for name in names}
    return {name: (setting, result[name]) for name, (setting, _, result) in best.items()}, lists


def _any(questions: dict[str, Question]) -> Question:
    return next(iter(questions.values()))


def main(peer: str, folder: Path, questions: list[str]) -> None:
    validation, tests = (
        {name: dict(np.load(folder / f"{name}{end}.npz")) for name in questions}
        for end in ("-validation", "")
    )
    others = {"als": als, "bpr": bpr, "item_knn": item_knn}
    best, lists = (
        by_sasrec(validation, tests)
        if peer == "sasrec"
        else by_settings(others[peer](), validation, tests)
    )
    for name, rows in lists.items():
        np.save(folder / f"{peer}-{name}.npy", rows)
    rankings = {
        name: {"chosen": setting, "validation_ndcg@10": result}
        for name, (setting, result) in best.items()
    }
    (folder / f"{peer}.json").write_text(json.dumps(rankings))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
