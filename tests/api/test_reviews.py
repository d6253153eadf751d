"""Reviews and opinions by REST: idempotent writes, aggregates with evidence, analysis, export."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import ApiKey, Erasure, OpinionLabel
from recommender.models.opinions import Polarity
from recommender.reviews import judging
from recommender.shoppers.keyed_cache import digest_of
from tests.api.request_bodies import field_of

MIXED = "Great quality, late delivery"


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


def send(api, *reviews, query=""):
    return api("post", f"reviews{query}", {"reviews": list(reviews)})


def test_reviews_are_stored_once_and_queued_for_judging(shop, api, queue):
    review = {"review_id": "a", "text": "write to jane@mail.example", "channel": "survey"}
    body = send(api, review, {"review_id": "b", "text": MIXED}).json()
    assert (body["new"], body["changed"], body["same"], body["rejected"]) == (2, 0, 0, 0)
    assert queue == [("judge_reviews", shop.pk)]
    assert send(api, review).json()["same"] == 1 and len(queue) == 1
    changed = send(api, {"review_id": "b", "text": MIXED, "rating": 2}).json()
    assert changed["changed"] == 1
    stored = shop.reviews.get(review_id="a")
    assert (stored.text, stored.channel) == ("write to [mail]", "survey")
    assert shop.reviews.get(review_id="b").channel == "review"


def test_fields_that_a_review_does_not_name_stay(shop, api):
    send(api, {"review_id": "a", "text": "fine", "item_id": "x", "rating": 4})
    send(api, {"review_id": "a", "text": "fine", "rating": 5})
    stored = shop.reviews.get()
    assert (stored.item_id, stored.rating) == ("x", 5)


@pytest.mark.parametrize(
    "row, field, message",
    [
        ("text", "review", "must be an object"),
        ({"review_id": "a"}, "text", "is required"),
        ({"review_id": "a", "text": "  "}, "text", "is required"),
        ({"text": "fine"}, "review_id", "is required"),
        ({"review_id": 5, "text": "fine"}, "review_id", "must be text"),
        ({"review_id": "a", "text": 5}, "text", "must be text"),
        ({"review_id": "a", "text": "fine", "stars": 5}, "stars", "is not a field of a review"),
        ({"review_id": "a", "text": "fine", "rating": "5"}, "rating", "must be a number"),
        ({"review_id": "a", "text": "fine", "rating": -1}, "rating", "must be between 0 and 100"),
        ({"review_id": "a", "text": "a\x00b"}, "text", "must not hold a NUL character"),
        ({"review_id": "a", "text": "x" * 200_001}, "text", "is longer than 200000 characters"),
        ({"review_id": "a", "text": "x", "channel": "c" * 41}, "channel", "is longer than 40"),
        ({"review_id": "a", "text": "x", "created_at": "2026-01-01"}, "created_at", "time zone"),
    ],
)
def test_a_wrong_review_is_named_and_the_others_are_stored(shop, api, row, field, message):
    body = send(api, row, {"review_id": "good", "text": "fine"}).json()
    error = body["results"][0]["error"]
    assert error["field"] == field and message in error["message"], error
    assert body["results"][1] == {"review_id": "good", "status": "accepted"}
    assert (body["new"], body["rejected"]) == (1, 1) and shop.reviews.count() == 1


def test_batches_have_limits_and_a_dry_run_stores_nothing(shop, api):
    rows = [{"review_id": str(i), "text": "fine"} for i in range(501)]
    assert field_of(send(api, *rows)) == "reviews"
    assert field_of(api("post", "reviews", {"reviews": []})) == "reviews"
    assert send(api, *rows[:500], query="?dry_run=true").json()["new"] == 500
    assert not shop.reviews.exists()


def test_reviews_of_an_erased_shopper_from_before_are_refused(shop, api):
    Erasure.objects.create(shop=shop, receipt_id="x", digest=digest_of(shop.pk, "ann"), counts={})
    after = (timezone.now() + timedelta(hours=1)).isoformat()
    before = (timezone.now() - timedelta(hours=1)).isoformat()
    row = {"text": "fine", "user_id": "ann"}
    body = send(
        api,
        {**row, "review_id": "a", "created_at": before},
        {**row, "review_id": "b"},
        {**row, "review_id": "c", "created_at": after},
    ).json()
    assert [r["status"] for r in body["results"]] == ["rejected", "rejected", "accepted"]
    assert body["results"][0]["error"]["field"] == "user_id"


def test_opinions_are_counted_with_evidence(judging_shop, api):
    send(
        api,
        {"review_id": "a", "text": MIXED, "item_id": "lamp"},
        {"review_id": "b", "text": "Terrible quality. 质量", "item_id": "vase"},
    )
    assert api("get", "opinions").json()["pending"] == 2
    judging.judge_pending(judging_shop)
    body = api("get", "opinions").json()
    assert (body["count"], body["not_judged"], body["pending"]) == (3, 1, 0)
    assert [topic["topic"] for topic in body["topics"]] == ["quality", "delivery"]
    negative, _, positive = body["topics"][0]["polarities"]
    assert (negative["count"], negative["share"]) == (1, 0.5)
    assert negative["share_interval"][0] < 0.5 < negative["share_interval"][1]
    (quote,) = positive["evidence"]
    assert (quote["text"], quote["review_id"], quote["item_id"]) == ("Great quality", "a", "lamp")
    today = body["days"][-1]
    assert (today["negative"], today["positive"], today["not_judged"]) == (2, 1, 1)
    assert len(body["days"]) == 28
    one = api("get", "opinions?item_id=vase&evidence=0").json()
    assert [t["topic"] for t in one["topics"]] == ["quality"] and one["count"] == 1
    assert one["topics"][0]["polarities"][0]["evidence"] == []
    assert api("get", "opinions?topic=delivery").json()["count"] == 1
    assert api("get", "opinions?from=2026-01-01&to=2026-01-31").json()["count"] == 0


@pytest.mark.parametrize(
    "query, field",
    [
        ("item_id=a&brand=b", "brand"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("from=2020-02-01&to=2026-01-01", "from"),
        ("evidence=99", "evidence"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_selection_is_named(shop, api, query, field):
    assert field_of(api("get", f"opinions?{query}")) == field


def test_a_review_shows_its_opinions_and_is_deleted_with_them(judging_shop, api):
    send(api, {"review_id": "a/1", "text": MIXED})
    judging.judge_pending(judging_shop)
    review = api("get", "reviews/a/1").json()
    assert review["judged"] and review["language"] == "en" and review["copy"] is None
    assert [(c["text"], c["topic"], c["polarity"]) for c in review["opinions"]] == [
        ("Great quality", "quality", "positive"),
        ("late delivery", "delivery", "negative"),
    ]
    assert api("get", "reviews").json()["items"] == [review]
    assert api("delete", "reviews/a/1").status_code == 204
    assert api("get", "reviews/a/1").status_code == 404
    assert api("delete", "reviews/a/1").status_code == 404
    assert api("get", "opinions").json()["count"] == 0


def test_the_export_pages_through_all_clauses(judging_shop, api):
    row = {"text": MIXED, "channel": "survey"}
    send(api, *({**row, "review_id": str(i), "user_id": str(i)} for i in range(3)))
    send(api, {"review_id": "other", "text": "Terrible quality"})
    judging.judge_pending(judging_shop)
    page = api("get", "opinions/clauses?channel=survey&limit=4").json()
    rest = api("get", f"opinions/clauses?channel=survey&limit=4&cursor={page['next_cursor']}")
    rows = page["items"] + rest.json()["items"]
    assert len(rows) == len({row["opinion_id"] for row in rows}) == 6
    assert {row["channel"] for row in rows} == {"survey"}
    negative = api("get", "opinions/clauses?polarity=negative&topic=quality").json()["items"]
    assert [(row["review_id"], row["text"]) for row in negative] == [("other", "Terrible quality")]


def test_texts_are_analyzed_and_not_stored(judging_shop, api):
    OpinionLabel.objects.create(
        shop=judging_shop, text="late delivery", topic="service", polarity=Polarity.NEUTRAL
    )
    texts = [MIXED, "", "👍", "<script>alert(1)</script>", "质量很好"]
    body = api("post", "opinions:analyze", {"texts": texts}).json()
    assert body["model_version"] == judging_shop.champion("opinion").label
    mixed, *others, chinese = body["results"]
    assert mixed["language"] == "en"
    assert [(o["text"], o["topic"], o["polarity"]) for o in mixed["opinions"]] == [
        ("Great quality", "quality", "positive"),
        ("late delivery", "service", "neutral"),
    ]
    assert others[0]["opinions"] == others[1]["opinions"] == []
    (clause,) = chinese["opinions"]
    assert chinese["language"] == "zh"
    assert (clause["polarity"], clause["why_not"]) == ("not_judged", "language")
    assert not judging_shop.reviews.exists() and not judging_shop.opinions.exists()


def test_what_cannot_be_analyzed_says_why(shop, api):
    assert api("post", "opinions:analyze", {"texts": ["fine"]}).status_code == 409
    for texts in ([], ["x"] * 101, ["x" * 20_001], "fine", [5]):
        reply = api("post", "opinions:analyze", {"texts": texts})
        assert field_of(reply).startswith("texts"), texts


def test_scopes_of_reviews(shop, api):
    _, reader = ApiKey.objects.issue(shop, "reader", ["reviews:read"])
    assert api("get", "opinions", key=reader).status_code == 200
    assert api("get", "reviews", key=reader).status_code == 200
    body = {"reviews": [{"review_id": "a", "text": "fine"}]}
    assert api("post", "reviews", body, key=reader).status_code == 403
    _, writer = ApiKey.objects.issue(shop, "writer", ["reviews:write"])
    assert api("post", "reviews", body, key=writer).status_code == 200
    assert api("get", "opinions", key=writer).status_code == 403
