"""Filters of lists."""

import pytest

from recommender.models import Change, Placement, Product
from recommender.recommendations import batch_scoring
from tests.recommendations.list_calls import look_again, recommend


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("user", "session"), [("shopper-003", None), ("nobody", None), (None, "s-1")]
)
def test_nothing_that_a_filter_refuses_leaks_from_any_source(
    live_shop, home_top, stored, user, session
):
    if stored:
        batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    result = recommend(
        live_shop,
        home_top,
        user,
        session,
        10,
        text="price < :max and not title contains 'teapot'",
        params={"max": 6},
    )
    shown = Product.objects.filter(item_id__in=[i.item_id for i in result.items])
    assert len(result.items) == 10 and all(p.price < 6 and "teapot" not in p.title for p in shown)
    none = recommend(live_shop, home_top, user, session, 10, text="price > 1000")
    assert (none.items, none.fallback) == ([], "nothing_selected")


def test_a_filter_is_checked_against_the_database_of_this_moment(live_shop, home_top):
    first = (
        recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100").items[0].item_id
    )
    Product.objects.filter(item_id=first).update(price=200)
    result = recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100")
    assert first not in [i.item_id for i in result.items] and len(result.items) == 5


def test_a_narrow_filter_is_looked_for_among_all_products(live_shop, home_top):
    """Not only among the first of the unfiltered list."""
    everything = [i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 40).items]
    last = everything[-1]
    result = recommend(
        live_shop, home_top, "shopper-003", None, 3, text="item_id = :one", params={"one": last}
    )
    assert [i.item_id for i in result.items] == [last]


def test_a_placements_own_filter_holds_beside_the_requests(live_shop, home_top):
    home_top.filter, home_top.filter_values = "price < :max", {"max": 5}

    def prices(result):
        return {
            float(p)
            for p in Product.objects.filter(
                item_id__in=[i.item_id for i in result.items]
            ).values_list("price", flat=True)
        }

    assert max(prices(recommend(live_shop, home_top, "shopper-003", None, 8))) < 5
    assert (
        max(prices(recommend(live_shop, home_top, "shopper-003", None, 8, params={"max": 3}))) < 3
    )
    both = prices(recommend(live_shop, home_top, "shopper-003", None, 8, text="price >= 2"))
    assert both and min(both) >= 2 and max(both) < 5


def test_related_products_are_filtered(live_shop):
    page = Placement.objects.get(shop=live_shop, key="product_page")
    result = recommend(live_shop, page, None, None, 6, text="price >= 4", item_ids=("LA/1",))
    shown = Product.objects.filter(item_id__in=[i.item_id for i in result.items])
    assert (
        result.items
        and all(p.price >= 4 for p in shown)
        and "LA/1" not in [i.item_id for i in result.items]
    )


def test_a_changed_price_reaches_a_running_process(live_shop, home_top, monkeypatch):
    look_again(monkeypatch)
    before = [
        i.item_id
        for i in recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100").items
    ]
    Product.objects.filter(item_id=before[0]).update(price=200)
    assert before[0] not in [
        i.item_id
        for i in recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100").items
    ]
    Product.objects.filter(item_id=before[0]).update(price=2)
    Change.objects.tell_products(live_shop, [before[0]])
    assert [
        i.item_id
        for i in recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100").items
    ] == before
