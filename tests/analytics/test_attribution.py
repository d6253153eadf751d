"""What lists brought, counted by hand."""

from datetime import datetime, timedelta
from itertools import count

import pytest
from django.utils import timezone

from recommender.analytics.attribution import CREDIT, attributed_results, coverage, loyalty
from recommender.models import Event, Product, ServedList, Shopper

NUMBERS = count()


@pytest.fixture
def placed(shop):
    """add(kind, ...) puts lists and events into a shop of four products and two shoppers; `day`
    counts back from noon today.
    """
    products = {
        f"p{i}": Product.objects.create(shop=shop, item_id=f"p{i}", title=f"P{i}") for i in range(4)
    }
    shoppers = {name: Shopper.objects.create(shop=shop, user_id=name) for name in ("ann", "bob")}
    noon = datetime.combine(
        timezone.localdate(timezone=shop.zone), datetime.min.time(), shop.zone
    ) + timedelta(hours=12)

    def moment(day, hours=0.0):
        return noon - timedelta(days=day) + timedelta(hours=hours)

    def served(name, items="p0 p1", day=5, who="ann", **fields):
        rows = [{"item_id": i, "source": [], "reason": None} for i in items.split()]
        fields = {"placement": "home_top", "created_at": moment(day), **fields}
        ServedList.objects.create(
            shop=shop, recommendation_id=name, items=rows, shopper=shoppers.get(who), **fields
        )

    def event(kind, item="p0", day=5, hours=1.0, who="ann", cites=None, **fields):
        Event.objects.create(
            shop=shop,
            event_id=str(next(NUMBERS)),
            type=kind,
            product=products[item],
            shopper=shoppers.get(who),
            occurred_at=moment(day, hours),
            recommendation_id=cites,
            **fields,
        )

    shop.served_, shop.event_, shop.today = served, event, noon.date()
    return shop


def results_of(shop, *by, days=27):
    return attributed_results(
        shop, shop.today - timedelta(days=days), shop.today, by or ("placement",)
    )


def test_clicks_and_purchases_that_cite_a_list_are_its_own(placed):
    placed.served_("r1")
    placed.served_("r2", who="bob")
    placed.served_("r3", placement="basket", fallback="popular")
    for _ in range(2):
        placed.event_("click", cites="r1")
    placed.event_("purchase", cites="r1", value=30.0)
    placed.event_("purchase", "p1", cites="r1", value=12.5)
    placed.event_("click", "p3", cites="r2", who="bob")
    placed.event_("add_to_cart", cites="r3")
    basket, home = results_of(placed)
    assert (
        home.placement,
        home.lists,
        home.clicked,
        home.clicks,
        home.bought,
        home.purchases,
        home.revenue,
    ) == ("home_top", 2, 1, 2, 1, 2, 42.5)
    assert (home.click_rate, home.conversion, home.fallback) == (0.5, 0.5, 0)
    assert (
        basket.placement,
        basket.lists,
        basket.clicked,
        basket.bought,
        basket.revenue,
        basket.fallback,
    ) == ("basket", 1, 0, 0, 0, 1)


def test_a_purchase_after_a_click_is_credited_to_the_last_list_clicked(placed):
    placed.served_("r1", placement="a")
    placed.served_("r2", placement="b")
    placed.event_("click", cites="r1", hours=1)
    placed.event_("view", cites="r2", hours=2)
    placed.event_("purchase", hours=3, value=5.0)
    placed.event_("purchase", "p1", hours=3, value=7.0)
    placed.event_("purchase", hours=3, value=11.0, who="bob")
    first, second = results_of(placed)
    assert (first.purchases, second.purchases, second.revenue) == (0, 1, 5)


def test_credit_ends(placed):
    placed.served_("r1", day=20)
    placed.event_("click", cites="r1", day=20, hours=0)
    placed.event_("purchase", day=20 - CREDIT.days, hours=-1, value=1.0)
    assert results_of(placed)[0].purchases == 1
    Event.objects.filter(type="purchase").update(
        occurred_at=Event.objects.get(type="click").occurred_at + CREDIT + timedelta(hours=1)
    )
    assert results_of(placed)[0].purchases == 0


def test_a_session_buys_what_it_clicked(placed):
    placed.served_("r1", who=None, session_id="s-1")
    placed.event_("click", cites="r1", who=None, session_id="s-1")
    placed.event_("purchase", who=None, session_id="s-1", hours=2, value=3.0)
    placed.event_("purchase", who=None, session_id="s-2", hours=2, value=5.0)
    assert results_of(placed)[0].revenue == 3


def test_parts_of_a_list_are_credited_for_what_stood_in_them(placed):
    placed.served_("r1", "p0 p1", placement="first")
    placed.served_("r1", "p2 p3", placement="second", first_position=3)
    placed.event_("click", "p3", cites="r1")
    first, second = results_of(placed)
    assert (first.clicked, second.clicked) == (0, 1)


def test_a_list_counts_on_the_day_it_was_seen(placed):
    placed.served_("r1", day=0, simulated=True)
    placed.served_("r2", day=3)
    placed.event_("impression", cites="r1", day=2)
    rows = results_of(placed, "day")
    assert [(r.day, r.lists) for r in rows] == [
        (placed.today - timedelta(days=3), 1),
        (placed.today - timedelta(days=2), 1),
    ]
    assert results_of(placed, "day", days=2)[0].lists == 1


def test_a_purchase_is_not_credited_to_another_shoppers_list(placed):
    placed.served_("r1", who="ann")
    placed.served_("r2", who=None, session_id="s-1", placement="page")
    placed.event_("purchase", cites="r1", who="bob", value=10.0)
    placed.event_("click", cites="r1", who="bob")
    placed.event_("purchase", cites="r2", who=None, session_id="s-2", value=10.0)
    home, page = results_of(placed)
    assert (home.clicks, home.purchases, home.revenue) == (0, 0, 0) and (
        page.purchases,
        page.revenue,
    ) == (0, 0)
    placed.event_("purchase", cites="r1", who="ann", value=1.0)
    placed.event_("purchase", "p1", cites="r1", who=None, session_id="s-9", value=2.0)
    placed.event_("purchase", cites="r2", who="ann", session_id="s-1", value=4.0)
    home, page = results_of(placed)
    assert (home.revenue, page.revenue) == (3, 4), (
        "own, anonymous, and signed in meanwhile in the same session"
    )


def test_a_purchase_is_not_credited_to_a_list_that_was_made_after_it(placed):
    placed.served_("r1", day=1)
    placed.event_("purchase", cites="r1", day=10, value=5.0)
    placed.event_("click", cites="r1", day=1, hours=-1)
    placed.event_("purchase", "p1", cites="r1", day=1, hours=-0.05, value=7.0)
    (row,) = results_of(placed)
    assert (row.clicks, row.purchases, row.revenue) == (0, 1, 7), (
        "but for clocks that are minutes behind"
    )


def test_an_impression_with_a_wrong_clock_leaves_the_list_where_it_was(placed):
    placed.served_("r1", day=2)
    placed.event_("impression", cites="r1", day=90)
    placed.event_("purchase", cites="r1", day=2, value=5.0)
    (row,) = results_of(placed, "day")
    assert (row.day, row.lists, row.revenue) == (placed.today - timedelta(days=2), 1, 5)


def test_parts_of_a_list_are_one_list(placed):
    placed.served_("r1", "p0 p1")
    placed.served_("r1", "p2 p3", first_position=3, fallback="filled_up")
    placed.event_("click", "p0", cites="r1")
    placed.event_("purchase", "p3", cites="r1", value=5.0)
    (row,) = results_of(placed)
    assert (row.lists, row.clicked, row.clicks, row.bought, row.revenue, row.fallback) == (
        1,
        1,
        1,
        1,
        5,
        1,
    )


def test_what_is_returned_is_taken_off_the_revenue(placed):
    placed.served_("r1")
    placed.event_("purchase", cites="r1", value=30.0, quantity=3)
    placed.event_("return", hours=2, quantity=1)
    placed.event_("purchase", "p1", cites="r1", value=8.0)
    assert results_of(placed)[0].revenue == pytest.approx(28)
    placed.event_("return", "p1", day=1)
    assert results_of(placed)[0].revenue == pytest.approx(20)
    placed.event_("purchase", "p0", day=4, value=100.0, quantity=2)
    placed.event_("return", "p0", day=3, quantity=2)
    assert results_of(placed)[0].revenue == pytest.approx(20), (
        "what came back later belongs to the later purchase"
    )
    placed.event_("return", hours=3, quantity=9)
    assert results_of(placed)[0].revenue == pytest.approx(0)


def test_a_purchase_under_several_event_ids_counts_once(placed):
    placed.served_("r1")
    for _ in range(3):
        placed.event_("purchase", cites="r1", value=5.0)
    placed.event_("purchase", cites="r1", hours=2, value=5.0)
    (row,) = results_of(placed)
    assert (row.purchases, row.revenue) == (2, 10)


def test_a_newcomers_first_list_counts_for_who_they_became(placed):
    placed.served_("r1", day=60, who=None)
    placed.event_("click", cites="r1", day=60)
    placed.event_("view", "p1", day=50)
    placed.served_("r2", day=60, who=None, fallback="no_consent", placement="other")
    placed.event_("click", cites="r2", day=60, who="bob")
    rows = {
        r.placement: r
        for r in loyalty(placed, placed.today - timedelta(days=80), placed.today)
        if not r.anywhere and r.days == 30
    }
    assert (rows["home_top"].shoppers, rows["home_top"].returned) == (1, 1) and rows.get(
        "other"
    ) is None


def test_versions_are_told_apart(placed, register):
    version = register(placed)
    placed.served_("r1", version=version, simulated=True)
    placed.served_("r2")
    known, none = results_of(placed, "version")
    assert (known.version, known.simulated, none.version, none.simulated) == (
        "fusion@1",
        1,
        None,
        0,
    )
    assert [r.version for r in results_of(placed, "placement", "version", "day")] == [
        "fusion@1",
        None,
    ]


def test_a_sampled_list_counts_for_those_it_stands_for(placed):
    placed.served_("r1", weight=4)
    placed.served_("r2")
    placed.event_("click", cites="r1")
    placed.event_("purchase", cites="r1", value=2.0)
    (row,) = results_of(placed)
    assert (row.lists, row.clicked, row.clicks, row.purchases, row.revenue, row.click_rate) == (
        5,
        4,
        4,
        4,
        8,
        0.8,
    )


def test_coverage_counts_different_products(placed):
    placed.served_("r1", "p0 p1")
    placed.served_("r2", "p1 p2")
    placed.served_("r3", "p1", placement="basket")
    assert coverage(placed, placed.today - timedelta(days=27), placed.today) == {
        ("basket", None, None, None): 1,
        ("home_top", None, None, None): 3,
    }
    by_day = coverage(placed, placed.today - timedelta(days=27), placed.today, ("day",))
    assert by_day == {(None, None, placed.today - timedelta(days=5), None): 3}


def test_loyalty_compares_buyers_from_lists_with_all(placed):
    placed.served_("r1", day=60)
    placed.event_("purchase", cites="r1", day=60)
    placed.event_("purchase", "p2", day=60, hours=3)
    placed.event_("purchase", "p2", day=45)
    placed.event_("purchase", "p1", day=60, who="bob")
    placed.event_("purchase", "p1", day=10, who="bob")
    result = loyalty(placed, placed.today - timedelta(days=90), placed.today)
    assert [(f.anywhere, f.placement, f.days, f.buyers, f.again) for f in result] == [
        (True, None, 30, 2, 1),
        (False, "home_top", 30, 1, 1),
    ]


def test_shoppers_return_who_do_anything_on_another_visit(placed):
    placed.served_("r1", day=100)
    placed.served_("r2", day=100, who="bob")
    placed.served_("r3", day=40, who="bob")
    placed.served_("r4", day=100, who=None, session_id="s-1")
    placed.event_("view", day=100, hours=3)
    placed.event_("view", day=40, hours=1, who="bob")
    placed.event_("cart", day=39, hours=1, who="bob")
    result = loyalty(placed, placed.today - timedelta(days=120), placed.today)
    assert [(f.days, f.shoppers, f.returned) for f in result if not f.anywhere] == [
        (30, 2, 0),
        (90, 2, 1),
    ]
    assert [(f.days, f.shoppers, f.returned) for f in result if f.anywhere] == [
        (30, 2, 1),
        (90, 1, 0),
    ]


def test_loyalty_is_told_by_version_and_day(placed, register):
    version = register(placed)
    placed.served_("r1", day=60, version=version)
    placed.served_("r2", day=50, version=version, placement="basket")
    placed.served_("r3", day=50, who="bob")
    placed.event_("purchase", cites="r1", day=60)
    placed.event_("purchase", "p1", cites="r2", day=50)

    def results_by(*by):
        result = loyalty(placed, placed.today - timedelta(days=80), placed.today, by)
        return [
            (f.placement, f.version, f.day, f.buyers, f.again, f.shoppers, f.returned)
            for f in result
            if f.days == 30 and not f.anywhere
        ]

    first, second = placed.today - timedelta(days=60), placed.today - timedelta(days=50)
    assert results_by("version") == [
        (None, None, None, 0, 0, 1, 0),
        (None, "fusion@1", None, 1, 1, 1, 1),
    ]
    assert results_by("day") == [(None, None, first, 1, 1, 1, 1), (None, None, second, 1, 0, 2, 0)]
    assert results_by("placement", "version", "day") == [
        ("basket", "fusion@1", second, 1, 0, 1, 0),
        ("home_top", None, second, 0, 0, 1, 0),
        ("home_top", "fusion@1", first, 1, 1, 1, 1),
    ]


def test_another_shop_sees_nothing(placed, register):
    from recommender.models import Shop

    placed.served_("r1")
    assert results_of(placed) and not attributed_results(
        Shop.objects.create(key="other", name="Other"),
        placed.today - timedelta(days=27),
        placed.today,
    )


def test_the_api_tells_all_of_it(placed, api):
    placed.served_("r1", day=60)
    placed.event_("purchase", cites="r1", day=60, value=9.0)
    body = api("get", f"analytics?from={placed.today - timedelta(days=90)}&by=placement").json()
    assert (
        body["rows"][0]["revenue"] == 9
        and body["rows"][0]["day"] is None
        and body["products_shown"] == {"home_top": 2}
    )
    assert body["products_showable"] == 4 and body["rows"][0]["products_shown"] == 2
    loyal = {
        "placement": "home_top",
        "model_version": None,
        "day": None,
        "experiment": None,
        "anywhere": False,
        "days": 30,
    }
    assert loyal | {"buyers": 1, "again": 0, "shoppers": 1, "returned": 0} in body["loyalty"]
    assert api("get", "analytics").json()["rows"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("by=shopper", "by"),
        ("by=", "by"),
        ("from=soon", "from"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("from=2000-01-01", "from"),
        ("x=1", "x"),
    ],
)
def test_a_wrong_question_names_the_field(shop, api, query, field):
    reply = api("get", f"analytics?{query}")
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == field
