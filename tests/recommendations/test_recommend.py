import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from recommender.inference import checkpoint_files, model_cache
from recommender.infrastructure import process_memory
from recommender.models import Change, Event, Placement, Product, RecommendationList, Shopper
from recommender.recommendations import batch_scoring
from recommender.recommendations import recommend as recommending
from recommender.recommendations.candidate_lists import lists_for
from recommender.recommendations.requests import ListRequest
from recommender.serving import champions, change_feed, shop_state
from recommender.shoppers.history import histories_of, history_of


@pytest.fixture
def home_top(shop):
    return Placement.objects.get(shop=shop, key="home_top")


def recommend(
    shop,
    placement,
    user_id,
    session_id,
    limit,
    explain="top",
    text="",
    params=None,
    item_ids=(),
    diversity=None,
):
    return recommending.recommend(
        shop,
        ListRequest(
            placement, limit, user_id, session_id, item_ids, explain, text, params or {}, diversity
        ),
    )


def look_again(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


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
    mine = [i for i in plain if i not in model.head]
    assert [i.item_id for i in fair.items][: len(mine)] == mine
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
        found = recommend(live_shop, home_top, user, session, 5)
        assert first not in [i.item_id for i in found.items] and len(found.items) == 5


def test_a_sold_out_product_comes_back_with_its_stock(live_shop, home_top, monkeypatch):
    look_again(monkeypatch)
    first = recommend(live_shop, home_top, "shopper-003", None, 5).items[0].item_id
    product = Product.objects.get(shop=live_shop, item_id=first)
    for state, there in (("out_of_stock", False), ("in_stock", True)):
        Product.objects.filter(pk=product.pk).update(stock_state=state)
        Change.objects.tell_products(live_shop, [first])
        assert (
            first
            in [i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 5).items]
        ) is there


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
        model_cache.verify("nowhere")


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
    found = recommend(live_shop, home_top, "shopper-003", None, 6)
    mine = set(
        Event.objects.filter(shopper__user_id="shopper-003").values_list(
            "product__item_id", flat=True
        )
    )
    named = [r["item_id"] for i in found.items for r in i.reasons if "item_id" in r]
    assert named and set(named) <= mine
    assert all(r["text"] and 0 < r["share"] <= 1 for i in found.items for r in i.reasons)


def test_a_text_reason_names_the_nearest_text_and_the_words_that_matched(
    live_shop, home_top, tiny_encoder
):
    from training.encoders.bert import TextEncoder

    model = shop_state.state_of(live_shop).model()
    vars(model)["_encoder"] = TextEncoder.load(str(tiny_encoder), max_tokens=16)
    discover = Placement.objects.get(shop=live_shop, key="discover")
    found = recommend(live_shop, discover, "shopper-003", None, 20, "full")
    by_text = [
        (i, r) for i in found.items for r in i.reasons if r["kind"] == "text" and not r["against"]
    ]
    mine = [
        e.item_id
        for e in history_of(live_shop.shoppers.get(user_id="shopper-003"), live_shop, None)
    ]
    assert by_text and all(
        r["item_id"] == i.suits == model.closest([i.item_id], mine)[0] != i.item_id
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
    assert model.closest([mine[0]], mine) == [None] and not any(
        i.suits
        for i in recommend(live_shop, home_top, "shopper-003", None, 20).items
        if i.item_id in mine
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
    found = state.champion()
    state.invalidate(Change(kind=Change.CHAMPION))
    original = champions.ModelVersion.objects.filter

    def change_meanwhile(**fields):
        state.invalidate(Change(kind=Change.CHAMPION))
        return original(**fields)

    monkeypatch.setattr(champions.ModelVersion.objects, "filter", change_meanwhile)
    assert state.champion() == found and not state.champions.is_current


def test_a_withdrawn_placement_is_news(live_shop, home_top):
    home_top.withdraw()
    assert (
        Change.objects.filter(kind="placement", key="home_top").exists()
        and not Placement.objects.filter(key="home_top").exists()
    )


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("user", "session"), [("shopper-003", None), ("nobody", None), (None, "s-1")]
)
def test_nothing_that_a_filter_refuses_leaks_from_any_source(
    live_shop, home_top, stored, user, session
):
    if stored:
        batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    found = recommend(
        live_shop,
        home_top,
        user,
        session,
        10,
        text="price < :max and not title contains 'teapot'",
        params={"max": 6},
    )
    shown = Product.objects.filter(item_id__in=[i.item_id for i in found.items])
    assert len(found.items) == 10 and all(p.price < 6 and "teapot" not in p.title for p in shown)
    none = recommend(live_shop, home_top, user, session, 10, text="price > 1000")
    assert (none.items, none.fallback) == ([], "nothing_selected")


def test_a_filter_is_checked_against_the_database_of_this_moment(live_shop, home_top):
    first = (
        recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100").items[0].item_id
    )
    Product.objects.filter(item_id=first).update(price=200)
    found = recommend(live_shop, home_top, "shopper-003", None, 5, text="price < 100")
    assert first not in [i.item_id for i in found.items] and len(found.items) == 5


def test_a_narrow_filter_is_looked_for_among_all_products(live_shop, home_top):
    """Not only among the first of the unfiltered list."""
    everything = [i.item_id for i in recommend(live_shop, home_top, "shopper-003", None, 40).items]
    last = everything[-1]
    found = recommend(
        live_shop, home_top, "shopper-003", None, 3, text="item_id = :one", params={"one": last}
    )
    assert [i.item_id for i in found.items] == [last]


def test_a_placements_own_filter_holds_beside_the_requests(live_shop, home_top):
    home_top.filter, home_top.filter_values = "price < :max", {"max": 5}

    def prices(found):
        return {
            float(p)
            for p in Product.objects.filter(
                item_id__in=[i.item_id for i in found.items]
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
    found = recommend(live_shop, page, None, None, 6, text="price >= 4", item_ids=("LA/1",))
    shown = Product.objects.filter(item_id__in=[i.item_id for i in found.items])
    assert (
        found.items
        and all(p.price >= 4 for p in shown)
        and "LA/1" not in [i.item_id for i in found.items]
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
        found = [
            i.item_id
            for i in recommend(
                live_shop, placement, session_id=None, limit=6, **fields, **more
            ).items
        ]
        return found, model.recommender.likeness([model.rows[i] for i in found]).sum()

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
    found = recommend(live_shop, at("again"), "shopper-003", None, 4)
    assert (
        {i.item_id for i in found.items} <= set(bought)
        and found.items[0].item_id in often[:3]
        and found.fallback is None
    )
    assert found.items[0].reasons == [
        {"kind": "again", "share": 1.0, "text": "You have bought this before"}
    ]
    beside = recommend(
        live_shop, Placement.objects.get(key="again"), "shopper-003", None, 4, item_ids=("GA/9",)
    )
    assert [i.item_id for i in beside.items] == [i.item_id for i in found.items]
    assert recommend(live_shop, at("trending"), "nobody", None, 4).fallback is None


@pytest.mark.parametrize("who", [("nobody", None), (None, None)])
def test_a_stranger_has_nothing_to_buy_again_and_is_told_so(live_shop, at, who):
    found = recommend(live_shop, at("again"), *who, 4)
    assert (len(found.items), found.fallback) == (4, "popular")


def test_content_follows_the_text_alone(live_shop, at):
    placement, model = at("content"), shop_state.state_of(live_shop).model()
    found = recommend(live_shop, placement, None, None, 6, item_ids=("GA/1",))
    order = [i.item_id for i in found.items]
    vectors = model.recommender.signals.vectors
    cosine = vectors @ vectors[model.rows["GA/1"]]
    nearest = sorted((i for i in model.rows if i != "GA/1"), key=lambda i: -cosine[model.rows[i]])
    assert order == nearest[: len(order)] and "GA/1" not in order and found.fallback is None
    assert all(
        i.reasons[0]["item_id"] == "GA/1" and i.reasons[0]["kind"] == "text" for i in found.items
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
    found = recommend(live_shop, placement, "shopper-003", None, 2)
    assert (
        [i.item_id for i in found.items] == ["n0", "n2"]
        and found.items[0].reasons[0]["text"] == "New in the shop"
        and found.fallback is None
    )
    assert [
        i.item_id for i in recommend(live_shop, placement, None, None, 1, text="price > 2").items
    ] != ["n0"]


def test_without_consent_nothing_is_bought_again(live_shop, at):
    Shopper.objects.filter(user_id="shopper-003").update(consent_personalisation=False)
    found = recommend(live_shop, at("again"), "shopper-003", None, 4)
    assert found.fallback == "no_consent" and found.shopper_id is None


@pytest.mark.parametrize("named", [False, True])
def test_the_champion_before_leaves_memory_once_the_new_one_has_loaded(
    live_shop, home_top, register, named
):
    state, before = shop_state.state_of(live_shop), live_shop.champion()
    Placement.objects.filter(pk=home_top.pk).update(version=before if named else None)
    state.load()
    register(live_shop).promote()
    state.invalidate(Change(kind=Change.CHAMPION))
    assert before.folder in model_cache.models.loaded
    assert state.model() is not None and state.champion() != before
    assert (before.folder in model_cache.models.loaded) == named


def test_a_model_that_loads_keeps_nobody_from_another_one_and_is_loaded_once(monkeypatch):
    begun, go_on, loaded = threading.Event(), threading.Event(), []

    def load(folder):
        loaded.append(folder)
        if folder == "slow":
            begun.set()
            assert go_on.wait(10)
        return f"model of {folder}"

    monkeypatch.setattr(model_cache, "_load", load)
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(model_cache.model_of, "slow") for _ in range(2)]
        assert (
            begun.wait(10)
            and pool.submit(model_cache.model_of, "quick").result(10) == "model of quick"
        )
        go_on.set()
        assert [waiting.result(10) for waiting in slow] == ["model of slow"] * 2
    assert sorted(loaded) == ["quick", "slow"]


def test_what_stays_in_memory_is_passed_over_and_what_went_since_is_freed():
    class Kept:
        def __init__(self):
            self.itself = self

    kept = Kept()
    gone = weakref.ref(kept)
    try:
        process_memory.freeze_and_trim()
        assert gc.get_freeze_count() > 0
        del kept
        gc.collect()
        assert gone() is not None
        process_memory.freeze_and_trim()
        assert gone() is None
    finally:
        gc.unfreeze()


def test_a_replaced_champion_has_memory_settled_once_its_requests_are_over(
    live_shop, home_top, register, monkeypatch
):
    settled = threading.Event()
    monkeypatch.setattr(process_memory, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(process_memory, "freeze_and_trim", settled.set)
    look_again(monkeypatch)
    assert recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 1
    register(live_shop).promote()
    assert recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 2
    assert settled.wait(5)
