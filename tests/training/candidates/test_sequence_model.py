"""The sequence model: numpy and torch say the same, histories are read alike in training and
serving, what follows is learned.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tinyshop import events_of
from training.candidates.sequence_model import SequenceModel, latest
from training.configuration.ranking_recipes import SequenceConfig
from training.configuration.recipes import make_config
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.interactions import histories, interactions
from training.data.snapshot import DAY, TYPE_CODE, read_snapshot
from training.data.splits import leave_last_out
from training.finetuning.pairs import Source, history_pairs
from training.recipes.sequence import fit_sequence
from training.recipes.sequence_network import SequenceNet, SequenceTask, entries_of
from training.runs.progress import Progress
from training.runs.run import Run

BUY = TYPE_CODE["purchase"]


def shop(*rows):
    """(user, item, day)"""
    return interactions(
        events_of([(u, i, BUY, day * DAY, 1, -1) for u, i, day in rows]), EVENT_WEIGHTS
    )


SHOP = shop(
    (0, 3, 1),
    (0, 1, 2),
    (0, 4, 2),
    (0, 3, 3),
    (0, 2, 4),
    (1, 0, 1),
    (1, 4, 2),
    (1, 2, 5),
    (2, 1, 1),
)


def net(texts: bool = True) -> SequenceNet:
    torch.manual_seed(0)
    made = SequenceNet(5, np.eye(5, 7, dtype=np.float32) if texts else None, 6, 0.2)
    torch.nn.init.normal_(made.distance)
    torch.nn.init.normal_(made.own)
    return made.eval()


def task(by_event: bool = False) -> SequenceTask:
    events = shop_by_event() if by_event else SHOP
    return SequenceTask(
        Source(history_pairs(events, 5, repeats=True)),
        None,
        5,
        SequenceConfig(dim=6, sampled=3),
        by_event,
        None,
    )


def shop_by_event():
    return replace(SHOP, basket=np.arange(len(SHOP)))


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize("by_event", [True, False])
def test_what_serves_without_torch_equals_the_net(texts, by_event):
    past, made = histories(SHOP, np.arange(4), 5), net(texts)
    read = latest(past, by_event)
    with torch.no_grad():
        entries = {name: torch.from_numpy(values) for name, values in entries_of(read).items()}
        expected = made.states(
            made.products(torch.arange(5)), entries | {"place": entries["item"]}, 4
        ).numpy()
    states = made.plain(by_event).states(past)
    assert states[:3] == pytest.approx(expected[:3], abs=1e-5) and not states[3].any()


def test_scores_are_probabilities_and_nothing_without_a_history():
    scores = net().plain(False).scores(histories(SHOP, np.arange(4), 5))
    assert (
        scores[:3].sum(axis=1) == pytest.approx(1)
        and not scores[3].any()
        and np.isfinite(scores).all()
    )


@pytest.mark.parametrize("by_event", [True, False])
def test_training_reads_a_history_as_serving_does(by_event):
    made = task(by_event)
    pairs = made.source.pairs
    wanted = next(p for p in pairs.usable if pairs.item[p] == 2 and pairs.time[p] == 4 * DAY)
    trained = made._read(np.array([wanted]))
    served = latest(histories(SHOP.take(SHOP.time < 4 * DAY), np.array([0]), 5), by_event)

    def read(s):
        return sorted(zip(s.item[s.present].tolist(), s.back[s.present].tolist(), strict=True))

    assert read(trained)[0][0] == 1 and {item for item, _ in read(trained)} == {1, 3, 4}
    assert read(trained) == read(served) and dict(read(served))[3] == 0


def test_only_first_times_are_asked_for():
    pairs = history_pairs(SHOP, 5, repeats=True)
    assert sorted(
        zip(
            pairs.item[pairs.usable].tolist(),
            (pairs.time[pairs.usable] // DAY).tolist(),
            strict=True,
        )
    ) == [
        (1, 2),
        (2, 4),
        (2, 5),
        (4, 2),
        (4, 2),
    ]


@pytest.mark.parametrize("repeats", [True, False])
def test_a_first_basket_has_no_history_and_so_no_targets(repeats):
    pairs = history_pairs(shop((0, 1, 1), (0, 2, 1), (0, 3, 2), (1, 4, 1), (1, 0, 1)), 5, repeats)
    assert pairs.item[pairs.usable].tolist() == [3]
    anchors, target = pairs.anchored(np.random.default_rng(0), np.repeat(pairs.usable, 50), 1)
    assert set(anchors.ravel().tolist()) == {1, 2} and set(target.tolist()) == {3}


def test_a_batch_names_what_came_next_among_its_candidates():
    made = task()
    rows = made.draw(1, 64, np.random.default_rng(1))
    batch = made.collate(rows, np.random.default_rng(1))
    candidates = batch.extra["products"][batch.extra["candidates"]].numpy()
    assert (candidates[batch.target.numpy()] == made.source.pairs.item[rows]).all() and len(
        candidates
    ) >= 3
    assert torch.isfinite(made.model(batch))


def test_a_model_comes_back_from_its_file(tmp_path):
    model = net().plain(True)
    model.save(tmp_path / "sequence.safetensors")
    again = SequenceModel.load(tmp_path / "sequence.safetensors")
    past = histories(SHOP, np.arange(3), 5)
    assert again.by_event and again.scores(past) == pytest.approx(model.scores(past), abs=1e-3)


@pytest.fixture
def chains(tiny_snapshot):
    """Shoppers who go through the products in one order, each from another one on."""
    snapshot = read_snapshot(tiny_snapshot)
    rng, n = np.random.default_rng(2), snapshot.n_items
    rows = []
    for user in range(150):
        begin = int(rng.integers(n))
        rows += [
            (user, (begin + step) % n, BUY, (10 * user % 7 + step) * DAY, 1, -1)
            for step in range(8)
        ]
    events = events_of(sorted(rows, key=lambda row: row[3]))
    return snapshot.with_events(events)


def fitted(snapshot, events, window, **fields):
    config = make_config(
        "fusion",
        {
            "sequence.dim": 16,
            "sequence.steps": 120,
            "sequence.evaluate_every": 40,
            "sequence.batch_size": 256,
            **fields,
        },
    )
    return fit_sequence(Run(snapshot, "fusion", config, Progress(quiet=True)), events, None, window)


def test_what_follows_is_learned(chains):
    window, _ = leave_last_out(chains.events, chains.n_items, EVENT_WEIGHTS)
    result = fitted(chains, window.fit, window, **{"sequence.learning_rate": 1e-2})
    lists = np.argsort(-result.model.scores(window.past), axis=1)[:, :3]
    right = [t in row for t, row in zip(window.target, lists, strict=True)]
    assert result.steps > 0 and np.mean(right) > 0.9


def test_too_little_says_so(chains):
    window, _ = leave_last_out(chains.events, chains.n_items, EVENT_WEIGHTS)
    few = window.fit.take(window.fit.user < 20)
    result = fitted(chains, few, window)
    assert result.model is None and "only" in result.why_not and "200 are needed" in result.why_not
