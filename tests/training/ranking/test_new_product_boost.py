"""Products with few events are raised as far as the validation days allow, and the reasons say
so.
"""

import numpy as np
import pytest

from training.configuration.recipes import make_config
from training.data.snapshot import read_snapshot
from training.inference.checkpoint import load_checkpoint, save_checkpoint
from training.inference.recommender import Recommender
from training.ranking.new_product_boost import BOOSTS, FEWEST, NewProductBoost, choose_boost
from training.ranking.ranker import TrainingRows

NAMES = ["taste", "style", "price", "item_sold"]


@pytest.fixture(scope="module")
def question():
    """400 shoppers with 30 candidates each: what is liked is bought, less often where it is
    sold little; a third is sold little.
    """
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(400), 30)
    likes = rng.random((12_000, 3))
    sold = np.where(rng.random(12_000) < 0.3, 2, 50)
    chance = likes.sum(axis=1) - 0.2 * (sold < 6) + rng.random(12_000)
    label = np.zeros(12_000, dtype=bool)
    for shopper in range(400):
        own_rows = np.flatnonzero(owner == shopper)
        label[own_rows[np.argsort(-chance[own_rows])[:4]]] = True
    return TrainingRows(
        np.column_stack([likes, sold]).astype(np.float32),
        label,
        np.full(400, 30),
        np.arange(400) * 3,
    )


def chosen(question: TrainingRows, names: list[str] = NAMES, **fields) -> NewProductBoost:
    return choose_boost([question], names, make_config("fusion", {"rounds": 30, **fields}))


def test_more_are_found_and_the_cost_stays_within_its_limit(question):
    some, more, all_of_it = (chosen(question, new_products_cost=cost) for cost in (0.02, 0.05, 1))
    assert 0 < some.value < more.value < all_of_it.value == BOOSTS[-1]
    assert 0 < some.cost <= 0.02 < more.cost <= 0.05
    assert (
        some.found_without
        < some.found
        < more.found
        <= all_of_it.found
        <= some.bought
        == int(question.label[question.features[:, 3] <= 5].sum())
    )


def test_the_question_that_loses_most_decides(question):
    """Where nothing that sells little is bought, raising it only costs."""
    sold_well = TrainingRows(
        question.features,
        question.label & (question.features[:, 3] > 5),
        question.group,
        question.shopper,
    )
    config = make_config("fusion", {"rounds": 30, "new_products_cost": 0.03})
    assert (
        choose_boost([question, sold_well], NAMES, config).value
        < chosen(question, new_products_cost=0.03).value
    )


@pytest.mark.parametrize("fields", [{"new_products_cost": 0}, {"new_products_cost": 1e-9}])
def test_nothing_is_raised_where_nothing_may_be_given_up(question, fields):
    assert chosen(question, **fields).value == 0


def test_nothing_is_raised_without_popularity_or_where_too_few_are_bought(question):
    assert chosen(question, ["taste", "style", "price", "item_again_rate"]) == NewProductBoost()
    few = question.of(np.arange(400) < 8)
    assert 0 < chosen(few).bought < FEWEST and chosen(few).value == 0


@pytest.mark.parametrize("shoppers", [1, 2, 3, 8])
def test_few_shoppers_who_buy_much_are_no_trouble(question, shoppers):
    sold_little = TrainingRows(
        question.features * [1, 1, 1, 0], question.label, question.group, question.shopper
    )
    few, config = sold_little.of(np.arange(400) < shoppers), make_config("fusion", {"rounds": 5})
    many = TrainingRows(
        np.tile(few.features, (20, 1)),
        np.tile(few.label, 20),
        np.tile(few.group, 20),
        np.tile(few.shopper, 20),
    )
    result = choose_boost([many, question.of(np.zeros(400, dtype=bool))], NAMES, config)
    assert (
        result.bought == many.label.sum() >= FEWEST and result.value == 0
    )  # all alike: none can gain


def test_a_lift_is_part_of_the_score_and_of_its_reasons(tiny_checkpoint, tiny_snapshot):
    plain, snapshot = load_checkpoint(tiny_checkpoint)[0], read_snapshot(tiny_snapshot)
    raised = Recommender(plain.signals, plain.facts, plain.ranker, plain.config, 0.7)
    past = plain.histories(snapshot.events, np.arange(5))
    features = plain.candidates(past, plain.signals.popularity.now, plain.allowed(past)).features
    few = features[:, plain.features.index("item_sold")] <= np.median(
        features[:, plain.features.index("item_sold")]
    )
    features[few, plain.features.index("item_sold")] = 3
    features[~few, plain.features.index("item_sold")] = 6
    assert raised.score(features) - plain.score(features) == pytest.approx(0.7 * few)
    for (base, kinds), score in zip(
        raised.contributions(features[:40]), raised.score(features[:40]), strict=True
    ):
        assert base + sum(kinds.values()) == pytest.approx(score, abs=1e-5)
    (_, before), (_, after) = (
        model.contributions(features[few][:1])[0] for model in (plain, raised)
    )
    assert after["new"] - before["new"] == pytest.approx(0.7)


def test_a_checkpoint_keeps_its_lift(tiny_checkpoint, tmp_path):
    model, item_ids = load_checkpoint(tiny_checkpoint)
    raised = Recommender(model.signals, model.facts, model.ranker, model.config, 0.35)
    save_checkpoint(tmp_path / "raised", raised, model, item_ids, None, "fusion", {}, {})
    assert (
        load_checkpoint(tmp_path / "raised")[0].boost == 0.35
        and load_checkpoint(tmp_path / "raised", part="judged")[0].boost == model.boost
    )
