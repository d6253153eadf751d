"""The search champion in service: its ranker, its encoder, new products, broken checkpoints."""

import pytest

from recommender.catalog.embeddings import embed_products
from recommender.inference import verification
from recommender.ingest import Parser, upsert_products
from recommender.model_lifecycle.promotion import promote_version
from recommender.models import Change, ProductVector
from recommender.search.requests import SearchRequest
from recommender.search.search import search
from recommender.serving import change_feed
from recommender.serving.shop_state import state_of
from tests import judged_shop, stocked_shop

FIELDS = ["title", "description", "price"]


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def champion(shop, checkpoints, search_checkpoint):
    """The judged shop's products, and its search model in service."""
    upsert_products(shop, enumerate(judged_shop.products()), FIELDS, Parser(shop.zone))
    version = stocked_shop.register(shop, search_checkpoint, "search")
    promote_version(version)
    return version


def ids(result):
    return [hit.item_id for hit in result.hits]


def test_the_ranker_orders_and_the_reply_names_the_version(shop, champion):
    result = search(shop, SearchRequest("red lantern", explain="full"))
    assert result.version == champion and result.semantic
    assert ids(result)[:2] and set(ids(result)[:2]) == {"red-lantern-small", "red-lantern-large"}
    parts = result.hits[0].parts
    assert parts["ranker"] is not None and 0 < result.hits[0].score < 1
    scores = [hit.parts["ranker"] for hit in result.hits]
    assert scores == sorted(scores, reverse=True)


def test_new_products_and_changed_texts_are_embedded(shop, champion):
    rows = [
        {"item_id": "new", "title": "tall purple lantern"},
        {"item_id": "red-mug-small", "title": "small violet mug", "description": "", "price": 1},
    ]
    upsert_products(shop, enumerate(rows), FIELDS, Parser(shop.zone))
    assert embed_products(shop, ["new", "red-mug-small", "blue-mug-small"]) == 2
    assert set(
        ProductVector.objects.filter(version=champion).values_list("product__item_id", flat=True)
    ) == {"new", "red-mug-small"}
    result = search(shop, SearchRequest("purple lantern", explain="full"))
    assert ids(result)[0] == "new" and result.hits[0].parts["semantic"] is not None


def test_a_code_comes_first_whatever_the_ranker_says(shop, champion):
    rows = [{"item_id": "ZX-9", "title": "Spare part"}]
    upsert_products(shop, enumerate(rows), FIELDS, Parser(shop.zone))
    assert ids(search(shop, SearchRequest("zx9")))[0] == "ZX-9"


def test_a_broken_checkpoint_leaves_the_words(shop, champion, checkpoints, caplog):
    (checkpoints / champion.folder / "title_vectors.npy").unlink()
    assert not state_of(shop).parts["search_champion"].serving(state_of(shop))
    result = search(shop, SearchRequest("red lantern"))
    assert ids(result) and not result.semantic
    assert "title_vectors.npy is missing" in caplog.text
    with pytest.raises(Exception, match="title_vectors"):
        verification.verify(champion.folder, "search")


def test_a_roll_back_takes_the_ranker_out_of_service(shop, champion):
    assert search(shop, SearchRequest("red mug")).version == champion
    champion.status = "candidate"
    champion.save()
    state_of(shop).parts["search_champion"].invalidate(Change(kind=Change.CHAMPION))
    assert search(shop, SearchRequest("red mug")).version is None
