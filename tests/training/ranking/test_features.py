"""What the ranker is trained on: everyone with a target among the candidates, all of their
targets, some of the rest.
"""

import numpy as np
import pytest

from training.candidates.sources import LearnedSignals, fit_signals
from training.configuration.recipes import make_config
from training.data.snapshot import read_snapshot
from training.ranking.ranker import labels_of, shard_size, training_rows
from training.ranking.reranking import diversified
from training.recipes.fusion import earlier_windows, facts_of


@pytest.fixture(scope="module")
def shop(tiny_snapshot):
    snapshot = read_snapshot(tiny_snapshot)
    config = make_config("fusion", {"candidates_per_source": 20})
    window = earlier_windows(snapshot, int(snapshot.events.time[-1]) + 1, 20, config)[0]
    signals = fit_signals(
        window.fit, len(snapshot.user_ids), snapshot.n_items, window.now, config, LearnedSignals()
    )
    return window, signals, facts_of(snapshot.products)


def rows(shop, most: int = 10**9, seen=lambda share: None, **fields):
    window, signals, facts = shop
    return training_rows(
        window,
        signals,
        facts,
        make_config("fusion", {"candidates_per_source": 20, **fields}),
        most,
        seen,
    )


def test_every_target_stays_and_so_many_of_the_others(shop):
    everything, some = rows(shop, negatives_per_shopper=10_000), rows(shop, negatives_per_shopper=3)
    assert everything.label.sum() == some.label.sum() > 0 and len(everything.group) == len(
        some.group
    )
    assert some.group.sum() == len(some.label) == len(some.features)
    begin = np.concatenate([[0], np.cumsum(some.group)])[:-1]
    bought = np.add.reduceat(some.label.astype(int), begin)
    assert (bought > 0).all() and (some.group - bought).max() == 3


def test_it_ends_at_so_many_rows_with_whole_shoppers_drawn_at_random(shop):
    shares_seen = []
    few = rows(shop, most=30, seen=shares_seen.append, negatives_per_shopper=5, shard=2)
    assert (
        30 <= len(few.label) < 60 < len(rows(shop, negatives_per_shopper=5).label)
        and shares_seen == sorted(shares_seen)
        and shares_seen[0] > 0
        and shares_seen[-1] == 1
    )
    other = rows(shop, most=30, negatives_per_shopper=5, shard=2, seed=8)
    assert (
        few.features.tobytes()
        == rows(shop, most=30, negatives_per_shopper=5, shard=2).features.tobytes()
        != other.features.tobytes()
    )


def test_labels_count_shoppers_from_the_beginning_of_the_shard(shop):
    window = shop[0]
    user = np.repeat(np.arange(len(window.users)), np.diff(window.start))
    assert labels_of(window, 0, user, window.target).all()
    assert labels_of(window, 2, user[user >= 2] - 2, window.target[user >= 2]).all()


def test_a_large_catalogue_has_fewer_shoppers_at_once():
    config = make_config("fusion", {"shard": 256})
    assert (
        shard_size(config, 1_000) == 256
        and shard_size(config, 1_000_000) == 25
        and shard_size(config, 10**9) == 1
    )


def test_diversity_trades_places_for_unlikeness():
    twins = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], dtype=float)
    assert diversified(twins, 0.0).tolist() == [0, 1, 2, 3]
    assert diversified(twins, 0.5).tolist() == [0, 2, 1, 3]
    assert diversified(twins, 1.0).tolist() == [0, 2, 1, 3]
    assert (
        diversified(np.zeros((3, 3)), 0.9).tolist() == [0, 1, 2]
        and diversified(np.zeros((0, 0)), 0.5).tolist() == []
    )
