"""Every recipe on the tiny shop, from the command line to its checkpoint."""

import json

import numpy as np
import pytest

from tests.training.command_line import run_fit
from training.__main__ import main
from training.configuration.recipes import RECIPES

SMALL = [
    "text.steps=6",
    "text.epochs=0",
    "text.evaluate_every=3",
    "text.batch_size=16",
    "text.frozen_layers=1",
    "onnx=false",
]
MORE = {
    "fusion": ["rounds=5", "text.projection_steps=5"],
    "retrieval": ["text.projection_steps=5"],
    "incremental": ["text.projection_steps=0", "window_days=20"],
    "behaviour": ["horizon_days=20", "pairs=200", "judged_pairs=400"],
    "distil": ["student_layers=1", "text.frozen_layers=0", "window_days=20"],
}


@pytest.fixture(scope="module")
def fit(tiny_snapshot, tiny_encoder, tmp_path_factory, tiny_checkpoint):
    """fit(recipe, *fields) -> checkpoint folder."""

    def run(recipe: str, *fields: str, resume: bool = False):
        folder = tmp_path_factory.mktemp(recipe)
        wanted = [*SMALL, f"text.encoder={tiny_encoder}", *MORE.get(recipe, []), *fields]
        wanted += [f"teacher={tiny_checkpoint}"] if recipe == "distil" else []
        champion = ["--champion", str(tiny_checkpoint)] if recipe == "incremental" else []
        assert run_fit(tiny_snapshot, folder / "out", recipe, *champion, "--set", *wanted) == 0
        return folder / "out"

    return run


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_leaves_a_checkpoint_with_a_report(fit, recipe):
    folder = fit(recipe)
    report = json.loads((folder / "report.json").read_text())
    run = json.loads((folder / "run.json").read_text())
    assert (
        run["recipe"] == recipe and report["seconds"]["total"] > 0 and report["peak_memory_mb"] > 0
    )
    primary = report["primary"]
    systems = (report[primary["part"]] if "part" in primary else report)["systems"]
    assert np.isfinite(systems[primary["system"]][primary["measure"]]["value"])
    assert primary["higher_is_better"] == (
        primary["measure"] in ("ndcg@10", "recall@10", "accuracy", "f1_macro", "auc", "cosine")
    )
    assert not [p for p in folder.rglob("*") if p.suffix in (".pkl", ".pt", ".bin")]
    assert not (folder.parent / "state").exists()
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("steps, tried", [(50, False), (20, True)])
def test_layers_are_not_tried_after_a_long_search_for_nothing(fit, monkeypatch, steps, tried):
    from training.recipes import text_training

    looks = iter(range(1000, 0, -1))
    monkeypatch.setattr(
        text_training.TextJudge, "__call__", lambda judge, vectors: float(next(looks))
    )
    folder = fit("retrieval", f"text.projection_steps={steps}")
    lines = [
        json.loads(line) for line in (folder.parent / "progress.jsonl").read_text().splitlines()
    ]
    assert ("text.loss" in {line.get("metric") for line in lines}) == tried
    assert json.loads((folder / "report.json").read_text())["chosen"] == {
        "text.steps": 0,
        "text.projection_steps": 0,
    }


@pytest.mark.parametrize("recipe", ["fusion", "retrieval", "incremental"])
def test_text_that_serves_has_learned_from_all_events(fit, tiny_snapshot, monkeypatch, recipe):
    from training.data.snapshot import read_snapshot
    from training.recipes import text_training

    seen, made = [], text_training.history_pairs
    monkeypatch.setattr(
        text_training,
        "history_pairs",
        lambda events, n: (seen.append(int(events.time.max())), made(events, n))[1],
    )
    looks = iter(range(1000))
    monkeypatch.setattr(
        text_training.TextJudge, "__call__", lambda judge, vectors: float(next(looks))
    )
    fit(
        recipe,
        "text.projection_steps=4",
        *(["compare_full=false"] if recipe == "incremental" else []),
    )
    last = int(read_snapshot(tiny_snapshot).events.time.max())
    assert seen[0] < last and seen[-1] == last


def test_a_refit_runs_to_the_planned_end_unless_validation_ended_it(fit, monkeypatch):
    from training.recipes.classification import LabelTask

    values = iter([0.5, 0.9, 0.8, *[0.1] * 99])
    monkeypatch.setattr(LabelTask, "validate", lambda task: next(values))
    planned = json.loads(
        (fit("intent", "text.steps=6", "text.patience=9") / "report.json").read_text()
    )
    values = iter([0.5, 0.9, 0.8, *[0.1] * 99])
    ended = json.loads(
        (
            fit("intent", "text.steps=6", "text.evaluate_every=2", "text.patience=1")
            / "report.json"
        ).read_text()
    )
    assert planned["chosen"]["text.steps"] == 6 and ended["chosen"]["text.steps"] == 2


def test_a_run_that_stops_in_the_projection_goes_on_there(
    tiny_snapshot, tiny_encoder, tmp_path, monkeypatch
):
    from training.finetuning import resume_state
    from training.finetuning.pairs import PairTask, SpaceTask

    class Killed(Exception):
        pass

    steps, kill_at = [], 4

    def draw(task, step, size, rng):
        steps.append(step)
        if step == kill_at:
            raise Killed
        return PairTask.draw(task, step, size, rng)

    monkeypatch.setattr(resume_state, "SAVE_SECONDS", 0)
    monkeypatch.setattr(SpaceTask, "draw", draw)
    fields = [*SMALL, f"text.encoder={tiny_encoder}", "text.projection_steps=6"]
    command = ["fit", str(tiny_snapshot), str(tmp_path / "out"), "--recipe", "retrieval"]
    with pytest.raises(Killed):
        main([*command, "--set", *fields])
    assert steps == [1, 2, 3, 4]
    steps.clear()
    kill_at = 0
    assert main([*command, "--resume", "--set", *fields]) == 0
    assert steps[:3] == [4, 5, 6]


@pytest.mark.parametrize("recipe", ["fusion", "retrieval", "incremental"])
def test_what_is_stopped_early_has_not_seen_the_days_that_stop_it(fit, monkeypatch, recipe):
    from training.recipes import fusion_parts, incremental, retrieval, text_training

    query, made = [], text_training.fit_texts

    def recorded(run, known, validation, *rest, **named):
        if validation is not None:
            query.append((int(known.time.max()), int(validation.now)))
        return made(run, known, validation, *rest, **named)

    for module in (retrieval, fusion_parts, incremental, text_training):
        if hasattr(module, "fit_texts"):
            monkeypatch.setattr(module, "fit_texts", recorded)
    fit(recipe)
    assert query and all(last < now for last, now in query)
