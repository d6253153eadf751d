"""Labelled rows: few of each class, and the names of classes as texts of theirs."""

import numpy as np
import pytest

from training.recipes.labelled import NAME_COPIES, TEST, TRAIN, VALIDATION, Rows


@pytest.fixture
def rows():
    target = np.array([0] * 6 + [1] * 2 + [2] * 4)
    part = np.array([TRAIN] * 4 + [VALIDATION, TEST] + [TRAIN, TEST] + [TRAIN, TRAIN, TEST, TEST])
    return Rows([f"r{i}" for i in range(12)], [f"text {i}" for i in range(12)], target, part, ["lost_card", "top-up: failed", "42"])


def test_names_of_classes_with_few_texts_follow_the_rows_as_training_texts(rows):
    named = rows.with_names(4)
    assert named.texts[:12] == rows.texts and named.texts[12:] == ["top up failed"] * NAME_COPIES
    assert named.target[12:].tolist() == [1] * NAME_COPIES and named.part[12:].tolist() == [TRAIN] * NAME_COPIES
    assert named.at(TEST).tolist() == rows.at(TEST).tolist() and named.target.dtype == rows.target.dtype


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
