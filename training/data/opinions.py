"""Examples of opinions: clauses with a topic and a polarity; the recipe `opinion` learns from them.

A class is a topic and a polarity together ("delivery|negative"), because what praises one topic may
complain about another: long waits, long sleeves. The topic of general opinions is empty.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from training.data.labeled_texts import Rows, labeled_rows, place_of
from training.data.opinion_patterns import pattern_phrases
from training.data.snapshot import MORE_COLUMNS, Snapshot
from training.errors import need

NEGATIVE, NEUTRAL, POSITIVE = POLARITIES = ("negative", "neutral", "positive")
GENERAL = ""
"""Topic of an opinion on the whole."""
EXAMPLE, PATTERN, TITLE, LABEL = "example", "pattern", "title", "label"
"""Where a row comes from: an example of a topic's declaration, a phrase of a pattern (never a test
row), a title of a public review, or a person's label.
"""
TITLES = "clothing_titles.csv.gz"
LABEL_WEIGHT = 8
"""Times that a label is seen for each time that an example is."""
UNREADABLE = 0.1
"""Share of unknown tokens from which on the encoder cannot read a phrase of a pattern."""
SEPARATOR = "|"
FEWEST_TEST_LABELS = 40
"""With so many labels, examples of topics are no test rows."""


def class_of(topic: str, polarity: str) -> str:
    """The name of a class."""
    return f"{topic}{SEPARATOR}{polarity}"


def parts_of(name: str) -> tuple[str, str]:
    """(topic, polarity) of a class. Raises ValueError where the name is no class's."""
    topic, separator, polarity = name.rpartition(SEPARATOR)
    if not separator or polarity not in POLARITIES:
        raise ValueError(f"“{name}” is no topic with a polarity")
    return topic, polarity


@cache
def defaults() -> dict:
    """`topics` of most shops (key, name, and examples in English and Chinese by polarity), and
    `general`: examples of opinions on the whole, by polarity.
    """
    file = Path(__file__).parent / "default_topics.json"
    return json.loads(file.read_text(encoding="utf-8"))


def default_table() -> pl.DataFrame:
    """What is known of the default topics, as the table `opinions` of a snapshot: their examples,
    phrases of patterns, and titles of reviews of clothing with the polarity of their rating.
    """
    topics = {topic["key"]: topic["examples"] for topic in defaults()["topics"]}
    rows = _examples(topics | {GENERAL: defaults()["general"]})
    rows += [(*row, PATTERN, "train") for row in pattern_phrases()]
    titles = pl.read_csv(Path(__file__).parent / TITLES).fill_null(GENERAL)
    rows += [(*row, TITLE, None) for row in titles.iter_rows()]
    return _table(rows)


def _table(rows: list[tuple]) -> pl.DataFrame:
    """Rows as a table, each text once."""
    table = pl.DataFrame(rows, schema=MORE_COLUMNS["opinions"], orient="row")
    return table.unique("text", keep="first", maintain_order=True)


def _examples(topics: dict[str, dict[str, list[str]]]) -> list[tuple]:
    return [
        (text, topic, polarity, EXAMPLE, None)
        for topic, examples in topics.items()
        for polarity in POLARITIES
        for text in examples[polarity]
    ]


def _with_examples(table: pl.DataFrame | None) -> pl.DataFrame:
    """The table with what is known of its topics, which are the default ones where it has no
    examples. Examples of a topic that has its own are left out.
    """
    if table is None or not len(table):
        return default_table()
    table = table.with_columns(pl.col("topic").fill_null(GENERAL))
    own = table.filter(pl.col("origin").eq_missing(EXAMPLE))["topic"].unique()
    known = default_table()
    if len(own):
        of_topics = pl.col("topic").is_in(own.implode()) | (pl.col("topic") == GENERAL)
        has_own = pl.col("topic").is_in(own.implode()) & (pl.col("origin") == EXAMPLE)
        known = known.filter(of_topics & ~has_own)
    return pl.concat([table, known])


def opinion_rows(
    snapshot: Snapshot,
    test_share: float,
    validation_share: float,
    unknown_shares: Callable[[Sequence[str]], np.ndarray] | None = None,
) -> Rows:
    """Clauses by class: those of the snapshot, with the default topics where it has no examples;
    split as they say, else by a hash of the text. A label counts in place of an example of the same
    text. Phrases of patterns in languages that the encoder cannot read are left out.

    unknown_shares: share of the tokens of each text that the encoder does not know; by default, it
    knows all. Raises TrainingError where a row has no text or an unknown polarity.
    """
    table = _with_examples(snapshot.tables.get("opinions"))
    if unknown_shares is not None:
        table = _readable(table, unknown_shares)
    unknown = table.filter(
        ~pl.col("polarity").is_in(POLARITIES) | (pl.col("text").str.strip_chars() == "")
    )
    need(
        not len(unknown),
        "opinions: a row has no text, or another polarity than "
        f"{', '.join(POLARITIES)}: {unknown.head(1).to_dicts()}",
    )
    of_labels = pl.col("origin").eq_missing(LABEL)
    has_labels = len(table.filter(of_labels & pl.col("split").is_null())) >= FEWEST_TEST_LABELS
    table = table.sort(of_labels, descending=True, maintain_order=True)
    table = table.unique(pl.col("text").str.strip_chars(), keep="first", maintain_order=True)
    rows = []
    for i, row in enumerate(table.iter_rows(named=True)):
        text, split = row["text"].strip(), row["split"]
        if not split:
            may_test = row["origin"] == LABEL or not has_labels
            split = "test" if may_test and place_of(text, "test") < test_share else "train"
        name = class_of(row["topic"] or GENERAL, row["polarity"])
        times = LABEL_WEIGHT if row["origin"] == LABEL and split == "train" else 1
        rows += [(f"opinion-{i}-{n}", text, name, split) for n in range(times)]
    return labeled_rows(rows, test_share, validation_share)


def _readable(
    table: pl.DataFrame, unknown_shares: Callable[[Sequence[str]], np.ndarray]
) -> pl.DataFrame:
    """The table without phrases of patterns that the encoder cannot read."""
    phrases = table.filter(pl.col("origin").eq_missing(PATTERN))["text"]
    unread = phrases.filter(pl.Series(unknown_shares(phrases.to_list()) >= UNREADABLE))
    of_patterns = pl.col("origin").eq_missing(PATTERN)
    return table.filter(~(of_patterns & pl.col("text").is_in(unread.implode())))
