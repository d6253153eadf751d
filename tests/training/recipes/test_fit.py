import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from training.__main__ import main
from training.benchmark import benchmark_time
from training.data.snapshot import DAY, Events, read_snapshot
from training.data.splits import time_window
from training.errors import TrainingError
from training.inference.checkpoint import CheckpointError, load_checkpoint
from training.inference.recommender import Recommender
from training.recipes.fusion import earlier_windows, fit_model
from training.runs.progress import Progress
from training.runs.run import Run

SYSTEMS = {
    "popularity",
    "popularity_30d",
    "buy_again",
    "item_knn",
    "sequential_knn",
    "ease",
    "sequence",
    "text_before",
    "text_after",
    "vitrine",
    "vitrine_no_popularity",
}


def run_of(snapshot, config) -> Run:
    return Run(snapshot, "fusion", config, Progress(quiet=True))


@pytest.fixture(scope="module")
def snapshot(tiny_snapshot):
    return read_snapshot(tiny_snapshot)


@pytest.fixture(scope="module")
def model(tiny_checkpoint) -> Recommender:
    return load_checkpoint(tiny_checkpoint, verify=True)[0]


@pytest.fixture(scope="module")
def past(model, snapshot):
    return model.histories(snapshot.events, np.arange(len(snapshot.user_ids)))


def test_the_report_has_every_system_and_the_fused_one_beats_popularity(tiny_checkpoint):
    report = json.loads((tiny_checkpoint / "report.json").read_text())
    for part in ("all", "discovery"):
        systems = report[part]["systems"]
        assert {
            "popularity",
            "popularity_30d",
            "item_knn",
            "text_before",
            "text_after",
            "vitrine",
        } <= systems.keys()
        assert systems["vitrine"]["ndcg@10"]["value"] > systems["popularity"]["ndcg@10"]["high"]
        assert (
            systems["vitrine"]["ndcg@10"]["low"]
            < systems["vitrine"]["ndcg@10"]["value"]
            < systems["vitrine"]["ndcg@10"]["high"]
        )


def test_progress_names_stages_and_measures(tiny_checkpoint):
    lines = [
        json.loads(line)
        for line in (tiny_checkpoint.parent / "progress.jsonl").read_text().splitlines()
    ]
    done = [line["done"] for line in lines if "stage" in line]
    assert done == sorted(done) and done[-1] <= 1
    assert {"text.loss", "text.ndcg@10", "all.vitrine.ndcg@10"} <= {
        line["metric"] for line in lines if "metric" in line
    }


def test_a_shard_and_one_shopper_get_the_same_list(model, past):
    now = model.signals.popularity.now
    together = model.recommend(past, now, 10)
    for user in (0, 7, 41):
        assert model.recommend(past.shard(user, user + 1), now, 10)[0] == together[user]


def test_what_may_not_be_shown_is_not(model, past):
    showable = np.ones(model.n_items, dtype=bool)
    showable[::2] = False
    lists = model.recommend(past, model.signals.popularity.now, 10, showable)
    assert all(place.item % 2 for result in lists for place in result)
    assert all(place.item % 2 for place in model.related([0], 10, showable))


def test_only_new_leaves_out_what_was_bought(model, past):
    lists = model.recommend(past, model.signals.popularity.now, 10, only_new=True)
    for user, result in enumerate(lists):
        bought = set(past.item[past.start[user] : past.start[user + 1]].tolist())
        assert not bought & {place.item for place in result}


def test_related_products_are_of_the_same_kind(model, tiny_checkpoint):
    item_ids = load_checkpoint(tiny_checkpoint)[1]
    related = model.related([item_ids.index("LA/0")], 5)
    assert sum(item_ids[place.item].startswith("LA/") for place in related) >= 4


def test_shuffling_what_comes_after_the_cut_changes_no_prediction(snapshot, tiny_config):
    cut = int(snapshot.events.time[-1]) - 30 * DAY
    config = replace(tiny_config, fine_tune=False)
    rng = np.random.default_rng(1)
    after = np.flatnonzero(snapshot.events.time >= cut)
    shuffled = Events(
        **{name: getattr(snapshot.events, name).copy() for name in Events.__dataclass_fields__}
    )
    shuffled.item[after] = rng.permutation(shuffled.item[after])
    predictions = []
    for events in (snapshot.events, shuffled):
        data = snapshot.with_events(events)
        window = time_window(events, snapshot.n_items, config.event_weights, cut, 20)
        fitted = fit_model(
            run_of(data, config), earlier_windows(data, cut, 20, config), window.fit, cut
        )
        model = fitted.recommender
        past = model.histories(events.before(cut), np.arange(20))
        predictions.append(
            [[(p.item, p.score) for p in result] for result in model.recommend(past, cut, 10)]
        )
    assert predictions[0] == predictions[1]


@pytest.mark.parametrize(
    "damage", ["ranker.txt", "items.txt", "vectors.npy", "run.json", "model.json"]
)
def test_a_broken_checkpoint_is_named(tiny_checkpoint, tmp_path, damage):
    folder = tmp_path / "broken"
    shutil.copytree(tiny_checkpoint, folder)
    data = (folder / damage).read_bytes()
    (folder / damage).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=damage):
        load_checkpoint(folder, verify=True)
    (folder / damage).unlink()
    with pytest.raises(CheckpointError, match=damage):
        load_checkpoint(folder)


def test_a_checkpoint_has_no_pickle_and_names_what_made_it(tiny_checkpoint, snapshot):
    run = json.loads((tiny_checkpoint / "run.json").read_text())
    assert run["snapshot_digest"] == snapshot.manifest["digest"] and run["config"]["seed"] == 7
    kinds = {p.suffix for p in tiny_checkpoint.rglob("*") if p.is_file()}
    assert kinds <= {".npy", ".txt", ".json", ".safetensors"}


def test_the_benchmark_command_writes_every_system(tiny_snapshot, tiny_encoder, tmp_path, capsys):
    small = [
        "--set",
        f"text.encoder={tiny_encoder}",
        "text.steps=4",
        "text.evaluate_every=2",
        "text.batch_size=16",
        "rounds=10",
        "sequence.steps=40",
        "sequence.batch_size=64",
    ]
    out = tmp_path / "report.json"
    assert (
        main(
            [
                "benchmark",
                str(tiny_snapshot),
                "--protocol",
                "time",
                "--cut",
                "2026-05-01",
                "--days",
                "21",
                "--out",
                str(out),
                *small,
            ]
        )
        == 0
    )
    assert capsys.readouterr().out.strip().endswith("report.json")
    report = json.loads(out.read_text())
    assert report["all"]["systems"].keys() == SYSTEMS and report["discovery"][
        "systems"
    ].keys() == SYSTEMS - {"buy_again"}
    assert (
        report["protocol"]["cut"] == "2026-05-01"
        and report["peak_memory_mb"] > 0
        and report["seconds"]["total"] > 0
    )
    assert (
        main(
            [
                "benchmark",
                str(tiny_snapshot),
                "--protocol",
                "leave-last-out",
                "--shuffle-ties",
                "0",
                "--out",
                str(out),
                *small,
            ]
        )
        == 0
    )
    assert json.loads(out.read_text())["systems"].keys() == SYSTEMS - {"buy_again"}


def test_evaluate_and_recipes_commands(tiny_checkpoint, tiny_snapshot, tmp_path, capsys):
    out = tmp_path / "report.json"
    assert (
        main(
            [
                "evaluate",
                str(tiny_checkpoint),
                str(tiny_snapshot),
                "--days",
                "14",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert "vitrine" in json.loads(out.read_text())["all"]["systems"]
    assert main(["recipes"]) == 0
    assert "text.learning_rate" in capsys.readouterr().out


def test_errors_are_one_line(tiny_snapshot, tmp_path, capsys):
    assert main(["fit", str(tmp_path), str(tmp_path / "out")]) == 2
    assert main(["fit", str(tiny_snapshot), str(tmp_path / "out"), "--set", "text.stepz=3"]) == 2
    errors = capsys.readouterr().err
    assert (
        "error: " in errors and "text.stepz: no such field" in errors and "Traceback" not in errors
    )


def test_a_champion_is_judged_on_the_same_days(
    tiny_snapshot, tiny_checkpoint, tiny_encoder, tmp_path
):
    small = [
        "--set",
        f"text.encoder={tiny_encoder}",
        "fine_tune=false",
        "left_out=sequence",
        "rounds=5",
    ]
    assert (
        main(
            [
                "fit",
                str(tiny_snapshot),
                str(tmp_path / "out"),
                "--champion",
                str(tiny_checkpoint),
                *small,
            ]
        )
        == 0
    )
    systems = json.loads((tmp_path / "out" / "report.json").read_text())["all"]["systems"]
    before = json.loads((tiny_checkpoint / "report.json").read_text())["all"]["systems"]
    assert systems["champion"]["ndcg@10"]["value"] == pytest.approx(
        before["vitrine"]["ndcg@10"]["value"], abs=2e-3
    )  # vectors in half precision


def test_too_little_data_is_said_in_a_sentence(snapshot, tiny_config):
    few = snapshot.with_events(snapshot.events.take(np.arange(6)))
    with pytest.raises(
        TrainingError, match=r"shoppers bought both before and within|no shopper known"
    ):
        benchmark_time(run_of(few, tiny_config), int(few.events.time[3]), 5)


def test_a_champion_that_has_learned_these_days_is_not_compared(
    tiny_snapshot, tiny_checkpoint, tiny_encoder, tmp_path
):
    small = [
        "--set",
        f"text.encoder={tiny_encoder}",
        "fine_tune=false",
        "left_out=sequence",
        "rounds=5",
        "window_days=45",
    ]
    assert (
        main(
            [
                "fit",
                str(tiny_snapshot),
                str(tmp_path / "out"),
                "--champion",
                str(tiny_checkpoint),
                *small,
            ]
        )
        == 0
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (
        "champion" not in report["all"]["systems"]
        and "already learned" in report["champion"]["reason"]
    )


def test_evaluate_refuses_days_that_were_learned(tiny_checkpoint, tiny_snapshot, tmp_path, capsys):
    assert (
        main(
            [
                "evaluate",
                str(tiny_checkpoint),
                str(tiny_snapshot),
                "--days",
                "60",
                "--out",
                str(tmp_path / "r.json"),
            ]
        )
        == 2
    )
    assert "has learned some of the last 60 days" in capsys.readouterr().err


def test_a_shop_where_everybody_buys_the_same_again_has_no_discovery(snapshot, tiny_config):
    favourite = snapshot.events.take(np.flatnonzero(snapshot.events.user >= 0))
    item = (favourite.user % 40).astype(np.int32)
    habits = snapshot.with_events(replace(favourite, item=item))
    report = benchmark_time(
        run_of(habits, replace(tiny_config, fine_tune=False)),
        int(habits.events.time[-1]) - 30 * DAY,
        30,
    )
    assert report["discovery"] == {"systems": {}, "segments": {}}
    json.dumps(report, allow_nan=False)
