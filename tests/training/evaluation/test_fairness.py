"""Exposure by rank, its cost, and quality by group, worked by hand."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.segments import is_head
from training.data.snapshot import DAY, read_snapshot
from training.data.splits import time_window
from training.evaluation.fairness import SHARES, bands_of, fairness
from training.evaluation.ranking import interval, rank_by_fusion
from training.inference.checkpoint import load_checkpoint
from training.ranking.reranking import with_exposure


def test_places_are_given_from_the_top_on():
    protected = np.array([False, False, False, False, True, True, False])
    assert with_exposure(protected, 0.5, 4).tolist() == [0, 4, 1, 5]
    assert with_exposure(protected, 0.25, 4).tolist() == [0, 1, 2, 4]
    assert with_exposure(protected, 0.0, 7).tolist() == list(range(7))


def test_where_too_few_are_protected_the_others_follow_in_order():
    assert with_exposure(np.array([False, True, False, False]), 1.0, 4).tolist() == [1, 0, 2, 3]
    assert with_exposure(np.zeros(0, dtype=bool), 0.3, 5).tolist() == []


@given(
    st.lists(st.booleans(), max_size=30),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]),
    st.integers(0, 30),
)
def test_every_prefix_has_its_share_and_each_kind_keeps_its_order(flags, share, k):
    protected = np.array(flags, dtype=bool)
    chosen = with_exposure(protected, share, k)
    assert len(chosen) == min(k, len(flags)) == len(set(chosen.tolist()))
    for n in range(1, len(chosen) + 1):
        assert protected[chosen[:n]].sum() >= min(int(share * n + 1e-9), protected.sum())
    for kind in (protected, ~protected):
        group_places = chosen[kind[chosen]]
        assert group_places.tolist() == np.flatnonzero(kind)[: len(group_places)].tolist()


@pytest.fixture(scope="module")
def fairness_report(tiny_snapshot, tiny_checkpoint):
    model = load_checkpoint(tiny_checkpoint, part="judged")[0]
    snapshot = read_snapshot(tiny_snapshot)
    attributes = [
        json.dumps({"side": "left" if i % 4 else "right"}) for i in range(len(snapshot.user_ids))
    ]
    snapshot = replace(snapshot, shopper_attributes=pl.Series(attributes))
    window = time_window(
        snapshot.events,
        snapshot.n_items,
        model.config.event_weights,
        int(snapshot.events.time[-1]) + 1 - 31 * DAY,
        31,
    )
    return snapshot, window, model, fairness(snapshot, window, model)


def test_groups_are_judged_against_everybody(fairness_report):
    _, window, model, result = fairness_report
    ndcg = rank_by_fusion(window, model).ndcg()
    left = window.users % 4 > 0
    assert set(result["groups"]) == {
        "known_shoppers",
        "side: left",
    }  # too few shoppers are on the right, or new
    assert result["groups"]["side: left"]["ndcg@10"] == interval(ndcg[left])
    assert result["groups"]["side: left"]["of_all"] == pytest.approx(
        np.nanmean(ndcg[left]) / np.nanmean(ndcg)
    )


def test_bands_share_out_places_and_sales(fairness_report):
    _, window, model, result = fairness_report
    bands = result["bands"]
    for what in ("products", "bought", "shown"):
        assert sum(band[what] for band in bands.values()) == pytest.approx(1)
    head = is_head(model.signals.popularity.column("sold"))
    assert (
        bands["head"]["bought"] == pytest.approx(head[window.target].mean())
        and bands["unsold"]["found"] is None
    )


def test_every_product_is_in_one_band():
    bands = bands_of(np.array([9.0, 0, 3, 1, 0, 1, 1, 1, 1, 1]))
    assert {name: np.flatnonzero(mask).tolist() for name, mask in bands.items()} == {
        "head": [0, 2],
        "tail": [3, 5, 6, 7, 8, 9],
        "unsold": [1, 4],
    }


def test_exposure_costs_what_it_says(fairness_report):
    exposure = fairness_report[3]["exposure"]
    assert [row["least"] for row in exposure] == [0.0, *SHARES] and exposure[0][
        "cost"
    ] == pytest.approx(0)
    assert all(row["shown"] >= row["least"] - 0.05 for row in exposure)
    for row in exposure:
        assert row["cost"] == pytest.approx(
            1 - row["ndcg@10"]["value"] / exposure[0]["ndcg@10"]["value"]
        )
