"""Labeled rows: few of each class, and the names of classes as texts of theirs."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from training.data.labeled_texts import (
    NAME_COPIES,
    TEST,
    TRAIN,
    VALIDATION,
    Rows,
    dialogue_rows,
    review_rows,
)


@pytest.fixture
def rows():
    target = np.array([0] * 6 + [1] * 2 + [2] * 4)
    part = np.array([TRAIN] * 4 + [VALIDATION, TEST] + [TRAIN, TEST] + [TRAIN, TRAIN, TEST, TEST])
    return Rows(
        [f"r{i}" for i in range(12)],
        [f"text {i}" for i in range(12)],
        target,
        part,
        ["lost_card", "top-up: failed", "42"],
    )


@pytest.mark.parametrize("kind", ["reviews", "dialogues"])
def test_one_text_is_in_one_part_however_often_it_comes(kind):
    """Else the test would ask for texts that were trained on."""
    texts = [f"text {i % 40}" for i in range(400)]
    columns = {"split": [None] * 400}
    if kind == "reviews":
        columns |= {
            "review_id": [f"r{i}" for i in range(400)],
            "title": [""] * 400,
            "text": texts,
            "rating": [5.0] * 400,
            "label": [None] * 400,
        }
        result = review_rows(
            SimpleNamespace(tables={kind: pl.DataFrame(columns)}),
            lambda row: row["rating"],
            "a rating",
            0.3,
            0.2,
        )
    else:
        columns |= {"text": texts, "intent": ["a"] * 400}
        result = dialogue_rows(SimpleNamespace(tables={kind: pl.DataFrame(columns)}), 0.3, 0.2)
    parts = {}
    for text, part in zip(result.texts, result.part, strict=True):
        parts.setdefault(text, set()).add(int(part))
    assert (
        len(parts) == 40
        and all(len(part) == 1 for part in parts.values())
        and set.union(*parts.values()) == {TRAIN, VALIDATION, TEST}
    )


def test_names_of_classes_with_few_texts_follow_the_rows_as_training_texts(rows):
    named = rows.with_names(4)
    assert named.texts[:12] == rows.texts and named.texts[12:] == ["top up failed"] * NAME_COPIES
    assert (
        named.target[12:].tolist() == [1] * NAME_COPIES
        and named.part[12:].tolist() == [TRAIN] * NAME_COPIES
    )
    assert (
        named.at(TEST).tolist() == rows.at(TEST).tolist()
        and named.target.dtype == rows.target.dtype
    )


def test_a_name_without_letters_says_nothing_and_many_texts_need_no_name(rows):
    assert "42" not in rows.with_names(100).texts
    assert rows.with_names(1).texts == rows.with_names(0).texts == rows.texts


def test_a_class_without_a_labelled_text_has_its_name(rows):
    unseen = rows.take(np.flatnonzero((rows.target != 1) | (rows.part == TEST)))
    assert unseen.with_names(1).texts[-NAME_COPIES:] == ["top up failed"] * NAME_COPIES


def test_few_are_drawn_of_each_class_and_no_test_row(rows):
    few = rows.draw_few(2, seed=1)
    drawn = np.bincount(few.target[few.at(TRAIN)], minlength=3)
    assert drawn.tolist() == [2, 1, 2] and len(few.at(TEST)) == 4 and not len(few.at(VALIDATION))
