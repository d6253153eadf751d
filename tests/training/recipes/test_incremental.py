"""What incremental training holds out, and what it goes on from."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from training.configuration.recipes import make_config
from training.data.snapshot import DAY, read_snapshot
from training.inference.checkpoint import FORMAT
from training.recipes.incremental import (
    _held,
    _layers_were_trained,
    _learned_and_cut,
    _questions,
    _without_held,
)


def run_of(folder, run_facts, config=None):
    """A run over 100 days of events whose champion says that it learned until day `run_facts`."""
    served = {} if run_facts is None else {"served_until": run_facts * DAY}
    (folder / "run.json").write_text(json.dumps({"format": FORMAT, "files": {}, **served}))
    events = SimpleNamespace(time=np.array([0, 100 * DAY - 1]))
    return SimpleNamespace(
        snapshot=SimpleNamespace(events=events),
        champion=folder,
        config=config or make_config("incremental"),
        warnings=[],
    )


@pytest.mark.parametrize(
    ("run_facts", "learned", "cut"),
    [(90, 90, 95), (99, 99, 99.5), (20, 20, 75), (None, 44, 75)],
    ids=[
        "half of what is new is held out",
        "a night's worth",
        "no more than a quarter of all",
        "a champion that does not say",
    ],
)
def test_what_the_champion_learned_is_never_held_out(tmp_path, run_facts, learned, cut):
    run = run_of(tmp_path, run_facts)
    assert (
        np.array(_learned_and_cut(run, 100 * DAY)) == pytest.approx(np.array([learned, cut]) * DAY)
        and not run.warnings
    )


def test_a_champion_that_has_learned_everything_flatters_itself(tmp_path):
    run = run_of(tmp_path, 100)
    assert _learned_and_cut(run, 100 * DAY)[1] == 75 * DAY
    assert "no new events since the champion" in run.warnings[0]


def test_old_data_is_asked_about_of_held_shoppers_alone(tiny_snapshot):
    """The old events of all others were learned from."""
    snapshot = read_snapshot(tiny_snapshot)
    end = int(snapshot.events.time[-1]) + 1
    run = SimpleNamespace(snapshot=snapshot, config=make_config("incremental"))
    new, old = _questions(run, end - 20 * DAY, 20, end - 40 * DAY)
    held = _held(snapshot.user_ids)
    assert (
        0 < held.sum() < len(held)
        and len(old.users)
        and held[old.users].all()
        and not held[new.users].all()
    )
    known = _without_held(run, end - 40 * DAY).events
    assert not ((known.user >= 0) & held[known.user] & (known.time < end - 40 * DAY)).any()


def test_layers_that_did_not_help_the_champion_stay(tmp_path):
    assert _layers_were_trained(tmp_path)
    for steps in (0, 25):
        (tmp_path / "report.json").write_text(json.dumps({"chosen": {"text.steps": steps}}))
        assert _layers_were_trained(tmp_path) == bool(steps)
