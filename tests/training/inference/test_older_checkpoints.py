"""A checkpoint that an earlier version of the code wrote still loads, and makes the same list."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from training.data.snapshot import read_snapshot
from training.inference.checkpoint import load_checkpoint
from training.inference.explanations import explain

OLDER = Path(__file__).parent / "fusion_checkpoint.tar.xz"
"""A fusion model of the tiny shop with an IVF index, written before modules were renamed."""
SHOPPER = 3
EXPECTED = [
    ("PA/7", 0.548472),
    ("PA/8", 0.419712),
    ("PA/1", 0.305027),
    ("PA/4", 0.238397),
    ("PA/6", 0.238397),
]


def test_an_older_checkpoint_makes_the_same_list(tmp_path, tiny_snapshot):
    with tarfile.open(OLDER) as archive:
        archive.extractall(tmp_path, filter="data")
    model, item_ids = load_checkpoint(tmp_path / "checkpoint", verify=True)
    events = read_snapshot(tiny_snapshot).events
    events = events.take(events.user == SHOPPER)
    now = model.signals.popularity.now
    ranking = model.recommend(model.histories(events, np.array([SHOPPER])), now, 5)[0]
    assert model.signals.ivf is not None
    assert [item_ids[one.item] for one in ranking] == [item_id for item_id, _ in EXPECTED]
    scores = [score for _, score in EXPECTED]
    assert [one.score for one in ranking] == pytest.approx(scores, abs=1e-5)
    explained = explain(model, events, [ranking[0].item], now)[0]
    assert explained.score == pytest.approx(ranking[0].score)
