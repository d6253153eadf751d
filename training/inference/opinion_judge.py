"""Opinions of texts, clause by clause, by a checkpoint of the recipe `opinion`. Needs no torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.opinions import GENERAL, POLARITIES, parts_of
from training.inference.checkpoint import CheckpointError
from training.inference.text_predictor import Predictor
from training.opinions.clauses import clauses

SURE = 0.5
"""Probability of a polarity from which on it is said."""
TOPIC = 0.3
"""Probability of a topic from which on it is named."""
MOST_TOPICS = 2
UNKNOWN_SHARE = 0.3
"""Share of unknown tokens from which on a clause is in a language that the encoder has not
learned.
"""
NO_WORD = re.compile(r"[^\w\s]+")
UNSURE, LANGUAGE = "unsure", "language"
"""Why a clause is not judged."""


@dataclass(frozen=True)
class JudgedClause:
    """A clause of a text by character offsets, and the opinion in it.

    polarity: None where it is not judged; why_not says why. probability: of the polarity
    topics: (topic, probability), the most probable first; none for an opinion on the whole
    """

    begin: int
    end: int
    polarity: str | None
    probability: float
    topics: tuple[tuple[str, float], ...] = ()
    why_not: str = ""


class OpinionJudge:
    """Judges clauses by the classes of a predictor, which are topics with a polarity. Raises
    CheckpointError where it has others.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        if not predictor.facts["classes"]:
            raise CheckpointError("the checkpoint judges no opinions: it has no classes")
        try:
            parts = [parts_of(name) for name in predictor.facts["classes"]]
        except ValueError as error:
            raise CheckpointError(f"the checkpoint judges no opinions: {error}") from None
        self.topics = sorted({topic for topic, _ in parts} - {GENERAL})
        rows = {topic: row for row, topic in enumerate([*self.topics, GENERAL])}
        self._row = np.array([rows[topic] for topic, _ in parts])
        self._polarity = np.array([POLARITIES.index(polarity) for _, polarity in parts])

    def judge(self, texts: Sequence[str]) -> list[list[JudgedClause]]:
        """The judged clauses of each text, in order. A text without a word has none."""
        spans = [clauses(text) for text in texts]
        parts = [
            text[begin:end]
            for text, of_text in zip(texts, spans, strict=True)
            for begin, end in of_text
        ]
        if not parts:
            return [[] for _ in texts]
        probability = self.probabilities(parts)
        words = [NO_WORD.sub(" ", part) for part in parts]  # emoji are in no vocabulary
        unknown = self.predictor.members[0].encoder.unknown_shares(words) >= UNKNOWN_SHARE
        judged = iter(zip(probability, unknown.tolist(), strict=True))
        return [
            [self._judged(begin, end, *next(judged)) for begin, end in of_text] for of_text in spans
        ]

    def probabilities(self, parts: Sequence[str]) -> np.ndarray:
        """(n, topics + 1, 3) probabilities of topic and polarity of clauses; the last row is that
        of opinions on the whole.
        """
        predicted = self.predictor.predict(parts)
        out = np.zeros((len(parts), len(self.topics) + 1, len(POLARITIES)))
        out[:, self._row, self._polarity] = predicted
        return out

    def _judged(self, begin: int, end: int, probability: np.ndarray, unknown: bool) -> JudgedClause:
        if unknown:
            return JudgedClause(begin, end, None, 0.0, why_not=LANGUAGE)
        of_topic = probability.sum(axis=1)
        best = [
            row for row in np.argsort(-of_topic)[:MOST_TOPICS].tolist() if of_topic[row] >= TOPIC
        ]
        polarity = probability[best].sum(axis=0) if best else probability.sum(axis=0)
        polarity = polarity / polarity.sum()
        choice = int(polarity.argmax())
        sure = float(polarity[choice])
        if sure < SURE or not best:
            return JudgedClause(begin, end, None, sure, why_not=UNSURE)
        named = [(self.topics[row], float(of_topic[row])) for row in best if row < len(self.topics)]
        return JudgedClause(begin, end, POLARITIES[choice], sure, tuple(named))
