"""Questions with answers out of dialogues: what counts, and which part it belongs to."""

import numpy as np
import polars as pl
import pytest

from training.data.answers import answered_questions
from training.data.labeled_texts import TEST, TRAIN, VALIDATION, place_of
from training.data.snapshot import read_snapshot, write_snapshot


def snapshot(tmp_path, rows):
    products = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String})
    events = pl.DataFrame(
        schema={
            "user_id": pl.String,
            "item_id": pl.String,
            "type": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
            "session_id": pl.String,
        }
    )
    names = ("text", "intent", "answer", "split")
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    write_snapshot(
        tmp_path / "s", "s", {"products": products, "events": events, "dialogues": table}
    )
    return read_snapshot(tmp_path / "s")


def test_equal_answers_are_one_and_rows_without_an_answer_are_left_out(tmp_path):
    rows = [
        ("a?", None, "yes", None),
        ("b?", "x", " yes ", None),
        ("c?", "x", None, None),
        (" ", "x", "no", None),
        ("d?", None, "no", None),
    ]
    data = answered_questions(snapshot(tmp_path, rows), 0.0, 0.0)
    assert (data.questions, data.answers) == (["a?", "b?", "d?"], ["yes", "no"])
    assert data.right.tolist() == [0, 0, 1] and data.at(TRAIN).tolist() == [0, 1, 2]


def test_a_hash_of_the_question_splits_and_given_splits_win(tmp_path):
    rows = [(f"question {i}", None, f"answer {i}", None) for i in range(400)]
    data = answered_questions(snapshot(tmp_path, rows), 0.25, 0.2)
    places = np.array([place_of(question, "test") < 0.25 for question in data.questions])
    assert ((data.part == TEST) == places).all()
    assert len(data.at(TEST)) == pytest.approx(100, abs=30)
    assert len(data.at(VALIDATION)) == pytest.approx(60, abs=30)
    rows = [("a?", None, "1", "test"), ("b?", None, "2", None), ("c?", None, "3", "train")]
    given = answered_questions(snapshot(tmp_path / "given", rows), 1.0, 0.0)
    assert given.part.tolist() == [TEST, TRAIN, TRAIN]


def test_a_shop_without_dialogues_has_no_questions(tmp_path):
    data = answered_questions(snapshot(tmp_path, []), 0.2, 0.1)
    assert data.questions == [] and len(data.at(TRAIN)) == 0
