"""The int8 encoder: a text has one vector in every batch, close to that of the float32 encoder."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from training.data.product_text import equal_lengths, product_text, text_digest
from training.encoders.bert import TextEncoder
from training.encoders.onnx import DATA, NAME, OnnxEncoder, export_onnx, scale_rows

SAMPLE = Path(__file__).resolve().parents[3] / "recommender/demo/online_retail"


@pytest.fixture(scope="module")
def titles() -> list[str]:
    """Titles of real products, of all lengths, and a description."""
    files = sorted(SAMPLE.glob("items*"))
    frame = (
        pl.read_csv(files[0], infer_schema_length=None)
        if files[0].name.endswith((".csv", ".csv.gz"))
        else pl.read_parquet(files[0])
    )
    result = [
        product_text(title, None, [], None) for title in frame["title"].drop_nulls().to_list()
    ]
    return [
        *result[::9][:400],
        "A lantern of painted glass for the garden. " * 12,
        "x",
        "Café crème für zwei",
    ]


@pytest.fixture(scope="module")
def packaged(packaged_encoder):
    """The embedded default with its real weights, and its int8 twin."""
    return TextEncoder.load(), OnnxEncoder(packaged_encoder, threads=1), packaged_encoder


def least_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum(axis=1).min())


def test_one_text_has_one_vector(packaged, titles):
    _, twin, _ = packaged
    together = twin.encode(titles)
    alone = np.concatenate([twin.encode([title]) for title in titles])
    by_32 = np.concatenate([twin.encode(titles[i : i + 32]) for i in range(0, len(titles), 32)])
    beside_others = twin.encode([*titles[::-1], "something else", "and a much longer text " * 20])[
        : len(titles)
    ][::-1]
    for other in (alone, by_32, beside_others):
        assert least_cosine(together, other) >= 0.99999 and np.abs(together - other).max() < 1e-5


def test_the_weights_lie_in_a_file_that_processes_share(packaged, tmp_path):
    _, _, folder = packaged
    graph, weights = folder / NAME, folder / DATA
    assert weights.stat().st_size > 20 * graph.stat().st_size
    assert weights.stat().st_mode == graph.stat().st_mode
    shutil.copytree(folder, tmp_path / "torn")
    (tmp_path / "torn" / DATA).write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(Exception, match="External initializer"):
        OnnxEncoder(tmp_path / "torn", threads=1)


def test_padding_changes_no_vector(packaged, titles):
    _, twin, _ = packaged
    tokens = [encoding.ids for encoding in twin.tokenizer.encode_batch(titles[:60])]
    padded = np.concatenate(
        [twin._run([row, list(range(1000, 1040))], False)[:1] for row in tokens]
    )
    assert least_cosine(padded, twin.encode(titles[:60])) >= 0.99999


def test_it_is_close_to_the_encoder_that_it_was_made_of(packaged, titles):
    encoder, twin, _ = packaged
    cosine = (encoder.encode(titles) * twin.encode(titles)).sum(axis=1)
    assert cosine.min() > 0.98 and cosine.mean() > 0.995


def test_the_graph_has_a_scale_for_each_row_alone(packaged):
    _, _, folder = packaged
    kinds = [node.op_type for node in onnx.load(str(folder / NAME)).graph.node]
    assert (
        "DynamicQuantizeLinear" not in kinds
        and kinds.count("MatMulInteger") == 36
        and kinds.count("Round") >= 24
    )


def test_an_encoder_of_an_older_checkpoint_reads_texts_one_by_one(
    tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("training.encoders.onnx.scale_rows", lambda model: model)
    encoder = TextEncoder.load(str(tiny_encoder))
    export_onnx(encoder, tmp_path)
    about = json.loads((tmp_path / "encoder.json").read_text())
    del about["scales"]
    (tmp_path / "encoder.json").write_text(json.dumps(about))
    older = OnnxEncoder(tmp_path)
    texts = ["red teapot", "blue lantern of glass", "lamp", "red teapot"]
    together = older.encode(texts)
    assert older.alone and all(
        (older.encode([text])[0] == row).all() for text, row in zip(texts, together, strict=True)
    )
    monkeypatch.undo()
    model = onnx.load(str(tmp_path / NAME))
    assert scale_rows(model) is model


def test_equal_lengths_hold_every_row_once_and_pad_nothing():
    lengths = np.array([3, 9, 3, 8, 3, 0])
    batches = list(equal_lengths(lengths, 6))
    assert sorted(np.concatenate(batches).tolist()) == [0, 1, 2, 3, 4, 5]
    assert all(
        len(set(lengths[batch])) == 1 and (len(batch) == 1 or lengths[batch].sum() <= 6)
        for batch in batches
    )
    assert [len(batch) for batch in equal_lengths(lengths, 0)] == [1] * 6 and list(
        equal_lengths(np.zeros(0, dtype=np.int64), 6)
    ) == []


def test_a_digest_tells_one_letter():
    assert text_digest("Red lamp") == text_digest("Red lamp") != text_digest("Red lamps")
    assert 0 <= text_digest("") < 2**64
