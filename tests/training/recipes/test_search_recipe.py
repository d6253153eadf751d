"""Recipe `search`: encoder, cross-fitted ranker, report and checkpoint."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from tests import judged_shop
from tests.training.command_line import run_fit
from training.data.snapshot import digest_of
from training.inference.search_checkpoint import load_search
from training.search.cross_encoder import load_cross_encoder
from training.search.ranker import grades_of, load_ranker


def test_the_report_compares_words_meaning_and_the_ranker(search_checkpoint):
    report = json.loads((search_checkpoint / "report.json").read_text())
    systems = report["systems"]
    assert {"words", "text_before", "text_after", "fused", "ranked"} <= systems.keys()
    for measure in ("ndcg@10", "judged_ndcg@10", "recall@50", "map", "mrr", "precision@10"):
        assert 0 <= systems["ranked"][measure]["value"] <= 1
    assert report["primary"]["system"] == "ranked"
    assert systems["words"]["ndcg@10"]["value"] > 0.5
    assert sum(report["chosen"]["features"].values()) == pytest.approx(1, abs=0.01)


def test_the_checkpoint_has_vectors_of_products_and_titles(search_checkpoint):
    loaded = load_search(search_checkpoint, verify=True)
    assert len(loaded.item_ids) == 96
    assert loaded.space.vectors.shape == loaded.titles.shape
    assert np.allclose(np.linalg.norm(loaded.titles.astype(np.float32), axis=1), 1, atol=0.01)
    assert loaded.ranker is not None


def test_a_ranker_of_other_features_is_left_out(search_checkpoint, tmp_path, monkeypatch, caplog):
    assert load_ranker(search_checkpoint) is not None
    monkeypatch.setattr("training.search.ranker.FEATURES", ("another",))
    assert load_ranker(search_checkpoint) is None
    assert "reads other features" in caplog.text


def test_a_damaged_champion_does_not_stop_the_run(
    search_checkpoint, judged_snapshot, tiny_encoder, tmp_path
):
    champion = tmp_path / "champion"
    shutil.copytree(search_checkpoint, champion)
    (champion / "cross").mkdir()
    (champion / "cross" / "head.json").write_text("{")
    fields = (f"text.encoder={tiny_encoder}", "text.steps=1", "rounds=5", "onnx=false")
    out = tmp_path / "out"
    assert run_fit(judged_snapshot, out, "search", "--champion", champion, "--set", *fields) == 0
    report = json.loads((out / "report.json").read_text())
    assert not report["champion"]["compared"] and "champion" in report["champion"]["reason"]


def test_a_second_run_is_compared_with_the_champion(
    search_checkpoint, judged_snapshot, tiny_encoder, tmp_path
):
    fields = (f"text.encoder={tiny_encoder}", "text.steps=1", "rounds=5", "onnx=false")
    out = tmp_path / "next"
    assert (
        run_fit(judged_snapshot, out, "search", "--champion", search_checkpoint, "--set", *fields)
        == 0
    )
    report = json.loads((tmp_path / "next" / "report.json").read_text())
    assert report["champion"]["compared"]
    first = json.loads((search_checkpoint / "report.json").read_text())
    theirs = report["systems"]["champion"]["ndcg@10"]["value"]
    assert theirs == pytest.approx(first["systems"]["ranked"]["ndcg@10"]["value"], abs=1e-6)


def test_new_products_and_changed_texts_extend_a_checkpoint(search_checkpoint):
    loaded = load_search(search_checkpoint)
    dim = loaded.titles.shape[1]
    new, changed = np.full((1, 2, dim), 0.5, np.float32), np.full((2, dim), 0.25, np.float32)
    longer = loaded.with_products(["new"], new, {3: changed})
    assert longer.item_ids[-1] == "new" and len(longer.item_ids) == 97
    assert (longer.space.vectors[-1] == 0.5).all() and (longer.titles[-1] == 0.5).all()
    assert (longer.titles[3] == 0.25).all() and not (loaded.titles[3] == 0.25).all()


@pytest.mark.parametrize(
    ("values", "best", "expected"),
    [
        ([0, 1, 3], 3, [0, 1, 3]),
        ([0.0, 0.5, 1.0], 1, [0, 2, 4]),
        ([0, 50, 100], 100, [0, 2, 4]),
        ([-1, 2], 2, [0, 2]),
    ],
)
def test_grades_keep_their_spacing(values, best, expected):
    assert grades_of(values, best).tolist() == expected


def test_results_that_were_shown_teach_with_the_bias_of_their_positions(
    judged_snapshot, tiny_encoder, tmp_path
):
    folder = tmp_path / "shown"
    shutil.copytree(judged_snapshot, folder)
    (folder / "judgements.parquet").unlink()
    rng, rows = np.random.default_rng(0), []
    graded = pl.DataFrame(judged_shop.judgements())
    for (query,), frame in graded.group_by("query", maintain_order=True):
        for turn in range(60):
            order = rng.permutation(len(frame))
            for position, at in enumerate(order, 1):
                item_id, grade = frame["item_id"][int(at)], frame["grade"][int(at)]
                clicked = bool(rng.random() < (0.05 + 0.9 * (grade == 3)) / position)
                rows.append((f"{query}-{turn}", query.upper(), item_id, position, clicked))
    columns = ["list_id", "query", "item_id", "position", "clicked"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / "search_lists.parquet")
    _sign(folder)
    fields = (f"text.encoder={tiny_encoder}", "text.steps=1", "rounds=20", "cross_steps=2")
    assert run_fit(folder, tmp_path / "out", "search", "--set", *fields) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["protocol"]["kind"] == "lists"
    assert report["chosen"]["propensities"] == pytest.approx([1, 1 / 2, 1 / 3], abs=0.06)
    assert report["systems"]["ranked"]["judged_ndcg@10"]["value"] > 0.8


def test_a_position_below_one_is_refused(judged_snapshot, tmp_path, capsys):
    folder = tmp_path / "shown"
    shutil.copytree(judged_snapshot, folder)
    row = {"query": ["red mug"], "item_id": ["red-mug-small"], "position": [0], "clicked": [True]}
    pl.DataFrame(row).write_parquet(folder / "search_lists.parquet")
    _sign(folder)
    assert run_fit(folder, tmp_path / "out", "search") == 2
    assert "search_lists.parquet: column position, row 1: is less than 1" in capsys.readouterr().err


def _sign(folder):
    """Write the digest of changed files into the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"digest": digest_of(folder)}))


def test_the_cross_encoder_learns_and_is_compared(
    judged_snapshot, tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("training.recipes.search_cross_encoder.WEIGHTS", (0.4,))
    fields = (f"text.encoder={tiny_encoder}", "text.steps=1", "rounds=5")
    more = ("cross_encoder=true", "cross_steps=3", "cross_layers=1")
    out = tmp_path / "out"
    assert run_fit(judged_snapshot, out, "search", "--set", *fields, *more) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["chosen"]["cross_encoder"]["weight"] == 0.4
    assert {"ranked", "ranked_without_cross_encoder"} <= report["systems"].keys()
    assert load_cross_encoder(out).head.interpolation == 0.4
    again = tmp_path / "again"
    fields = (*fields, "onnx=false")
    assert run_fit(judged_snapshot, again, "search", "--champion", out, "--set", *fields) == 0
    report = json.loads((again / "report.json").read_text())
    assert report["champion"]["compared"] and load_cross_encoder(again) is None
