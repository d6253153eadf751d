"""Search in the application: words, meaning, filters, facets, orders, personal ranking, live."""

import shutil

import polars as pl
import pytest
from django.utils import timezone

from recommender.ingest import Parser, upsert_products
from recommender.model_lifecycle.snapshot_export import snapshot_shop
from recommender.models import Change, Product, SearchQuery, SearchSettings, ServedList, Synonym
from recommender.search import live_index
from recommender.search.query_log import query_buffer
from recommender.search.requests import FacetRequest, SearchRequest
from recommender.search.search import search
from recommender.serving import change_feed
from recommender.serving.exposure_log import exposure_buffer
from recommender.serving.shop_state import state_of

FIELDS = ["title", "brand", "categories", "price", "attributes", "description", "item_group_id"]


def put(shop, *rows):
    upsert_products(shop, enumerate(rows), FIELDS, Parser(shop.zone))


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def encoded(live_shop, served_encoder):
    """The live shop with an encoder that serves."""
    shutil.copytree(served_encoder, live_shop.champion().run.folder / "checkpoint" / "onnx")
    return live_shop


@pytest.fixture
def catalog(shop):
    put(
        shop,
        {
            "item_id": "AB-1",
            "title": "Red leather jacket",
            "brand": "Alto",
            "price": 90,
            "categories": ["Clothing > Jackets"],
            "attributes": {"colour": "red", "sizes": ["S", "M"]},
        },
        {
            "item_id": "AB-2",
            "title": "Blue denim jacket",
            "brand": "Alto",
            "price": 60,
            "categories": ["Clothing > Jackets"],
            "attributes": {"colour": "blue", "sizes": ["M"]},
        },
        {
            "item_id": "C-1",
            "title": "Leather belt",
            "brand": "Corda",
            "price": 20,
            "categories": ["Clothing > Belts"],
            "attributes": {"colour": "brown", "gtin": "4006381333931"},
        },
        {
            "item_id": "S-1",
            "title": "Sofa bed",
            "brand": "Corda",
            "price": 400,
            "categories": ["Furniture"],
            "description": "A bed for guests, with a leather cover.",
        },
    )
    return shop


def ids(result):
    return [hit.item_id for hit in result.hits]


def find(shop, query, **fields):
    return search(shop, SearchRequest(query, **fields))


def test_words_in_weighted_fields_and_codes(catalog):
    assert ids(find(catalog, "leather"))[-1] == "S-1"
    assert ids(find(catalog, "4006381333931")) == ["C-1"]
    assert ids(find(catalog, "ab2"))[0] == "AB-2"
    assert find(catalog, "ab-2").hits[0].match == "code"


def test_a_filter_narrows_the_result(catalog):
    assert ids(find(catalog, "jacket", filter="price < 70")) == ["AB-2"]
    assert ids(find(catalog, "jacket", filter="attributes.colour = 'red'")) == ["AB-1"]
    assert find(catalog, "jacket", filter="price < 1").total == 0


def test_facets_count_the_products_that_match(catalog):
    facets = (
        FacetRequest("brand"),
        FacetRequest("categories"),
        FacetRequest("price", ranges=(50.0,)),
        FacetRequest("attributes.sizes"),
    )
    brand, categories, price, sizes = find(catalog, "jacket", facets=facets).facets
    assert brand["values"] == [{"value": "Alto", "count": 2}]
    assert {"value": "Clothing", "count": 2} in categories["values"]
    assert [r["count"] for r in price["ranges"]] == [0, 2]
    assert price["min"] == 60
    assert sizes["values"] == [{"value": "M", "count": 2}, {"value": "S", "count": 1}]


def test_orders(catalog):
    assert ids(find(catalog, "jacket", sort="price")) == ["AB-2", "AB-1"]
    assert ids(find(catalog, "jacket", sort="-price")) == ["AB-1", "AB-2"]
    assert ids(find(catalog, "", sort="-price"))[0] == "S-1"


def test_pages(catalog):
    first = find(catalog, "leather", limit=2)
    rest = find(catalog, "leather", limit=2, offset=2)
    assert first.has_more
    assert not rest.has_more
    assert len(set(ids(first)) | set(ids(rest))) == 3
    assert ids(find(catalog, "leather", offset=1000)) == []


def test_a_query_without_matches_says_what_was_given_up(catalog):
    result = find(catalog, "leather jacket unobtainium")
    assert result.relaxed == [{"kind": "word_dropped", "word": "unobtainium"}]
    assert ids(result)[0] == "AB-1"
    assert find(catalog, "lether jacket").corrected == "leather jacket"
    assert ids(find(catalog, "zzzzqq")) == []


def test_highlights_are_characters(catalog):
    put(catalog, {"item_id": "U", "title": "Ünlü 🎁 leather wallet"})
    hit = find(catalog, "wallet leathers").hits[0]
    assert [hit.title[b:e] for b, e in hit.highlights["title"]] == ["leather", "wallet"]


def test_variants_are_one_hit(catalog):
    for size in ("s", "m"):
        put(catalog, {"item_id": f"T-{size}", "title": f"Tunic {size}", "item_group_id": "T"})
    (hit,) = find(catalog, "tunic").hits
    assert (hit.group, hit.variants) == ("T", 2)


def test_changes_are_found_at_once(catalog):
    assert ids(find(catalog, "velvet")) == []
    put(catalog, {"item_id": "V", "title": "Velvet curtain"})
    assert ids(find(catalog, "velvet")) == ["V"]
    put(catalog, {"item_id": "V", "title": "Cotton curtain"})
    assert ids(find(catalog, "velvet")) == []
    assert ids(find(catalog, "cotton")) == ["V"]
    put(catalog, {"item_id": "V", "hidden": True})
    Product.objects.filter(item_id="V").update(hidden=True)
    Change.objects.tell_products(catalog, ["V"])
    assert ids(find(catalog, "cotton")) == []
    Product.objects.remove(catalog, ["AB-1"])
    assert ids(find(catalog, "red jacket")) == ["AB-2"]


def test_a_product_that_comes_back_is_found_once(catalog):
    Product.objects.remove(catalog, ["C-1"])
    put(catalog, {"item_id": "C-1", "title": "Leather belt"})
    assert ids(find(catalog, "belt")) == ["C-1"]


def test_synonyms_and_stop_words_are_live_at_once(catalog):
    assert ids(find(catalog, "couch")) == []
    Synonym.objects.create(shop=catalog, phrases=["couch", "sofa"])
    assert ids(find(catalog, "couch")) == ["S-1"]
    Synonym.objects.create(shop=catalog, phrases=["strap"], also_finds=["belt"])
    assert ids(find(catalog, "strap")) == ["C-1"]
    assert ids(find(catalog, "belt")) == ["C-1"]
    SearchSettings.objects.create(shop=catalog, stop_words=["please"])
    assert find(catalog, "belt please").relaxed == []
    SearchSettings.objects.update(stop_words=[])  # as a form without any stores it
    Change.objects.create(shop=catalog, kind=Change.SEARCH)
    assert find(catalog, "the belt").relaxed == []
    Synonym.objects.get(phrases=["strap"]).delete()
    assert ids(find(catalog, "strap")) == []


def test_a_cycle_of_synonyms_ends(catalog):
    for one, two in (("sofa", "couch"), ("couch", "settee"), ("settee", "sofa")):
        Synonym.objects.create(shop=catalog, phrases=[one], also_finds=[two])
    assert ids(find(catalog, "settee")) == ["S-1"]


def test_another_language_rebuilds_the_index(catalog):
    put(catalog, {"item_id": "L", "title": "Lampen"})
    assert find(catalog, "Lampe").corrected == "" != find(catalog, "Lampne").corrected
    index = state_of(catalog).parts[live_index.PART]
    assert index.read().languages == ("en",)
    SearchSettings.objects.create(shop=catalog, languages=["de"])
    assert ids(find(catalog, "Lampe")) == ["L"]
    assert index.read().languages == ("de",)


def test_searches_are_logged_with_their_products(catalog):
    result = find(catalog, "Leather  JACKET", session_id="s-1")
    query_buffer.flush()
    exposure_buffer.flush()
    row, shown = SearchQuery.objects.get(), ServedList.objects.get()
    assert (row.query_id, row.normalized, row.total) == (result.query_id, "leather jacket", 1)
    assert shown.recommendation_id == result.query_id
    assert shown.placement == "search"
    assert [item["item_id"] for item in shown.items] == ids(result)


def test_meaning_and_shopper_rank_with_the_words(encoded):
    result = find(encoded, "red lantern")
    assert result.semantic
    assert result.hits[0].title == "red lantern"
    theme = "shopper-001"  # buys teapots
    mine = find(encoded, "red", user_id=theme)
    assert mine.personal
    plain = find(encoded, "red", user_id=theme, personal=False)
    place = [hit.title for hit in mine.hits].index("red teapot")
    assert place <= [hit.title for hit in plain.hits].index("red teapot")
    assert not plain.personal
    exact = find(encoded, "red lantern", user_id=theme)
    assert exact.personal and exact.hits[0].title == "red lantern"  # the only one with both words


def test_impressions_alone_are_no_taste(live_shop, api):
    events = [
        {
            "event_id": f"i-{i}",
            "type": "impression",
            "session_id": "s-9",
            "occurred_at": timezone.now().isoformat(),
            "items": [{"item_id": product.item_id}],
        }
        for i, product in enumerate(live_shop.products.all()[:3])
    ]
    assert api("post", "events", {"events": events}).json()["accepted"] == 3
    assert not find(live_shop, "red lantern", session_id="s-9").personal


def test_meaning_alone_finds_what_no_word_does(encoded):
    result = find(encoded, "zzqqy")
    assert result.total == 0
    assert result.relaxed == [{"kind": "by_meaning"}]
    assert {hit.match for hit in result.hits} == {"meaning"}


def test_shown_results_with_their_clicks_are_exported_for_training(catalog, api, tmp_path):
    result = find(catalog, "Leather jacket", session_id="s-1")
    find(catalog, "jacket", session_id="s-2", simulated=True)
    click = {
        "event_id": "c-1",
        "type": "click",
        "item_id": "AB-1",
        "occurred_at": timezone.now().isoformat(),
        "session_id": "s-1",
        "query_id": result.query_id,
    }
    assert api("post", "events", {"events": [click]}).json()["accepted"] == 1
    query_buffer.flush()
    exposure_buffer.flush()
    snapshot_shop(catalog, tmp_path / "snapshot", recipe="search")
    shown = pl.read_parquet(tmp_path / "snapshot" / "search_lists.parquet")
    assert shown["item_id"].to_list() == ids(result)
    assert shown["position"].to_list() == list(range(1, len(ids(result)) + 1))
    assert shown["clicked"].to_list() == [item_id == "AB-1" for item_id in ids(result)]
    assert set(shown["query"]) == {"leather jacket"}
    snapshot_shop(catalog, tmp_path / "other")
    assert not (tmp_path / "other" / "search_lists.parquet").exists()


def test_more_like_this(catalog):
    put(catalog, {"item_id": "AB-3", "title": "Red jacket", "item_group_id": "jackets"})
    put(catalog, {"item_id": "AB-1", "title": "Red leather jacket", "item_group_id": "jackets"})
    result = search(catalog, SearchRequest(like="AB-1"))
    assert set(ids(result)) == {"AB-2", "C-1", "S-1"}  # neither itself nor a variant of it
    assert result.corrected == "" and result.relaxed == [] and result.understood == []
    exposure_buffer.flush()
    assert ServedList.objects.get().placement == "like"
    assert not SearchQuery.objects.exists()


def test_products_are_alike_in_meaning(encoded):
    item_id = encoded.products.get(title="red lantern").item_id
    result = search(encoded, SearchRequest(like=item_id, explain="full"))
    assert result.semantic and item_id not in ids(result)
    words = {word for hit in result.hits[:4] for word in hit.title.split()}
    assert words & {"red", "lantern"}


def test_a_category_page_is_in_the_order_of_the_shopper(encoded):
    theirs = search(encoded, SearchRequest(limit=40, user_id="shopper-001"))  # buys teapots
    anyone = search(encoded, SearchRequest(limit=40))
    assert theirs.personal and not anyone.personal
    assert set(ids(theirs)) == set(ids(anyone)) and ids(theirs) != ids(anyone)
    assert sum("teapot" in hit.title for hit in theirs.hits[:10]) > sum(
        "teapot" in hit.title for hit in anyone.hits[:10]
    )
    priced = search(encoded, SearchRequest(limit=40, user_id="shopper-001", sort="-price"))
    assert not priced.personal
    only = search(encoded, SearchRequest(filter="price < 3", user_id="shopper-001"))
    assert only.total == len(only.hits) < 40


def test_cached_candidates_follow_every_change(catalog):
    assert ids(find(catalog, "jacket")) == ids(find(catalog, "jacket"))
    cached = state_of(catalog).parts["search_candidates"]
    assert len(cached._cached) == 1
    Product.objects.get(item_id="AB-1").delete()
    assert ids(find(catalog, "jacket")) == ["AB-2"]
    put(catalog, {"item_id": "AB-9", "title": "Green jacket"})
    assert set(ids(find(catalog, "jacket"))) == {"AB-2", "AB-9"}
    Synonym.objects.create(shop=catalog, phrases=["jacket"], also_finds=["belt"])
    assert "C-1" in ids(find(catalog, "jacket"))
    assert ids(find(catalog, "jacket", filter="price < 30")) == ["C-1"]


def test_pages_continue_each_other(encoded):
    whole = ids(search(encoded, SearchRequest("red lantern", limit=40)))
    pages = [
        one
        for offset in range(0, 40, 10)
        for one in ids(search(encoded, SearchRequest("red lantern", limit=10, offset=offset)))
    ]
    assert pages == whole
    faceted = SearchRequest("red lantern", limit=40, facets=(FacetRequest("price"),))
    assert ids(search(encoded, faceted)) == whole


def test_facets_of_attributes_stay_out_of_the_index(catalog):
    facet = FacetRequest("attributes.colour")
    result = search(catalog, SearchRequest("jacket", facets=(facet,)))
    assert {row["value"] for row in result.facets[0]["values"]} == {"red", "blue"}
    browsed = search(catalog, SearchRequest(facets=(facet,)))
    assert len(browsed.facets[0]["values"]) == 3
    assert "attributes.colour" not in state_of(catalog).product_index.products().columns
