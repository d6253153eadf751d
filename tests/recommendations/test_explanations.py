"""Explanations: every kind and source has its words, and examples come from their own source."""

from datetime import timedelta

import numpy as np
import pytest
import scipy.sparse as sp
from django.utils import timezone

from recommender.inference.history import History, HistoryEvent
from recommender.inference.ranking_model import Model
from recommender.models import Placement
from recommender.recommendations.explanations import (
    KINDS,
    SOURCES,
    UNKNOWN_KIND,
    explain_items,
    kind_of,
    reasons_of,
)
from recommender.serving.items import Item
from training.candidates.sources import SOURCES as TRAINED_SOURCES
from training.ranking.features import reason_kinds


def test_every_kind_that_training_can_produce_has_its_words():
    assert reason_kinds() <= KINDS.keys()
    assert all(kind.chip and kind.icon for kind in KINDS.values())
    assert kind_of("a kind of a later model") is UNKNOWN_KIND


def test_every_source_has_its_words():
    cold_start = {"new", "interests", "openers"}
    assert {source.name for source in TRAINED_SOURCES} | cold_start == SOURCES.keys()
    assert {words.alone for words in SOURCES.values()} - {None} <= KINDS.keys()


def test_an_unknown_kind_is_no_error():
    item = Item("a", 1.0, ["later"], contributions={"later": 2.0})
    assert reasons_of(item, {})[0]["text"] == UNKNOWN_KIND.sentence


@pytest.fixture
def model(live_shop, checkpoints):
    """The tiny model, where LA/0 is bought together with LA/1 alone, and similar to LA/2 alone."""
    from recommender.inference import model_cache

    model = model_cache.model_of(live_shop.champion().folder)
    signals, rows = model.recommender.signals, model.rows
    for name, other in (("together", "LA/1"), ("similar", "LA/2"), ("next", "LA/3")):
        cells = ([5.0, 5.0], ([rows["LA/0"], rows[other]], [rows[other], rows["LA/0"]]))
        shape = (model.recommender.n_items,) * 2
        signals.matrices[name] = sp.csr_matrix(cells, shape=shape, dtype=np.float32)
    signals.matrices["ease"] = sp.csr_matrix(shape, dtype=np.float32)
    yield model
    model_cache.models.clear()


def test_the_example_of_a_reason_comes_from_its_own_source(model: Model, live_shop):
    """The product with the largest total share is LA/4, which no source links to LA/0."""
    now = timezone.now()
    bought = ["LA/1", "LA/2", "LA/3", *["LA/4"] * 6]
    history = History.of(
        HistoryEvent(item_id, "purchase", now - timedelta(days=20 - 2 * i), 1.0, f"s{i}")
        for i, item_id in enumerate(bought)
    )
    item = Item("LA/0", None, [])
    explain_items(model, None, history, [item], now)
    expected = {"bought_together": "LA/1", "similar": "LA/2", "bought_next": "LA/3"}
    assert {kind: item.example_of(kind) for kind in expected} == expected
    item.contributions = dict.fromkeys(expected, 1.0)
    titles = dict(live_shop.products.values_list("item_id", "title"))
    for reason in reasons_of(item, titles):
        assert reason["item_id"] == expected[reason["kind"]]
        assert titles[expected[reason["kind"]]] in reason["text"]


def test_related_products_name_the_product_that_each_source_links(model: Model):
    ranked = {one.item_id: one for one in model.related(["LA/1", "LA/2", "LA/3"], 40)}["LA/0"]
    examples = {kind: item_id for kind, item_id in ranked.examples.items() if kind != "text"}
    assert examples == {"bought_together": "LA/1", "similar": "LA/2", "bought_next": "LA/3"}


def test_a_list_without_examples_names_no_product():
    """Lists stored by earlier versions hold shares of the history, but no examples."""
    stored = Item("a", 1.0, ["next"], contributions={"bought_next": 1.0}, history=[["b", 1.0]])
    reason = reasons_of(stored, {"b": "Teapot"})[0]
    assert "item_id" not in reason and "Teapot" not in reason["text"]


def test_kinds_of_placements_have_their_candidates():
    from recommender.recommendations.candidate_lists import CANDIDATES

    assert CANDIDATES.keys() == {kind for kind, _ in Placement.KINDS}
