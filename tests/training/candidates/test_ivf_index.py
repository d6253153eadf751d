"""IVF index: its candidates contain those of a full search, also with filters and new products."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tinyshop import events_of
from training.candidates import ivf_index, sources
from training.candidates.ivf_index import build_ivf_index
from training.candidates.text_similarity import TextSpace
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.interactions import histories, interactions
from training.data.snapshot import DAY, TYPE_CODE, read_snapshot
from training.inference.checkpoint import load_checkpoint, save_checkpoint
from training.inference.explanations import explain
from training.inference.new_products import NewProducts, with_products
from training.inference.recommender import Recommender

N, KINDS = 3000, 60


@pytest.fixture(scope="module")
def vectors():
    """Products of many kinds, those of a kind near to each other."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((KINDS, 96)).astype(np.float32)
    x = kinds[np.arange(N) % KINDS] + 0.7 * rng.standard_normal((N, 96)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def many(monkeypatch):
    """As if a shop of these few were one of many products."""
    monkeypatch.setattr(ivf_index, "LARGE", 10)
    monkeypatch.setattr(ivf_index, "SEARCHED", 600)


@pytest.fixture(scope="module")
def past():
    rng = np.random.default_rng(1)
    bought = [
        (user, kind + KINDS * int(i), day)
        for user in range(20)
        for kind in rng.integers(0, KINDS, 2)
        for day, i in enumerate(rng.integers(0, 50, 4))
    ]
    return histories(
        interactions(
            events_of([(u, i, TYPE_CODE["purchase"], d * DAY, 1, u) for u, i, d in bought]),
            EVENT_WEIGHTS,
        ),
        np.arange(20),
        N,
    )


def best_of(texts, past, allowed, k=20):
    result = texts.score(past, np.ones(len(past.item), dtype=np.float32)).best(allowed, k)
    return [result.item[result.user == user].tolist() for user in range(past.n_users)]


def test_cells_propose_what_a_comparison_with_all_finds(many, vectors, past):
    held, allowed = build_ivf_index(vectors), np.random.default_rng(2).random((20, N)) < 0.8
    exact = best_of(TextSpace(vectors), past, allowed)
    result = best_of(TextSpace(vectors.astype(np.float16), held), past, allowed)
    shared = [len(set(a) & set(b)) / len(a) for a, b in zip(exact, result, strict=True)]
    assert np.mean(shared) > 0.95 and min(shared) > 0.8
    assert all(allowed[user, items].all() for user, items in enumerate(result))


def test_where_a_filter_lets_few_through_they_are_all_found(many, vectors, past):
    allowed = np.zeros((20, N), dtype=bool)
    allowed[:, [5, 1700, 2999]] = True
    assert all(
        sorted(items) == [5, 1700, 2999]
        for items in best_of(TextSpace(vectors, build_ivf_index(vectors)), past, allowed)
    )


def test_pairs_have_their_exact_scores(many, vectors, past):
    weights = np.random.default_rng(3).random(len(past.item)).astype(np.float32) - 0.2
    user, item = np.repeat(np.arange(20), 30), np.random.default_rng(4).integers(0, N, 600)
    exact = TextSpace(vectors).scores(past, weights)[user, item]
    assert TextSpace(vectors, build_ivf_index(vectors)).score(past, weights).at(
        user, item
    ) == pytest.approx(exact, rel=1e-4, abs=1e-6)


def test_who_has_no_history_is_proposed_nothing(many, vectors):
    no_history = histories(interactions(events_of([]), EVENT_WEIGHTS), np.arange(2), N)
    wanted = TextSpace(vectors, build_ivf_index(vectors)).score(
        no_history, np.zeros(0, dtype=np.float32)
    )
    assert not len(wanted.best(np.ones((2, N), dtype=bool), 5).item)
    assert wanted.at(np.array([0, 1]), np.array([3, 4])).tolist() == [0, 0]


def test_parts_of_one_history_are_answered_from_what_the_whole_is_proposed(
    many, vectors, past, monkeypatch
):
    whole = past.shard(0, 1)
    parts = [
        np.arange(len(whole.item)),
        np.arange(1, len(whole.item)),
        np.arange(len(whole.item) - 1),
    ]
    family = whole.pick(
        np.concatenate(parts), np.cumsum([0, *map(len, parts)]), np.zeros(3, dtype=np.int64)
    )
    texts, allowed = TextSpace(vectors, build_ivf_index(vectors)), np.ones((3, N), dtype=bool)
    alone = [best_of(texts, family.shard(u, u + 1), allowed[:1])[0] for u in range(3)]
    wanted, propose = [], ivf_index.IvfIndex.candidates
    monkeypatch.setattr(
        ivf_index.IvfIndex,
        "candidates",
        lambda self, *args: (wanted.append(1), propose(self, *args))[1],
    )
    assert best_of(texts, family, allowed) == alone and len(wanted) == 1


def test_another_shopper_is_proposed_what_is_near_to_their_own_history(many, vectors, past):
    whole = past.shard(0, 1)
    both = whole.pick(
        np.array([*range(len(whole.item)), 0]),
        np.array([0, len(whole.item), len(whole.item) + 1]),
        np.zeros(2, dtype=np.int64),
    )
    texts, allowed = TextSpace(vectors, build_ivf_index(vectors)), np.ones((2, N), dtype=bool)
    assert best_of(texts, both, allowed)[1] == best_of(texts, both.shard(1, 2), allowed[:1])[0]


def test_a_cell_of_equal_texts_is_not_read_whole(many, monkeypatch):
    monkeypatch.setattr(ivf_index, "SEARCHED", 10)
    same = np.tile(np.eye(1, 8, dtype=np.float32), (200, 1))
    assert len(TextSpace(same, build_ivf_index(same)).near(same[:1])) == 40


def test_new_and_renewed_products_lie_in_the_cells_of_their_vectors(many, vectors):
    held = build_ivf_index(vectors)
    more = held.with_products(vectors[[7]], {3: vectors[8]})
    assert (
        more.cell[N] == held.cell[7]
        and more.cell[3] == held.cell[8]
        and held.cell[3] != more.cell[3]
    )
    assert N in TextSpace(np.concatenate([vectors, vectors[[7]]]), more).near(vectors[[7]])
    assert more.vectors[N] == pytest.approx(held.vectors[7], abs=1e-5) and len(held.cell) == N


def test_products_of_one_text_have_cells_too(many):
    same = np.tile(np.eye(1, 8, dtype=np.float32), (200, 1))
    assert len(TextSpace(same, build_ivf_index(same)).near(same[:1])) == 200


@pytest.fixture
def both(tiny_checkpoint, many):
    """The tiny shop's model as it is, and as one of many products."""
    model, item_ids = load_checkpoint(tiny_checkpoint)
    signals = replace(model.signals, ivf=build_ivf_index(model.signals.vectors))
    return (
        model,
        Recommender(signals, model.facts, model.ranker, model.config, model.boost),
        item_ids,
    )


def test_a_model_with_cells_serves_as_the_same_without(both, tiny_snapshot):
    plain, model, _ = both
    snapshot = read_snapshot(tiny_snapshot)
    past = plain.histories(snapshot.events, np.arange(30))

    def listed(one):
        return [
            [r.item for r in result]
            for result in one.recommend(past, plain.signals.popularity.now, 5)
        ]

    assert listed(model) == listed(plain)

    def related(one, item):
        return [r.item for r in one.related([item], 5)]

    assert [related(model, item) for item in range(10)] == [
        related(plain, item) for item in range(10)
    ]
    events = snapshot.events.take(snapshot.events.user == 3)
    events = replace(events, user=np.zeros_like(events.user))
    explanations = [
        explain(one, events, listed(plain)[3], plain.signals.popularity.now)
        for one in (plain, model)
    ]
    for one, other in zip(*explanations, strict=True):
        assert other.score == pytest.approx(one.score, abs=1e-6) and other.falls == pytest.approx(
            one.falls, abs=1e-6
        )


def test_cells_are_kept_with_the_checkpoint(both, tmp_path):
    _, model, item_ids = both
    save_checkpoint(tmp_path / "checkpoint", model, model, item_ids, None, "fusion", {}, {})
    again = load_checkpoint(tmp_path / "checkpoint", verify=True)[0].signals
    assert all(
        np.array_equal(getattr(again.ivf, name), getattr(model.signals.ivf, name))
        for name in ("basis", "centroids", "vectors", "cell")
    )
    assert again.vectors.dtype == np.float16


def test_a_new_product_is_found_among_many(both, monkeypatch):
    monkeypatch.setattr(sources, "COMMON", 20)
    _, model, _ = both
    vector = np.asarray(model.signals.vectors[[4]], np.float32)
    nothing = np.full(1, -1, dtype=np.int32)
    more = with_products(
        model, NewProducts(vector, np.array([np.nan], dtype=np.float32), nothing, nothing), {}
    )
    new = model.n_items
    assert (
        new in [r.item for r in more.related([4], 20)]
        and len(more.signals.sequence.items) == new + 1
    )
    events = events_of([(0, 4, TYPE_CODE["purchase"], model.signals.popularity.now - DAY, 1, 0)])
    past = more.histories(events, np.zeros(1, dtype=np.int64))
    assert new in [r.item for r in more.by_source(past, "text", model.signals.popularity.now, 5)[0]]


def test_where_nothing_common_is_allowed_the_sequence_model_favours_nothing(
    both, tiny_snapshot, monkeypatch
):
    monkeypatch.setattr(sources, "COMMON", 5)
    _, model, _ = both
    past = model.histories(read_snapshot(tiny_snapshot).events, np.arange(30))
    rare = np.ones(model.n_items, dtype=bool)
    rare[model.signals.common[0]] = False
    for showable, least in ((rare, 0), (None, 0.5)):
        result = model.candidates(
            past, model.signals.popularity.now, model.allowed(past, showable)
        ).features
        share = result[:, model.features.index("sequence_share")]
        assert (
            len(share)
            and share.max() <= 1
            and share.max() >= least
            and (showable is None or not share.any())
        )


def test_the_sequence_model_chooses_from_what_sells(both, tiny_snapshot, monkeypatch):
    plain, model, _ = both
    past = plain.histories(read_snapshot(tiny_snapshot).events, np.arange(30))
    exact = plain.signals.sequence.scores(past)
    monkeypatch.setattr(sources, "COMMON", 20)
    common = model.signals.common[0]
    sold = model.signals.popularity.column("sold")
    assert len(common) == 20 and sold[common].min() >= np.delete(sold, common).max()
    wanted = model.signals.sequence.score(past, model.signals.common)
    result = wanted.best(np.ones(exact.shape, dtype=bool), 5)
    share = exact[:, common] / exact[:, common].sum(axis=1, keepdims=True)
    assert set(result.item.tolist()) <= set(common.tolist()) and result.top == pytest.approx(
        share.max(axis=1), rel=1e-4
    )
    user, item = np.repeat(np.arange(30), 3), np.tile(np.arange(3), 30)
    assert wanted.at(user, item) == pytest.approx(
        exact[user, item] / exact[:, common].sum(axis=1)[user], rel=1e-3
    )
