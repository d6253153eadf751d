"""Buy again, by content, new arrivals, diversity."""

import pytest
from django.utils import timezone

from recommender.models import Event, Placement, Product, Shopper
from recommender.recommendations import batch_scoring
from recommender.serving import shop_state
from tests.recommendations.list_calls import recommend


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    "fields", [{}, {"user_id": "nobody"}, {"key": "product_page", "item_ids": ("LA/1",)}]
)
def test_a_diverse_list_holds_products_less_like_each_other(live_shop, stored, fields):
    if stored:
        batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    fields = {"user_id": "shopper-003", **fields}
    placement = Placement.objects.get(shop=live_shop, key=fields.pop("key", "home_top"))
    model = shop_state.state_of(live_shop).model()

    def likeness(**more):
        result = [
            i.item_id
            for i in recommend(
                live_shop, placement, session_id=None, limit=6, **fields, **more
            ).items
        ]
        return result, model.recommender.likeness([model.rows[i] for i in result]).sum()

    plain, alike = likeness()
    mixed, less_alike = likeness(diversity=0.9)
    assert likeness(diversity=0.0)[0] == plain and mixed[0] == plain[0] and less_alike < alike
    placement.diversity = 0.9
    assert likeness()[0] == mixed and likeness(diversity=0.0)[0] == plain


@pytest.fixture
def at(live_shop):
    """at(kind) is a placement of that kind."""
    return lambda kind: Placement.objects.create(shop=live_shop, key=kind, name=kind, kind=kind)


def test_buy_again_holds_what_was_bought_the_most_habitual_first(live_shop, at):
    bought = list(
        Event.objects.filter(shopper__user_id="shopper-003").values_list(
            "product__item_id", flat=True
        )
    )
    often = sorted(set(bought), key=lambda i: -bought.count(i))
    result = recommend(live_shop, at("again"), "shopper-003", None, 4)
    assert (
        {i.item_id for i in result.items} <= set(bought)
        and result.items[0].item_id in often[:3]
        and result.fallback is None
    )
    assert result.items[0].reasons == [
        {"kind": "again", "share": 1.0, "text": "You have bought this before"}
    ]
    other = recommend(
        live_shop, Placement.objects.get(key="again"), "shopper-003", None, 4, item_ids=("GA/9",)
    )
    assert [i.item_id for i in other.items] == [i.item_id for i in result.items]
    assert recommend(live_shop, at("trending"), "nobody", None, 4).fallback is None


@pytest.mark.parametrize("who", [("nobody", None), (None, None)])
def test_a_stranger_has_nothing_to_buy_again_and_is_told_so(live_shop, at, who):
    result = recommend(live_shop, at("again"), *who, 4)
    assert (len(result.items), result.fallback) == (4, "popular")


def test_content_follows_the_text_alone(live_shop, at):
    placement, model = at("content"), shop_state.state_of(live_shop).model()
    result = recommend(live_shop, placement, None, None, 6, item_ids=("GA/1",))
    order = [i.item_id for i in result.items]
    vectors = model.recommender.signals.vectors
    cosine = vectors @ vectors[model.rows["GA/1"]]
    nearest = sorted((i for i in model.rows if i != "GA/1"), key=lambda i: -cosine[model.rows[i]])
    assert order == nearest[: len(order)] and "GA/1" not in order and result.fallback is None
    assert all(
        i.reasons[0]["item_id"] == "GA/1" and i.reasons[0]["kind"] == "text" for i in result.items
    )
    personal = recommend(live_shop, placement, "shopper-003", None, 6)
    assert personal.fallback is None and {i.source[0] for i in personal.items} == {"text"}


def test_new_arrivals_are_the_latest_products_that_may_be_shown(live_shop, at):
    placement, now = at("new"), timezone.now()
    Product.objects.filter(shop=live_shop).update(created_at=now - timezone.timedelta(days=90))
    for i in range(3):
        when = now - timezone.timedelta(hours=i)
        Product.objects.create(
            shop=live_shop,
            item_id=f"n{i}",
            title=f"N{i}",
            available_from=when,
            hidden=i == 1,
            price=i + 1,
        )
    result = recommend(live_shop, placement, "shopper-003", None, 2)
    assert (
        [i.item_id for i in result.items] == ["n0", "n2"]
        and result.items[0].reasons[0]["text"] == "New in the shop"
        and result.fallback is None
    )
    assert [
        i.item_id for i in recommend(live_shop, placement, None, None, 1, text="price > 2").items
    ] != ["n0"]


def test_without_consent_nothing_is_bought_again(live_shop, at):
    Shopper.objects.filter(user_id="shopper-003").update(consent_personalisation=False)
    result = recommend(live_shop, at("again"), "shopper-003", None, 4)
    assert result.fallback == "no_consent" and result.shopper_id is None
