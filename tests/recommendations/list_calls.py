"""Calls shared by the tests of lists."""

from recommender.infrastructure import process_caches
from recommender.models import Change, Product
from recommender.recommendations import recommend as recommending
from recommender.recommendations.requests import ListRequest
from recommender.serving import change_feed


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


def ids(reply):
    assert reply.status_code == 200, reply.content
    return [item["item_id"] for item in reply.json()["items"]]


def regroup(shop, **groups):
    for item_id, group in groups.items():
        item_id = item_id.replace("_", "/")
        Product.objects.filter(shop=shop, item_id=item_id).update(item_group_id=group)
    read_again(shop)


def read_again(shop):
    """What a process does once it knows of a change; others poll each second."""
    Change.objects.tell_products(shop, None)
    process_caches.clear_all()
