"""Bad input: one clear error each.

And what a run says of a language that its encoder does not know.
"""

import json

import polars as pl
import pytest

from tests import tinyshop
from tests.training.command_line import run_fit
from training.__main__ import main
from training.configuration.recipes import make_config
from training.data.snapshot import write_snapshot
from training.encoders.bert import TextEncoder
from training.inference.checkpoint import CheckpointError, new_checkpoint

FIELDS = [
    "text.steps=4",
    "text.epochs=0",
    "text.evaluate_every=2",
    "text.batch_size=8",
    "text.frozen_layers=1",
    "onnx=false",
]
EVENTS = pl.DataFrame(
    schema={
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.String,
        "occurred_at": pl.Datetime("us", "UTC"),
    }
)


@pytest.fixture
def fails(tmp_path, tiny_encoder, capsys):
    """fails(recipe, tables, *fields) -> the one line that the command says."""

    def run(recipe: str, tables: dict, *fields: str, encoder=tiny_encoder) -> str:
        given = {
            name: frame
            if isinstance(frame, pl.DataFrame)
            else pl.DataFrame(frame, infer_schema_length=None)
            for name, frame in tables.items()
        }
        write_snapshot(
            tmp_path / "snapshot",
            "bad",
            {"products": pl.DataFrame(tinyshop.products()), "events": EVENTS, **given},
        )
        fields = [*FIELDS, f"text.encoder={encoder}", *fields]
        assert run_fit(tmp_path / "snapshot", tmp_path / "out", recipe, "--set", *fields) == 2
        errors = [
            line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")
        ]
        assert len(errors) == 1 and not (tmp_path / "out").exists()
        return errors[0]

    return run


def reviews(n: int = 40, **columns) -> list[dict]:
    return [{"review_id": str(i), "text": f"red lantern {i}", **columns} for i in range(n)]


def test_a_snapshot_without_what_the_recipe_needs(fails):
    assert "no reviews, which a rating learns from" in fails("rating", {})
    assert "none of the 40 reviews has a rating" in fails("rating", {"reviews": reviews()})
    assert "none of the 40 reviews has a topic" in fails("topic", {"reviews": reviews(rating=5.0)})
    assert "no dialogues" in fails("intent", {})
    assert "neither judgements nor clicks" in fails("search", {})
    assert "no events" in fails("behaviour", {}) and "no events" in fails("retrieval", {})
    assert "no events" in fails("incremental", {})
    assert "is not a checkpoint folder" in fails("distil", {})


def test_one_class_only(fails):
    assert "all training texts are of one class (positive)" in fails(
        "sentiment", {"reviews": reviews(rating=5.0)}
    )


def test_an_encoder_that_is_none(fails, tmp_path):
    (tmp_path / "no-encoder").mkdir()
    (tmp_path / "no-encoder" / "config.json").write_text('{"model_type": "gpt2"}')
    rows = [{**r, "rating": float(1 + i % 5)} for i, r in enumerate(reviews())]
    assert "text.encoder" in fails("rating", {"reviews": rows}, encoder=tmp_path / "no-encoder")
    assert "text.encoder" in fails("rating", {"reviews": rows}, encoder=tmp_path / "nowhere")


def test_a_field_that_is_wrong(fails):
    assert "label_smoothing: 2.0 is not between 0 and 0.9" in fails(
        "topic", {}, "label_smoothing=2"
    )
    assert "no such field" in fails("rating", {}, "label_smoothing=0.1")
    assert "text.train: 'some' is not one of all, lora" in fails("topic", {}, "text.train=some")


@pytest.mark.parametrize(
    ("table", "row", "says"),
    [
        (
            "reviews",
            {"review_id": "1", "text": None},
            "reviews.parquet: column text, row 41: is empty",
        ),
        (
            "reviews",
            {"review_id": "7", "text": "x"},
            "reviews.parquet: column review_id, row 41: repeats",
        ),
        (
            "reviews",
            {"review_id": "x", "text": "x", "split": "exam"},
            "column split, row 41: is neither train nor test",
        ),
        (
            "reviews",
            {"review_id": "x", "text": "x", "rating": float("nan")},
            "column rating, row 41: is not a number",
        ),
    ],
)
def test_a_bad_row_is_named(fails, table, row, says):
    assert says in fails("rating", {table: [*reviews(rating=4.0, split="train"), row]})


def test_a_judgement_of_no_product_is_named(fails):
    assert "judgements.parquet: column item_id, row 1: is not a known product" in fails(
        "search", {"judgements": [{"query": "a", "item_id": "gone", "grade": 1.0}]}
    )


def test_a_very_long_text_is_cut_before_it_is_read(tiny_encoder):
    encoder = TextEncoder.load(str(tiny_encoder), 16)
    assert [len(t) for t in encoder.tokenize(["red " * 25_000, "", "🎈"])] == [16, 2, 3]
    assert encoder.encode(["red " * 25_000, ""]).shape == (2, 32)


def test_a_language_that_the_encoder_does_not_know_is_said(tmp_path, capsys):
    rows = [
        {
            "review_id": str(i),
            "text": "这件衣服质量很差非常失望" + str(i),
            "rating": float(1 + i % 5),
        }
        for i in range(60)
    ]
    write_snapshot(
        tmp_path / "s",
        "x",
        {
            "products": pl.DataFrame(tinyshop.products()),
            "events": EVENTS,
            "reviews": pl.DataFrame(rows),
        },
    )
    assert run_fit(tmp_path / "s", tmp_path / "out", "rating", "--set", *FIELDS) == 0
    (warning,) = json.loads((tmp_path / "out" / "report.json").read_text())["warnings"]
    assert (
        "of the texts' tokens are unknown to this encoder" in warning and "multilingual" in warning
    )


def test_a_full_disk_leaves_no_half_checkpoint(tmp_path, monkeypatch):
    config = make_config("rating")
    with (
        pytest.raises(CheckpointError, match="No space left on device"),
        new_checkpoint(tmp_path / "out", "rating", config, {}, {}),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_products_without_any_text_do_no_harm(tmp_path, tiny_encoder):
    items = [{**p, "title": "" if i % 2 else p["title"]} for i, p in enumerate(tinyshop.products())]
    frame = pl.DataFrame(
        [{k: v for k, v in row.items() if k != "price"} for row in tinyshop.events()],
        infer_schema_length=None,
    )
    write_snapshot(tmp_path / "s", "x", {"products": pl.DataFrame(items), "events": frame})
    fields = [*FIELDS, f"text.encoder={tiny_encoder}", "text.projection_steps=3"]
    assert run_fit(tmp_path / "s", tmp_path / "out", "retrieval", "--set", *fields) == 0


def test_incremental_training_needs_a_champion_with_an_encoder(
    tiny_snapshot, tiny_encoder, tmp_path, capsys
):
    fields = [*FIELDS, f"text.encoder={tiny_encoder}"]
    command = ["fit", str(tiny_snapshot), str(tmp_path / "out"), "--recipe", "incremental"]
    assert main([*command, "--set", *fields]) == 2
    assert "starts from the champion, and there is none" in capsys.readouterr().err
    (tmp_path / "hollow").mkdir()
    assert main([*command, "--champion", str(tmp_path / "hollow"), "--set", *fields]) == 2
    assert "hollow has no encoder to go on from" in capsys.readouterr().err
