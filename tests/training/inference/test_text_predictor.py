"""Without torch: the int8 encoder, answers of a checkpoint, and what to label next."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests import tinyshop
from tests.training.command_line import run_fit
from training.__main__ import main
from training.data.snapshot import write_snapshot
from training.encoders.bert import TextEncoder
from training.encoders.onnx import OnnxEncoder
from training.evaluation import classification
from training.inference.checkpoint import CheckpointError
from training.inference.text_predictor import load_predictor

FIELDS = [
    "text.steps=40",
    "text.epochs=0",
    "text.evaluate_every=20",
    "text.batch_size=16",
    "text.frozen_layers=1",
]
TEXTS = ["red lantern", "small vintage glass teapot", "", "garden " * 500, "红色的灯笼 🎈"]


@pytest.fixture(scope="module")
def topic(tiny_snapshot, tiny_encoder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("topic") / "out"
    fields = [*FIELDS, f"text.encoder={tiny_encoder}"]
    assert run_fit(tiny_snapshot, out, "topic", "--set", *fields) == 0
    return out


def test_the_int8_encoder_gives_nearly_the_same_vectors(packaged_encoder):
    exact, quick = TextEncoder.load().encode(TEXTS), OnnxEncoder(packaged_encoder).encode(TEXTS)
    assert (exact * quick).sum(axis=1).min() > 0.97 and np.linalg.norm(
        quick, axis=1
    ) == pytest.approx(np.ones(5), abs=1e-4)
    alone = OnnxEncoder(packaged_encoder).encode(TEXTS[:1])
    assert (alone[0] * quick[0]).sum() > 0.99


def test_a_text_model_answers_without_torch(topic):
    code = (
        "import sys; from pathlib import Path; from training.inference.text_predictor import "
        "load_predictor\n"
        f"found = load_predictor(Path({str(topic)!r})).answers(['red lantern', 'blue teapot'])\n"
        "assert [a['class'] for a in found] == ['lantern', 'teapot'], found\n"
        "sys.exit(' '.join({'torch', 'transformers'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_probabilities_sum_to_one_and_any_text_gets_an_answer(topic):
    model = load_predictor(topic)
    assert (
        model.predict(TEXTS).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)
        and model.answers([]) == []
    )


def test_solved_messages_vote_beside_the_head(tiny_snapshot, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(classification, "SHARES", (0.5,))
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "voters=3", "test_share=0.3"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "intent", "--set", *fields) == 0
    model = load_predictor(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    neighbours = model.members[0].neighbours
    assert (
        neighbours.k == 3
        and len(neighbours.label) == report["protocol"]["train"] + report["protocol"]["validation"]
    )
    logits, vote = model.outputs(TEXTS)
    assert (
        vote.sum(axis=1) == pytest.approx(np.ones(5))
        and model.answer.vote_share == report["chosen"]["vote_share"] == 0.5
    )
    assert model.predict(TEXTS) == pytest.approx(
        replace(model.answer, vote_share=0.0).apply(logits) * (1 - model.answer.vote_share)
        + model.answer.vote_share * vote
    )


def test_without_validation_rows_nobody_votes_and_nothing_is_said_of_them(
    tiny_snapshot, tiny_encoder, tmp_path
):
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "voters=3", "test_share=0.3", "per_class=8"]
    assert run_fit(tiny_snapshot, tmp_path / "out", "intent", "--set", *fields) == 0
    assert (
        not list((tmp_path / "out").rglob("neighbours*"))
        and load_predictor(tmp_path / "out").outputs(TEXTS)[1] is None
    )
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert {line["metric"] for line in lines if "metric" in line} == {"text.loss"}


def test_predict_and_suggest_commands(topic, tmp_path, capsys, monkeypatch):
    assert main(["predict", str(topic), "red lantern"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "text": "red lantern",
        "class": "lantern",
        "probability": pytest.approx(0.5, abs=0.5),
    }
    monkeypatch.setattr("sys.stdin", io.StringIO("blue teapot\nround paper\n"))
    assert main(["predict", str(topic)]) == 0 and len(capsys.readouterr().out.splitlines()) == 2
    unlabelled = pl.DataFrame(
        [
            {"review_id": f"u{i}", "text": text}
            for i, text in enumerate(["red lantern", "lantern teapot garden", "paper"])
        ]
    )
    products = pl.DataFrame(tinyshop.products())
    events = pl.DataFrame(
        schema={
            "user_id": pl.String,
            "item_id": pl.String,
            "type": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
        }
    )
    write_snapshot(
        tmp_path / "s", "x", {"products": products, "events": events, "reviews": unlabelled}
    )
    assert main(["suggest", str(topic), str(tmp_path / "s"), "--rows", "2"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 2 and rows[0]["margin"] <= rows[1]["margin"] and rows[0]["id"] == "u1"


def test_a_checkpoint_without_onnx_or_of_another_kind_is_refused(
    tiny_checkpoint, topic, tmp_path, capsys
):
    with pytest.raises(CheckpointError, match="answers no single texts"):
        load_predictor(tiny_checkpoint)
    import shutil

    shutil.copytree(topic, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "onnx")
    with pytest.raises(CheckpointError, match="onnx = false"):
        load_predictor(tmp_path / "bare")
    assert main(["predict", str(tmp_path), "x"]) == 2 and "no run.json" in capsys.readouterr().err
