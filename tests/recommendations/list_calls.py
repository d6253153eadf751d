"""Calls shared by the tests of lists."""

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
