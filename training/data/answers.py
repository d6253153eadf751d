"""Questions with the answers that solved them; the recipe `answers` learns retrieval from them."""

from dataclasses import dataclass

import numpy as np

from training.data.labeled_texts import TEST, TRAIN, VALIDATION, place_of
from training.data.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Answered:
    """Questions and answers.

    questions: (n,) texts; answers: (m,) distinct texts; right: (n,) number of each question's
    answer; part: (n,) TRAIN, VALIDATION or TEST
    """

    questions: list[str]
    answers: list[str]
    right: np.ndarray
    part: np.ndarray

    def at(self, part: int) -> np.ndarray:
        """Numbers (n,) of the questions of a split."""
        return np.flatnonzero(self.part == part)


def answered_questions(snapshot: Snapshot, test_share: float, validation_share: float) -> Answered:
    """The dialogues of a snapshot that have an answer, split as they say, else by a hash of the
    question, so that a question is always in the same split.
    """
    table = snapshot.tables.get("dialogues")
    rows = [] if table is None else list(table.iter_rows(named=True))
    rows = [row for row in rows if (row["text"] or "").strip() and (row["answer"] or "").strip()]
    number: dict[str, int] = {}
    questions = [row["text"].strip() for row in rows]
    right = [number.setdefault(row["answer"].strip(), len(number)) for row in rows]
    given = any(row["split"] for row in rows)
    part = np.full(len(rows), TRAIN)
    for i, (question, row) in enumerate(zip(questions, rows, strict=True)):
        if row["split"] == "test" if given else place_of(question, "test") < test_share:
            part[i] = TEST
        elif place_of(question, "validation") < validation_share:
            part[i] = VALIDATION
    return Answered(questions, list(number), np.array(right, dtype=np.int64), part)
