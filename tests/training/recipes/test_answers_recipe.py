"""The recipe `answers`: ranks of right answers, confidence, and shops with few questions."""

import json

import numpy as np
import polars as pl
import pytest

from tests.training.command_line import run_fit
from training.recipes.answers import answer_ranks, confidence_features, confidence_of

FIELDS = ["text.steps=4", "text.epochs=0", "text.evaluate_every=2", "text.batch_size=16"]


def test_ranks_of_right_answers_by_hand():
    answers = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=np.float32)
    questions = np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    ranks, best = answer_ranks(questions, answers, np.array([2, 2]))
    assert ranks.tolist() == [1, 0]
    assert best == pytest.approx(np.array([[1.0, 0.6], [1.0, 0.8]]))
    assert confidence_features(best) == pytest.approx(np.array([[1.0, 0.4], [1.0, 0.2]]))


def test_confidence_grows_with_the_lead():
    rng = np.random.default_rng(0)
    lead = rng.random(400).astype(np.float32)
    best = np.stack([np.full(400, 0.9, np.float32), 0.9 - lead], axis=1)
    ranks = np.where(rng.random(400) < lead, 0, 5)
    fitted = confidence_of(ranks, best)
    assert fitted["lead"] > 2
    assert confidence_of(np.zeros(400, dtype=int), best) is None


def test_pairs_are_learned_and_the_report_says_how_well(tiny_snapshot, tiny_encoder, tmp_path):
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "onnx=false"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "answers", "--set", *fields) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["systems"]) == {"text_before", "text_after"}
    assert report["protocol"]["train"] > 100 and report["protocol"]["answers"] > 4
    assert 0 <= report["systems"]["text_after"]["recall@10"]["value"] <= 1
    assert report["chosen"]["tuned_share"] in (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("alike", [False, True])
def test_with_few_questions_or_answers_the_encoder_serves_as_it_is(
    tiny_snapshot, tiny_encoder, tmp_path, alike
):
    from training.data.snapshot import read_snapshot, write_snapshot

    tables = dict(read_snapshot(tiny_snapshot).tables)
    shop = {
        name: pl.read_parquet(tiny_snapshot / f"{name}.parquet") for name in ("products", "events")
    }
    dialogues = tables["dialogues"]
    one = dialogues.with_columns(answer=pl.lit("the only answer")) if alike else dialogues.head(20)
    write_snapshot(tmp_path / "few", "few", {**shop, "dialogues": one})
    fields = [*FIELDS, f"text.encoder={tiny_encoder}"]
    assert run_fit(tmp_path / "few", tmp_path / "out", "answers", "--set", *fields) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["systems"] == {} and "questions with an answer" in report["warnings"][0]
    assert (tmp_path / "out" / "onnx" / "encoder.int8.onnx").exists()
