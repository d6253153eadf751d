"""Predictions of classification, rating and behavior checkpoints, without torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from training.data.snapshot import Snapshot
from training.encoders.onnx import OnnxEncoder
from training.inference.calibration import (
    EnsembleMember,
    NeighborVote,
    OutputCalibration,
    averaged,
    scope_scores,
)
from training.inference.checkpoint import CheckpointError, read_run


@dataclass(frozen=True)
class Predictor:
    """Ensemble members, whose outputs are averaged, and the calibration of their output."""

    members: list[EnsembleMember]
    answer: OutputCalibration
    facts: dict

    def outputs(
        self, texts: Sequence[str], products: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """(n, classes) logits or (n, 1) ratings, and the neighbors' vote (n, classes) where they
        have one. products: second texts.
        """
        return averaged([m.judge(m.encoder.encode(texts, products)) for m in self.members])

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """(n, classes) calibrated probabilities, or (n, 1) ratings."""
        return self.answer.apply(*self.outputs(texts))

    def predict_in_scope(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(n, classes) calibrated probabilities, and (n,) bool: False where a text is unlike the
        training texts, so that no class is meant. Requires a classifier.
        """
        vectors = [m.encoder.encode(texts) for m in self.members]
        judged = [m.judge(v) for m, v in zip(self.members, vectors, strict=True)]
        probability = self.answer.apply(*averaged(judged))
        scope = self.facts.get("scope")
        if scope is None:
            return probability, np.ones(len(texts), dtype=bool)
        near = self.members[0].neighbours
        return probability, scope_scores(probability, near, vectors[0]) >= scope["least"]

    def answers(self, texts: Sequence[str]) -> list[dict]:
        """Predictions, one dict per text: {"class", "probability"} of a classifier, {"rating"} of a
        regressor.
        """
        if not texts:
            return []
        if not self.facts["classes"]:
            return [{"rating": round(float(r), 3)} for r in self.predict(texts)[:, 0]]
        predicted = self.predict(texts)
        best = predicted.argmax(axis=1)
        return [
            {"class": self.facts["classes"][c], "probability": round(float(p[c]), 4)}
            for c, p in zip(best, predicted, strict=True)
        ]

    def purchase(
        self, histories: Sequence[str], products: Sequence[str], bought_before: np.ndarray
    ) -> np.ndarray:
        """(n,) probabilities of a purchase within the horizon. Requires a `behaviour`
        checkpoint.
        """
        out, _ = self.outputs(histories, products)
        by_logit, by_own, offset = self.facts["platt"]
        return 1 / (
            1 + np.exp(-(by_logit * (out[:, 1] - out[:, 0]) + by_own * bought_before + offset))
        )

    def click(self, histories: Sequence[str], products: Sequence[str]) -> np.ndarray | None:
        """(n,) probabilities of a click within a day of the impression; None where the training had
        too few impressions.
        """
        head = self.facts.get("click")
        if head is None:
            return None
        vectors = self.members[0].encoder.encode(histories, products)
        return 1 / (
            1 + np.exp(-(vectors @ np.asarray(head["weight"], dtype=np.float32) + head["bias"]))
        )


def load_predictor(folder: Path) -> Predictor:
    """Load a text checkpoint. Raises CheckpointError where the folder is not such a checkpoint."""
    run = read_run(folder)
    if run.get("kind") != "head":
        raise CheckpointError(
            f"{folder.name}: is a {run.get('recipe')} checkpoint, which answers no single texts"
        )
    try:
        facts = json.loads((folder / "head.json").read_text(encoding="utf-8"))
        places = [folder, *(folder / f"member-{i}" for i in range(1, facts["members"]))]
        members = [_member(p, facts["voters"]) for p in places]
        answer = OutputCalibration(*(facts[f.name] for f in fields(OutputCalibration)))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder.name}: {Path(error.filename or '').name} is missing (was it trained "
            "with onnx = false?)"
        ) from None
    except Exception as error:  # onnxruntime and tokenizers raise classes of their own
        raise CheckpointError(f"{folder.name}: {error}") from None
    return Predictor(members, answer, facts)


def _member(folder: Path, voters: int) -> EnsembleMember:
    head, neighbours = load_file(folder / "head.safetensors"), None
    if voters:
        remembered = load_file(folder / "neighbours.safetensors")
        neighbours = NeighborVote(
            remembered["vectors"].astype(np.float32), remembered["label"], voters
        )
    return EnsembleMember(OnnxEncoder(folder / "onnx"), head["weight"], head["bias"], neighbours)


def least_sure(model: Predictor, snapshot: Snapshot, n: int) -> list[dict]:
    """Unlabeled reviews (or dialogues, all of which count as unlabeled) to label next.

    Those with the smallest gap between the two largest probabilities (margin sampling, Scheffer et
    al. 2001), smallest gap first.
    """
    ids, texts = _unlabelled(model, snapshot)
    if not texts:
        return []
    predicted = model.predict(texts)
    guess, ordered = predicted.argmax(axis=1), np.sort(predicted, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    return [
        {
            "id": ids[i],
            "text": texts[i],
            "margin": round(float(margin[i]), 4),
            "guess": model.facts["classes"][guess[i]],
        }
        for i in np.argsort(margin, kind="stable")[:n]
    ]


def _unlabelled(model: Predictor, snapshot: Snapshot) -> tuple[list[str], list[str]]:
    from training.data.labeled_texts import polarity, review_text

    if not model.facts["classes"]:
        raise CheckpointError("a rating model has no classes of which it could be unsure")
    if model.facts["recipe"] == "intent":
        table = snapshot.tables.get("dialogues")
        return (
            ([f"dialogue-{i}" for i in range(len(table))], table["text"].to_list())
            if table is not None
            else ([], [])
        )
    missing = polarity if model.facts["recipe"] == "sentiment" else lambda row: row["topic"]
    table = snapshot.tables.get("reviews")
    rows = (
        [r for r in table.iter_rows(named=True) if missing(r) is None and review_text(r)]
        if table is not None
        else []
    )
    return [r["review_id"] for r in rows], [review_text(r) for r in rows]
