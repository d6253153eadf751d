"""Search over fields: within its budget, resumable, every trial visible, the test data not
looked at.
"""

import json

import pytest

from tests.training.command_line import run_fit
from training.evaluation import classification

FIELDS = [
    "text.steps=4",
    "text.epochs=0",
    "text.evaluate_every=2",
    "text.batch_size=16",
    "text.frozen_layers=1",
    "onnx=false",
    "search_minutes=5",
]


def test_every_trial_is_in_the_report_and_the_best_one_is_used(
    tiny_snapshot, tiny_encoder, tmp_path
):
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "search_trials=3"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "topic", "--set", *fields) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["trials"]) == 3 and {t["state"] for t in report["trials"]} <= {
        "complete",
        "pruned",
    }
    best = max((t for t in report["trials"] if t["state"] == "complete"), key=lambda t: t["value"])
    assert report["config"]["text"]["learning_rate"] == pytest.approx(
        best["fields"]["learning_rate"]
    )
    assert json.loads((tmp_path / "trials.json").read_text()) == report["trials"]
    more = [*fields[:-1], "search_trials=4"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "topic", "--resume", "--set", *more) == 0
    again = json.loads((tmp_path / "out" / "report.json").read_text())["trials"]
    assert len(again) == 4 and again[:3] == report["trials"]


def test_trials_do_not_see_test_rows(tiny_snapshot, tiny_encoder, tmp_path, monkeypatch):
    seen = []
    real = classification.baselines
    monkeypatch.setattr(
        classification,
        "baselines",
        lambda rows, *more: seen.append(len(rows.at(2))) or real(rows, *more),
    )
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "search_trials=2"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "topic", "--set", *fields) == 0
    assert seen[:-1] == [0, 0] and seen[-1] > 0


def test_a_recipe_without_a_search_says_so(tiny_snapshot, tiny_checkpoint, tmp_path, capsys):
    fields = ["search_minutes=1", f"teacher={tiny_checkpoint}", "onnx=false"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "distil", "--set", *fields) == 2
    assert "distil has no search over its fields" in capsys.readouterr().err


def test_a_search_without_validation_rows_says_so_at_once(
    tiny_snapshot, tiny_encoder, tmp_path, capsys
):
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "per_class=8"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "topic", "--set", *fields) == 2
    assert "goes by validation rows, and there are none" in capsys.readouterr().err
