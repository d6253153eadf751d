"""What each type of event means, with one meaning everywhere: dislikes, ratings, returns, what
is taken out of the basket.
"""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from recommender.inference.history import History, HistoryEvent, settled
from recommender.models import Event, Product, RecommendationList
from recommender.recommendations import batch_scoring
from recommender.recommendations.targeting import audience
from recommender.shoppers.history import Visitor
from training.data.interactions import _taken_back, settle
from training.data.snapshot import EVENT_TYPES, TYPE_CODE, Events

WHO = "shopper-003"


@pytest.mark.parametrize(
    ("kinds", "counts", "disliked"),
    [
        (["view", "purchase"], [1, 1], False),
        (["purchase", "return"], [0, 0], False),
        (["view", "purchase", "purchase", "return"], [1, 1, 1, 0], False),
        (["purchase", "return", "view", "purchase"], [0, 0, 1, 1], False),
        (["return", "purchase"], [0, 1], False),
        (["add_to_cart", "remove_from_cart"], [0, 0], False),
        (["view", "add_to_cart", "remove_from_cart", "add_to_cart"], [1, 0, 0, 1], False),
        (["remove_from_cart"], [0], False),
        (["purchase", "view", "dislike"], [0, 0, 0], True),
        (["dislike", "view", "add_to_cart"], [0, 0, 0], True),
        (["purchase", "dislike", "view", "purchase", "view"], [0, 0, 0, 1, 1], False),
        (["dislike", "rating"], [0, 1], False),
        (["dislike", "purchase", "return"], [0, 0, 0], False),
    ],
)
def test_what_counts_in_the_end(kinds, counts, disliked):
    assert settle(kinds, [1.0] * len(kinds)) == ([bool(n) for n in counts], disliked)


def test_pieces_are_counted():
    assert settle(["purchase", "return"], [3.0, 2.0]) == ([True, False], False)
    assert settle(["purchase", "return", "return"], [3.0, 2.0, 1.0]) == ([False] * 3, False)
    assert settle(["return", "purchase", "return"], [5.0, 3.0, 1.0]) == (
        [False, True, False],
        False,
    )


def test_snapshots_and_served_histories_say_the_same():
    """Random events of some shoppers and sessions: training's arrays against the history of
    each by itself.
    """
    rng, n = np.random.default_rng(5), 3000
    user, session = rng.integers(-1, 8, n).astype(np.int32), rng.integers(-1, 5, n).astype(np.int64)
    events = Events(
        user=user,
        item=rng.integers(-1, 5, n).astype(np.int32),
        type=rng.integers(0, len(EVENT_TYPES), n).astype(np.int8),
        time=np.arange(n, dtype=np.int64),
        quantity=rng.integers(1, 4, n).astype(np.float32),
        session=session,
    )
    undone = _taken_back(events)
    start = timezone.now()
    for shopper in range(8):
        rows = np.flatnonzero((user == shopper) & (events.item >= 0))
        lines = [
            HistoryEvent(
                str(events.item[r]),
                EVENT_TYPES[events.type[r]],
                start + timedelta(seconds=int(r)),
                float(events.quantity[r]),
                None,
            )
            for r in rows
        ]
        assert len(settled(History.of(lines))) == int((~undone[rows]).sum()) > 5
    undoing = np.isin(
        events.type, [TYPE_CODE[name] for name in ("return", "dislike", "remove_from_cart")]
    ) & (events.item >= 0)
    assert undone[undoing & (user >= 0)].all() and not undone[events.item < 0].any()


def send(api, item_id: str, kind: str, user: str = WHO, **fields):
    when = timezone.now().isoformat()
    event = {
        "event_id": f"{kind}-{Event.objects.count()}",
        "type": kind,
        "user_id": user,
        "item_id": item_id,
        "occurred_at": when,
        **fields,
    }
    reply = api("post", "events", {"events": [event]})
    assert reply.json()["accepted"] == 1, reply.content


def ids(reply) -> list[str]:
    assert reply.status_code == 200, reply.content
    return [item["item_id"] for item in reply.json()["items"]]


def listed(api, placement: str = "home_top", user: str = WHO, limit: int = 10, **more) -> list[str]:
    return ids(
        api(
            "post",
            "recommendations",
            {"placement": placement, "user_id": user, "limit": limit, **more},
        )
    )


@pytest.fixture
def shop(live_shop):
    live_shop.placements.create_usual(live_shop)
    return live_shop


@pytest.mark.parametrize(
    "kind, more", [("dislike", {}), ("rating", {"rating": 1}), ("review", {"rating": 2})]
)
def test_what_is_disliked_is_gone_from_all_lists_until_it_is_bought(shop, api, kind, more):
    untouched = listed(api, "discover")[0]
    touched = listed(api, "buy_again", limit=3)[0]
    for item_id in (untouched, touched):
        send(api, item_id, kind, **more)
        for placement in ("home_top", "discover", "trending", "new_in", "buy_again"):
            assert item_id not in listed(api, placement, limit=40), placement
        assert item_id not in listed(
            api,
            "product_page",
            limit=40,
            context={"item_ids": ["LA/1" if item_id != "LA/1" else "LA/2"]},
        )
        assert item_id not in ids(
            api(
                "post",
                "recommendations",
                {"placement": "home_top", "user_id": WHO, "session_id": "s", "limit": 40},
            )
        )
        batch = api(
            "post",
            "recommendations:batch",
            {"placement": "home_top", "user_ids": [WHO], "limit": 40},
        ).json()
        assert item_id not in [item["item_id"] for item in batch["lists"][0]["items"]]
        rows = api("post", "recommendations:rows", {"user_id": WHO, "rows": 5}).json()["rows"]
        assert item_id not in [row["led_by"]["item_id"] for row in rows]
        assert (
            ids(api("post", "rerank", {"item_ids": [item_id, "GA/1", "GA/2"], "user_id": WHO}))[-1]
            == item_id
        )
        assert WHO not in [wanting.user_id for wanting in audience.audience_of(shop, item_id, 1000)]
        send(api, item_id, "view")
        assert item_id not in listed(api, limit=40), "a look alone does not take a dislike back"
        send(api, item_id, "purchase")
        assert item_id in listed(api, "buy_again", limit=40)


def test_stored_lists_leave_out_what_is_disliked(shop, api):
    first = listed(api)[0]
    send(api, first, "dislike")
    batch_scoring.score_shard(shop.champion(), 0, 10**9)
    assert first not in RecommendationList.objects.get(shopper__user_id=WHO).item_ids
    assert first not in listed(api, limit=20)


def test_a_rating_is_no_purchase(shop, api):
    new = listed(api, "discover")[0]
    send(api, new, "rating", rating=5)
    assert new not in listed(api, "buy_again", limit=5)[:1]
    history = Visitor.of(shop, WHO, None).history()
    assert new not in history.bought() and new in history.item_ids
    reply = api(
        "post", "recommendations", {"placement": "home_top", "user_id": WHO, "limit": 40}
    ).json()
    for item in reply["items"]:
        if item["item_id"] == new:
            assert "You have bought this before" not in [
                reason["text"] for reason in item["reasons"]
            ]


def test_after_a_full_return_it_counts_as_not_bought(shop, api):
    new = listed(api, "discover")[0]
    send(api, new, "purchase", quantity=2, user="fresh")
    assert new not in listed(api, "discover", user="fresh", limit=40) and new in listed(
        api, "buy_again", user="fresh", limit=40
    )
    send(api, new, "return", quantity=1, user="fresh")
    assert new not in listed(api, "discover", user="fresh", limit=40)
    send(api, new, "return", quantity=1, user="fresh")
    assert new in listed(api, "discover", user="fresh", limit=40)
    assert new not in [
        row["led_by"]["item_id"]
        for row in api("post", "recommendations:rows", {"user_id": "fresh"}).json()["rows"]
    ]


def test_what_leaves_the_basket_leads_no_row_and_the_basket_is_known(shop, api):
    send(api, "LA/1", "add_to_cart", user="fresh")
    send(api, "LA/2", "add_to_cart", user="fresh")
    with_both = listed(api, "basket", user="fresh", limit=6)
    asked_for = ids(
        api(
            "post",
            "recommendations",
            {"placement": "basket", "context": {"item_ids": ["LA/1", "LA/2"]}, "limit": 6},
        )
    )
    assert with_both == asked_for and not {"LA/1", "LA/2"} & set(with_both)
    send(api, "LA/1", "remove_from_cart", user="fresh")
    assert Visitor.of(shop, "fresh", None).history().basket() == ("LA/2",)
    assert "LA/1" not in [
        row["led_by"]["item_id"]
        for row in api("post", "recommendations:rows", {"user_id": "fresh"}).json()["rows"]
    ]
    send(api, "LA/2", "purchase", user="fresh")
    assert Visitor.of(shop, "fresh", None).history().basket() == ()
    assert (
        api("post", "recommendations", {"placement": "basket", "user_id": "fresh"}).status_code
        == 400
    ), "nothing lies in it"
    assert api("post", "recommendations", {"placement": "basket"}).status_code == 400


def test_a_hidden_product_leads_no_row(shop, api):
    leaders = [
        row["led_by"]["item_id"]
        for row in api("post", "recommendations:rows", {"user_id": WHO}).json()["rows"]
    ]
    Product.objects.filter(item_id=leaders[0]).update(hidden=True)
    assert leaders[0] not in [
        row["led_by"]["item_id"]
        for row in api("post", "recommendations:rows", {"user_id": WHO}).json()["rows"]
    ]


def test_words_about_buying_are_true(shop, api):
    bought = Visitor.of(shop, WHO, None).history().bought()
    everything = list(Product.objects.filter(shop=shop).values_list("item_id", flat=True))[:40]
    seen = set()
    for path, body in (
        ("rerank", {"item_ids": everything}),
        ("recommendations", {"placement": "home_top", "limit": 40}),
    ):
        for item in api("post", path, {**body, "user_id": WHO}).json()["items"]:
            for reason in item["reasons"]:
                if reason["text"] == "You have bought this before":
                    assert item["item_id"] in bought
                if reason["text"] == "You have not bought this before":
                    assert item["item_id"] not in bought
                seen.add(reason["text"])
    assert {"You have bought this before", "You have not bought this before"} <= seen


def test_lists_of_a_page_go_on_without_a_product_of_the_others(shop, api):
    page = {
        "user_id": WHO,
        "placements": [
            {"placement": "home_top", "limit": 4},
            {"placement": "trending", "limit": 4},
            {"placement": "new_in", "limit": 4},
        ],
    }
    lists = api("post", "recommendations:page", page).json()["lists"]
    shown = {item["item_id"] for one in lists for item in one["items"]}
    assert len(shown) == 12
    for one in lists:
        token = one["next"]
        while token:
            more = api("post", "recommendations", {"next": token}).json()
            assert not shown & {item["item_id"] for item in more["items"]}
            token = more["next"]


def test_lists_of_products_and_for_everybody_are_kept_with_their_shopper(shop, api):
    from recommender.models import ServedList
    from recommender.serving.exposure_log import exposure_buffer

    for placement, more in (
        ("product_page", {"context": {"item_ids": ["LA/1"]}}),
        ("trending", {}),
        ("new_in", {}),
        ("basket", {"context": {"item_ids": ["LA/1"]}}),
    ):
        listed(api, placement, **more)
    api("post", "recommendations:rows", {"user_id": WHO})
    exposure_buffer.flush()
    assert ServedList.objects.count() > 4 and set(
        ServedList.objects.values_list("shopper__user_id", flat=True)
    ) == {WHO}
