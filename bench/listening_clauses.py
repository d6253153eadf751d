"""Topics and polarities of clauses, on 300 sentences with two topics and opposite feelings.

Without labels, the judge has learned from what comes with the project alone. Ten labels a topic
are development phrases, five of each polarity; the test phrases are others.
"""

import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, fit, sources, write_tables
from bench.opinion_phrases import FOR_DEVELOPMENT, PHRASES, sentences
from training.data.opinions import LABEL, default_table
from training.data.snapshot import MORE_COLUMNS
from training.inference.opinion_judge import JudgedClause, OpinionJudge
from training.inference.text_predictor import load_predictor

SENTENCES, SEED = 300, 0
EACH = 5
"""Labels of a topic and polarity."""


def run() -> dict[str, dict]:
    known = set(default_table()["text"].str.to_lowercase())
    tested = {phrase for _, opinions in _sentences() for phrase, _, _ in opinions}
    if both := {phrase for phrase in tested if phrase.lower() in known}:
        raise ValueError(f"test phrases are among the examples: {sorted(both)}")
    none = write_tables("opinions-none")
    few = write_tables("opinions-ten", opinions=_labels())
    out = {}
    for name, data in (("zero_labels", none), ("ten_labels", few)):
        fit("opinion", data, f"opinion-{name}", {})
        folder = KEPT / sources() / f"opinion-{name}" / "out"
        shares = _shares(OpinionJudge(load_predictor(folder)))
        out |= {f"clauses.{name}{part}": measure(share, "share") for part, share in shares.items()}
    return out


def _sentences() -> list[tuple[str, list[tuple[str, str, str]]]]:
    return list(sentences(SENTENCES, SEED))


def _labels() -> pl.DataFrame:
    rows = [
        (phrase, topic, polarity, LABEL, "train")
        for topic, of_topic in PHRASES.items()
        for polarity, phrases in of_topic.items()
        for phrase in phrases[:FOR_DEVELOPMENT][:EACH]
    ]
    return pl.DataFrame(rows, schema=MORE_COLUMNS["opinions"], orient="row")


def _shares(judge: OpinionJudge) -> dict[str, float]:
    """Shares of the clauses with the right topic and polarity, of those with each, of those that
    are judged, and of the sentences whose two clauses are right.
    """
    mixed = _sentences()
    right = topics = polarities = judged = whole = 0
    for (text, opinions), found in zip(mixed, judge.judge([t for t, _ in mixed]), strict=True):
        ok = 0
        for phrase, topic, polarity in opinions:
            clause = _clause_of(text, phrase, found)
            is_topic = clause is not None and [name for name, _ in clause.topics[:1]] == [topic]
            is_polarity = clause is not None and clause.polarity == polarity
            topics, polarities = topics + is_topic, polarities + is_polarity
            judged += clause is not None and clause.polarity is not None
            ok += is_topic and is_polarity
        right, whole = right + ok, whole + (ok == len(opinions))
    clauses = 2 * len(mixed)
    return {
        "": right / clauses,
        ".topics": topics / clauses,
        ".polarities": polarities / clauses,
        ".judged": judged / clauses,
        ".sentences": whole / len(mixed),
    }


def _clause_of(text: str, phrase: str, found: list[JudgedClause]) -> JudgedClause | None:
    """The clause that holds the middle of a phrase."""
    middle = text.lower().index(phrase.lower()) + len(phrase) // 2
    return next((one for one in found if one.begin <= middle < one.end), None)
