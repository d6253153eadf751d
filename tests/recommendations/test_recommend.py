import time

import pytest
from django.utils import timezone

from recommender.inference import checkpoint_files, verification
from recommender.models import Change, Event, Placement, Product, RecommendationList, Shopper
from recommender.recommendations import batch_scoring
from recommender.recommendations.candidate_lists import lists_for
from recommender.serving import champions, change_feed, shop_state
from recommender.shoppers.history import histories_of, history_of
from tests.recommendations.list_calls import look_again, recommend


def test_batch_and_live_make_equal_lists(live_shop):
    state, now = shop_state.state_of(live_shop), timezone.now()
    model = state.model()
    shoppers = list(Shopper.objects.of(live_shop).order_by("pk"))
    batch = histories_of([s.pk for s in shoppers])
    lists = lists_for(model, state.mask(model), [batch.get(s.pk, []) for s in shoppers], now, 10)
    assert sum(map(len, lists)) > 500
    for shopper, together in zip(shoppers, lists, strict=True):
        assert lists_for(
            model, state.mask(model), [history_of(shopper, live_shop, None)], now, 10
        ) == [together]


def test_scoring_is_resumable_and_counted(live_shop):
    version = live_shop.champion()
    ids = list(batch_scoring.due(version).order_by("pk").values_list("pk", flat=True))
    assert batch_scoring.score_shard(version, ids[0], ids[29]) == 30
    assert batch_scoring.counts(version) == (30, 80)
    assert batch_scoring.score_shard(version, ids[0], ids[-1]) == 50
    assert batch_scoring.score_shard(version, ids[0], ids[-1]) == 0
    assert set(RecommendationList.objects.values_list("version", flat=True)) == {version.pk}


def test_a_shard_of_a_retired_version_makes_nothing(live_shop, register):
    old = live_shop.champion()
    register(live_shop).promote()
    old.refresh_from_db()
    assert batch_scoring.score_shard(old, 0, 10**9) == 0


def test_a_stored_list_serves_until_the_shopper_does_something(live_shop, home_top):
    shopper = live_shop.shoppers.get(user_id="shopper-003")
    batch_scoring.score_shard(live_shop.champion(), shopper.pk, shopper.pk)
    stored = recommend(live_shop, home_top, "shopper-003", None, 5)
    assert stored.stored and stored.items[0].reasons
    Shopper.objects.filter(pk=shopper.pk).update(revision=shopper.revision + 1)
    live = recommend(live_shop, home_top, "shopper-003", None, 5)
    assert not live.stored and [i.item_id for i in live.items] == [i.item_id for i in stored.items]


def test_a_stored_list_is_explained_once_as_of_its_making(live_shop, home_top):
    shopper = live_shop.shoppers.get(user_id="shopper-003")
    batch_scoring.score_shard(live_shop.champion(), shopper.pk, shopper.pk)
    row = RecommendationList.objects.get(shopper=shopper)
    assert all(item["contributions"] is None for item in row.items)
    first = recommend(live_shop, home_top, "shopper-003", None, 5, "full")
    assert first.stored and [i.score for i in first.items] == [
        values["score"] for values in row.items[:5]
    ]
    assert all(
        i.base + sum(i.contributions.values()) == pytest.approx(i.score, abs=1e-4)
        and sum(share for _, share in i.history) <= 1.001
        for i in first.items
    )
    row.refresh_from_db()
    assert [values["contributions"] is None for values in row.items[:10]] == [False] * 9 + [
        True
    ]  # four more than were asked for
    assert recommend(live_shop, home_top, "shopper-003", None, 5, "full").items == first.items


@pytest.mark.parametrize("stored", [False, True])
def test_a_placement_keeps_places_for_the_tail(live_shop, home_top, stored):
    if stored:
        batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    model = shop_state.state_of(live_shop).model()
    plain = [i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 10).items]
    home_top.tail_percent = 100
    fair = recommend(live_shop, home_top, "shopper-003", None, 10, "full")
    assert (
        len(fair.items) == 10
        and fair.stored == stored
        and not model.head & {i.item_id for i in fair.items}
    )
    assert all(
        i.base + sum(i.contributions.values()) == pytest.approx(i.score, abs=1e-4)
        for i in fair.items
    )
    own_ids = [i for i in plain if i not in model.head]
    assert [i.item_id for i in fair.items][: len(own_ids)] == own_ids
    home_top.tail_percent = 0
    assert [
        i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 10).items
    ] == plain


def test_a_hidden_product_is_gone_at_once_from_stored_and_live(live_shop, home_top):
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    first = recommend(live_shop, home_top, "shopper-003", None, 5).items[0].item_id
    Product.objects.filter(shop=live_shop, item_id=first).update(hidden=True)
    for user, session in (
        ("shopper-003", None),
        ("shopper-003", "fresh-session"),
        ("nobody", None),
    ):
        outcome = recommend(live_shop, home_top, user, session, 5)
        assert first not in [i.item_id for i in outcome.items] and len(outcome.items) == 5


def test_a_sold_out_product_comes_back_with_its_stock(live_shop, home_top, monkeypatch):
    look_again(monkeypatch)
    first = recommend(live_shop, home_top, "shopper-003", None, 5).items[0].item_id
    product = Product.objects.get(shop=live_shop, item_id=first)
    for state, present in (("out_of_stock", False), ("in_stock", True)):
        Product.objects.filter(pk=product.pk).update(stock_state=state)
        Change.objects.tell_products(live_shop, [first])
        assert (
            first
            in [i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 5).items]
        ) is present


def test_a_promotion_reaches_a_running_process_within_its_next_look(live_shop, home_top, register):
    assert recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 1
    register(live_shop).promote()
    deadline = time.monotonic() + 2
    while recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_change_that_commits_late_is_still_heard(live_shop):
    heard = []
    follower = change_feed.ChangeFeed(lambda change: heard.append(change.key))
    follower._read()
    early = Change.objects.create(shop=live_shop, kind="product", key="early")
    late = Change.objects.create(shop=live_shop, kind="product", key="late")
    Change.objects.filter(pk=early.pk).delete()
    follower._read()
    Change.objects.create(pk=early.pk, shop=live_shop, kind="product", key="early")
    follower._read()
    follower._read()
    assert heard == ["late", "early"] and late.pk > early.pk


def test_a_broken_champion_falls_back_to_the_one_before(live_shop, home_top, register, checkpoints):
    broken = register(live_shop).promote()
    (checkpoints / broken.folder / "ranker.txt").unlink()
    shop_state.clear()
    result = recommend(live_shop, home_top, "shopper-003", None, 3)
    assert result.version.number == 1 and result.fallback is None


def test_an_unreadable_checkpoint_is_named(checkpoints):
    with pytest.raises(checkpoint_files.BrokenCheckpoint, match=r"run\.json"):
        verification.verify("nowhere")


@pytest.mark.parametrize(
    ("user", "session", "kind"),
    [("nobody", None, "popular"), (None, None, "popular"), (None, "s-new", "popular")],
)
def test_somebody_unknown_gets_what_sells(live_shop, home_top, user, session, kind):
    result = recommend(live_shop, home_top, user, session, 5)
    assert (result.fallback, len(result.items)) == (kind, 5)


def test_a_session_gets_a_list_of_its_own_events(live_shop, home_top):
    product = Product.objects.get(shop=live_shop, item_id="GA/1")
    Event.objects.create(
        shop=live_shop,
        event_id="x",
        session_id="s-9",
        product=product,
        type="view",
        occurred_at=timezone.now(),
    )
    result = recommend(live_shop, home_top, None, "s-9", 6)
    assert (
        result.fallback == "session" and sum(i.item_id.startswith("GA/") for i in result.items) >= 3
    )


def test_without_a_model_the_bestsellers_serve(stocked, home_top):
    result = recommend(stocked, home_top, "shopper-003", None, 5)
    assert (result.fallback, result.version, len(result.items)) == ("popular", None, 5)


def test_an_empty_shop_gets_an_empty_list_that_says_so(shop, home_top):
    result = recommend(shop, home_top, "u", None, 5)
    assert (result.items, result.fallback) == ([], "empty_catalogue")


def test_products_without_events_are_shown_newest_first(shop, home_top):
    for i in range(3):
        Product.objects.create(shop=shop, item_id=f"p{i}", title=f"P{i}")
    assert len(recommend(shop, home_top, "u", None, 5).items) == 3


def test_without_consent_nothing_is_personal(live_shop, home_top):
    Shopper.objects.filter(user_id="shopper-003").update(consent_personalisation=False)
    assert recommend(live_shop, home_top, "shopper-003", None, 5).fallback == "no_consent"


def test_simulated_events_do_not_change_a_list(live_shop, home_top):
    shopper = live_shop.shoppers.get(user_id="shopper-003")
    before = history_of(shopper, live_shop, None)
    product = Product.objects.get(shop=live_shop, item_id="GA/1")
    Event.objects.create(
        shop=live_shop,
        event_id="x",
        shopper=shopper,
        product=product,
        type="view",
        occurred_at=timezone.now(),
        simulated=True,
    )
    assert history_of(shopper, live_shop, None) == before


def test_reasons_name_the_shoppers_own_product(live_shop, home_top):
    outcome = recommend(live_shop, home_top, "shopper-003", None, 6)
    own_ids = set(
        Event.objects.filter(shopper__user_id="shopper-003").values_list(
            "product__item_id", flat=True
        )
    )
    named = [r["item_id"] for i in outcome.items for r in i.reasons if "item_id" in r]
    assert named and set(named) <= own_ids
    assert all(r["text"] and 0 < r["share"] <= 1 for i in outcome.items for r in i.reasons)


def test_a_text_reason_names_the_nearest_text_and_the_words_that_matched(
    live_shop, home_top, tiny_encoder
):
    from training.encoders.bert import TextEncoder

    model = shop_state.state_of(live_shop).model()
    vars(model)["_encoder"] = TextEncoder.load(str(tiny_encoder), max_tokens=16)
    discover = Placement.objects.get(shop=live_shop, key="discover")
    outcome = recommend(live_shop, discover, "shopper-003", None, 20, "full")
    by_text = [
        (i, r) for i in outcome.items for r in i.reasons if r["kind"] == "text" and not r["against"]
    ]
    own_ids = [
        e.item_id
        for e in history_of(live_shop.shoppers.get(user_id="shopper-003"), live_shop, None)
    ]
    assert by_text and all(
        r["item_id"] == i.suits == model.closest([i.item_id], own_ids)[0] != i.item_id
        for i, r in by_text
    )
    titles = dict(live_shop.products.values_list("item_id", "title"))
    assert all(
        word in titles[i.item_id].lower() and 0 < share <= 1
        for i, _ in by_text
        for word, share in i.words
    ) and any(i.words for i, _ in by_text)
    assert not any(
        i.words for i in recommend(live_shop, discover, "shopper-003", None, 20, "top").items
    )
    assert model.closest([own_ids[0]], own_ids) == [None] and not any(
        i.suits
        for i in recommend(live_shop, home_top, "shopper-003", None, 20).items
        if i.item_id in own_ids
    )


def test_bestsellers_are_counted_by_purchase_anonymous_ones_included(shop, home_top):
    products = [Product.objects.create(shop=shop, item_id=f"p{i}", title=f"P{i}") for i in range(3)]
    for i, product in enumerate([products[2]] * 3 + [products[1]]):
        Event.objects.create(
            shop=shop,
            event_id=str(i),
            session_id="s",
            product=product,
            type="purchase",
            occurred_at=timezone.now(),
        )
    for i in range(9):
        Event.objects.create(
            shop=shop,
            event_id=f"v{i}",
            session_id="s",
            product=products[0],
            type="view",
            occurred_at=timezone.now(),
        )
    assert [i.item_id for i in recommend(shop, home_top, "u", None, 3).items] == ["p2", "p1", "p0"]


def test_no_pieces_left_means_gone(live_shop, home_top):
    first = recommend(live_shop, home_top, "shopper-003", None, 5).items[0].item_id
    Product.objects.filter(shop=live_shop, item_id=first).update(
        stock_state="in_stock", stock_quantity=0
    )
    assert first not in [
        i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 5).items
    ]


def test_new_to_you_is_never_filled_with_what_was_bought(live_shop):
    discover = Placement.objects.get(shop=live_shop, key="discover")
    bought = set(
        Event.objects.filter(shopper__user_id="shopper-003").values_list(
            "product__item_id", flat=True
        )
    )
    result = recommend(live_shop, discover, "shopper-003", None, 40)
    assert result.items and not bought & {i.item_id for i in result.items}


def test_a_long_list_is_explained_to_its_end(live_shop, home_top):
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    result = recommend(live_shop, home_top, "shopper-003", None, 30, "full")
    assert (
        result.fallback is None
        and len(result.items) == 30
        and all(i.contributions for i in result.items)
    )


def test_what_is_read_while_the_news_comes_is_not_kept(live_shop, monkeypatch):
    state = shop_state.ShopState(live_shop.pk)
    outcome = state.champion()
    state.invalidate(Change(kind=Change.CHAMPION))
    original = champions.ModelVersion.objects.filter

    def change_meanwhile(**fields):
        state.invalidate(Change(kind=Change.CHAMPION))
        return original(**fields)

    monkeypatch.setattr(champions.ModelVersion.objects, "filter", change_meanwhile)
    assert state.champion() == outcome and not state.champions.is_current


def test_a_withdrawn_placement_is_news(live_shop, home_top):
    home_top.withdraw()
    assert (
        Change.objects.filter(kind="placement", key="home_top").exists()
        and not Placement.objects.filter(key="home_top").exists()
    )
