"""The cross-encoder in service: it re-ranks the best hits within its time budget."""

from dataclasses import replace

import pytest

from recommender.inference import search_ranking
from recommender.inference.search_ranking import CROSS_ENCODER, TimeBox
from recommender.ingest import Parser, upsert_products
from recommender.model_lifecycle.promotion import promote_version
from recommender.models import SearchSettings
from recommender.search import candidate_cache
from recommender.search.configurations import LIVE, NAMED
from recommender.search.page_tokens import page_token, request_of
from recommender.search.requests import SearchRequest
from recommender.search.search import preview, search
from recommender.serving import change_feed
from recommender.serving.shop_state import state_of
from tests import judged_shop, stocked_shop

QUERY = SearchRequest("red lantern", explain="full")


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def champion(shop, checkpoints, cross_checkpoint):
    """A search model with a cross-encoder of random weights."""
    fields = ["title", "description", "price"]
    upsert_products(shop, enumerate(judged_shop.products()), fields, Parser(shop.zone))
    version = stocked_shop.register(shop, cross_checkpoint, "search")
    promote_version(version)
    return version


def settle(shop, budget):
    SearchSettings.objects.update_or_create(shop=shop, defaults={"cross_encoder_ms": budget})


def test_it_reorders_the_best_hits(shop, champion):
    settle(shop, 5_000)
    hits = search(shop, QUERY).hits
    added = [hit.parts["cross_encoder"] for hit in hits]
    assert None not in added[:12] and len(set(added[:12])) > 5 and set(added[12:]) == {None}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    total = [hit.parts["ranker"] + hit.parts["cross_encoder"] for hit in hits[:12]]
    assert total == sorted(total, reverse=True)
    without = preview(shop, QUERY, NAMED["no_cross_encoder"][1]).hits
    assert {hit.parts["cross_encoder"] for hit in without} == {None}
    assert [hit.item_id for hit in without] != [hit.item_id for hit in hits]


def test_over_budget_it_is_skipped_and_the_reply_says_so(shop, champion, monkeypatch):
    monkeypatch.setattr(candidate_cache, "SKIPPED_SECONDS", 0.0)
    settle(shop, 1)
    box = state_of(shop).parts["search_champion"].model().rankers.time_box
    box.took(1, 10.0)
    result = search(shop, QUERY)
    assert result.skipped == [CROSS_ENCODER]
    assert {hit.parts["cross_encoder"] for hit in result.hits} == {None}
    settle(shop, 5_000)
    for _ in range(50):
        box.took(1, 0.0)
    assert search(shop, QUERY).skipped == []  # the skipped result is not cached for long


def test_the_next_page_continues_the_order_of_the_first(shop, champion):
    settle(shop, 1)
    state_of(shop).parts["search_champion"].model().rankers.time_box.took(1, 10.0)
    first = replace(QUERY, limit=5)
    page = search(shop, first)
    assert page.skipped == [CROSS_ENCODER]
    following = request_of(shop, page_token(shop, first, page), None, ())
    assert following.cross_encoder is False
    settle(shop, 5_000)
    rest = search(shop, following)
    assert {hit.parts["cross_encoder"] for hit in rest.hits} == {None}
    assert not {hit.item_id for hit in rest.hits} & {hit.item_id for hit in page.hits}


def test_an_evaluation_takes_the_time_that_it_needs(shop, champion):
    settle(shop, 1)
    state_of(shop).parts["search_champion"].model().rankers.time_box.took(1, 10.0)
    result = preview(shop, QUERY, LIVE)
    assert result.skipped == [] and result.hits[0].parts["cross_encoder"] is not None


def test_a_budget_of_nothing_switches_it_off(shop, champion):
    settle(shop, 0)
    result = search(shop, QUERY)
    assert result.skipped == [] and result.hits[0].parts["cross_encoder"] is None
    settle(shop, 5_000)
    assert search(shop, QUERY).hits[0].parts["cross_encoder"] is not None


def test_a_broken_one_leaves_the_ranker(shop, champion, checkpoints, caplog):
    (checkpoints / champion.folder / "cross" / "head.json").write_text("{")
    result = search(shop, QUERY)
    assert result.hits[0].parts["ranker"] is not None
    assert result.hits[0].parts["cross_encoder"] is None
    assert "its cross-encoder cannot be read" in caplog.text


def test_a_code_stays_first(shop, champion):
    settle(shop, 5_000)
    rows = [{"item_id": "ZX-9", "title": "Spare part"}]
    upsert_products(shop, enumerate(rows), ["title"], Parser(shop.zone))
    assert search(shop, SearchRequest("zx9")).hits[0].item_id == "ZX-9"


def test_the_time_box_tries_again_after_a_while(monkeypatch):
    box = TimeBox()
    assert box.affords(25, 100)
    box.took(25, 0.2)
    assert not any(box.affords(25, 100) for _ in range(100))
    assert box.affords(25, 300) and box.affords(10, 100)
    monkeypatch.setattr(search_ranking, "RETRY_SECONDS", 0.0)
    assert box.affords(25, 100)
