"""Examples of opinions as training rows."""

import polars as pl
import pytest

from training.data.labeled_texts import TEST
from training.data.opinions import (
    EXAMPLE,
    FEWEST_TEST_LABELS,
    GENERAL,
    LABEL,
    LABEL_WEIGHT,
    PATTERN,
    POLARITIES,
    class_of,
    default_table,
    opinion_rows,
    parts_of,
)
from training.data.snapshot import Snapshot, read_snapshot, write_snapshot
from training.encoders.bert import TextEncoder
from training.errors import TrainingError

EMPTY = {
    "products": pl.DataFrame(schema={"item_id": pl.String, "title": pl.String}),
    "events": pl.DataFrame(schema={"type": pl.String, "occurred_at": pl.Datetime("us", "UTC")}),
}


def snapshot(path, rows: list[tuple] | None) -> Snapshot:
    tables = dict(EMPTY)
    if rows is not None:
        tables["opinions"] = pl.DataFrame(
            rows, schema=["text", "topic", "polarity", "origin"], orient="row"
        )
    write_snapshot(path / "snapshot", "x", tables)
    return read_snapshot(path / "snapshot")


def test_a_class_is_a_topic_and_a_polarity():
    for topic in ("size", GENERAL, "a|b"):
        assert parts_of(class_of(topic, "neutral")) == (topic, "neutral")
    for name in ("billing", "negative"):
        with pytest.raises(ValueError, match=name):
            parts_of(name)


def test_the_default_topics_have_examples_of_each_polarity():
    table = default_table()
    counts = table.group_by("topic", "polarity").len()
    assert len(counts) == 3 * table["topic"].n_unique() and counts["len"].min() >= 8
    assert table["text"].is_unique().all()
    assert {"delivery", "size", "quality", "price", "service", "appearance", GENERAL} == set(
        table["topic"]
    )


def test_without_own_topics_the_default_ones_are_learned(tmp_path):
    rows = opinion_rows(snapshot(tmp_path, None), 0.1, 0.1)
    assert len(rows.texts) == len(default_table()) and len(rows.at(TEST)) > 0
    assert set(rows.classes) == {
        class_of(topic, polarity)
        for topic in {*default_table()["topic"]}
        for polarity in POLARITIES
    }


def test_labels_judge_a_model_once_there_are_enough(tmp_path):
    examples = [(f"example {i}", "size", "positive", EXAMPLE) for i in range(100)]
    labels = [(f"label {i}", "size", "negative", LABEL) for i in range(FEWEST_TEST_LABELS)]
    few = opinion_rows(snapshot(tmp_path / "few", examples + labels[:-1]), 0.3, 0.1)
    assert any(few.texts[i].startswith("example") for i in few.at(TEST))
    many = opinion_rows(snapshot(tmp_path / "many", examples + labels), 0.3, 0.1)
    assert len(many.at(TEST)) > 0
    assert all(many.texts[i].startswith("label") for i in many.at(TEST))


@pytest.mark.parametrize(
    "row", [("good", "size", "nice", EXAMPLE), (" ", "size", "positive", LABEL)]
)
def test_a_row_that_says_nothing_is_named(tmp_path, row):
    with pytest.raises(TrainingError, match="opinions: a row has no text, or another polarity"):
        opinion_rows(snapshot(tmp_path, [row]), 0.1, 0.1)


def test_a_label_counts_in_place_of_an_example_of_its_text(tmp_path):
    texts = [f"clause {i}" for i in range(60)]
    rows = [(text, "size", "positive", EXAMPLE) for text in texts]
    rows += [(text, "size", "negative", LABEL) for text in texts]
    learned = opinion_rows(snapshot(tmp_path, rows), 0.3, 0.1)
    assert {*texts} <= {*learned.texts}
    times = {learned.texts.count(text) for text in texts}
    assert times == {1, LABEL_WEIGHT}, "once in the test, several times in training"
    own = [text in texts for text in learned.texts]
    names = {learned.classes[target] for target in learned.target[own]}
    assert names == {"size|negative"}


def test_default_examples_stand_in_where_the_shop_has_none(tmp_path):
    labels = [("took hours", "assembly", "negative", "label")]
    rows = opinion_rows(snapshot(tmp_path / "labels", labels), 0.1, 0.1)
    assert rows.texts.count("took hours") in (1, LABEL_WEIGHT)
    assert {*rows.texts} == {*default_table()["text"], "took hours"}
    assert "assembly|negative" in rows.classes
    own = [("screws are missing", "assembly", "negative", "example")]
    classes = opinion_rows(snapshot(tmp_path / "own", own + labels), 0.1, 0.1).classes
    assert classes == ["assembly|negative", *(class_of(GENERAL, one) for one in sorted(POLARITIES))]


def test_patterns_and_titles_of_a_topic_stay_where_the_shop_changes_its_examples(tmp_path):
    own = [("came by drone", "delivery", "positive", EXAMPLE)]
    rows = opinion_rows(snapshot(tmp_path, own), 0.1, 0.1)
    known = default_table().filter(pl.col("topic").is_in(["delivery", GENERAL]))
    left_out = known.filter((pl.col("topic") == "delivery") & (pl.col("origin") == EXAMPLE))
    assert {*rows.texts} == {*known["text"], "came by drone"} - {*left_out["text"]}
    assert len(left_out) > 50 and not any("size|" in name for name in rows.classes)


def test_phrases_of_patterns_are_left_out_where_the_encoder_cannot_read_them(tmp_path):
    encoder = TextEncoder.load("", 48, 0)
    labels = [("物流太慢了", "delivery", "negative", LABEL)]
    of_shop = snapshot(tmp_path, labels)
    rows = opinion_rows(of_shop, 0.1, 0.1, encoder.unknown_shares)
    left_out = {*opinion_rows(of_shop, 0.1, 0.1).texts} - {*rows.texts}
    patterns = default_table().filter(pl.col("origin") == PATTERN)["text"].to_list()
    chinese = {text for text in patterns if any("一" <= letter <= "龥" for letter in text)}
    assert left_out <= chinese and len(left_out) > 0.99 * len(chinese) > 1000
    assert "物流太慢了" in rows.texts, "labels and examples are kept"
