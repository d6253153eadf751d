"""Judging of pending reviews: opinions, their counts, labels, copies, and what goes wrong."""

from datetime import UTC, date, datetime

import pytest

from recommender.ingest import Parser, upsert_labelled
from recommender.models import Erasure, Opinion, OpinionCount, OpinionLabel, Product
from recommender.models.opinions import Polarity
from recommender.reviews import judging
from recommender.shoppers.keyed_cache import digest_of
from recommender.tasks import judge_every_shop
from tests.reviews.written import write

MIXED = "Great quality, late delivery"


def opinions(shop) -> list[tuple[str, str, str]]:
    """(clause, topic, polarity) of every opinion."""
    return [
        (one.review.whole[one.begin : one.end], one.topic, one.get_polarity_display())
        for one in shop.opinions.select_related("review").order_by("review_id", "begin", "topic")
    ]


def counts(shop, dimension: str, value: str = "") -> dict[tuple[str, int], int]:
    rows = shop.opinion_counts.filter(dimension=dimension, value=value, count__gt=0)
    return {(row.topic, row.polarity): row.count for row in rows}


def test_a_review_is_judged_clause_by_clause(judging_shop):
    write(judging_shop, MIXED)
    assert judging.judge_pending(judging_shop)
    assert opinions(judging_shop) == [
        ("Great quality", "quality", "positive"),
        ("late delivery", "delivery", "negative"),
    ]
    review = judging_shop.reviews.get()
    assert review.judged_by == judging_shop.champion("opinion") and review.language == "en"
    assert not judging_shop.reviews.pending().exists()


def test_the_title_is_judged_too(judging_shop):
    write(judging_shop, {"title": "Late delivery", "text": "Great quality"})
    judging.judge_pending(judging_shop)
    assert opinions(judging_shop) == [
        ("Late delivery", "delivery", "negative"),
        ("Great quality", "quality", "positive"),
    ]


def test_counts_follow_product_brand_categories_channel_and_day(judging_shop):
    Product.objects.create(
        shop=judging_shop, item_id="lamp", title="Lamp", brand="Alto", categories=["Home > Light"]
    )
    when = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    write(judging_shop, MIXED, item_id="lamp", channel="survey", created_at=when)
    judging.judge_pending(judging_shop)
    both = {("quality", Polarity.POSITIVE): 1, ("delivery", Polarity.NEGATIVE): 1}
    for place in (
        ("all",),
        ("item", "lamp"),
        ("brand", "Alto"),
        ("category", "Home"),
        ("category", "Home > Light"),
        ("channel", "survey"),
    ):
        assert counts(judging_shop, *place) == both, place
    days = set(OpinionCount.objects.values_list("day", flat=True))
    assert days == {date(2026, 3, 1)}


def test_the_day_is_that_of_the_shop(judging_shop):
    judging_shop.timezone = "Asia/Shanghai"
    judging_shop.save()
    write(judging_shop, MIXED, created_at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    judging.judge_pending(judging_shop)
    assert {one.day for one in judging_shop.opinions.all()} == {date(2026, 3, 2)}


def test_a_changed_review_is_judged_again_and_counted_once(judging_shop):
    write(judging_shop, MIXED)
    judging.judge_pending(judging_shop)
    write(judging_shop, "Great quality")
    judging.judge_pending(judging_shop)
    assert opinions(judging_shop) == [("Great quality", "quality", "positive")]
    assert counts(judging_shop, "all") == {("quality", Polarity.POSITIVE): 1}
    write(judging_shop, "Great quality")
    assert not judging_shop.reviews.pending().exists(), "the same review again changes nothing"


def test_counts_follow_deletions_and_corrections(judging_shop):
    first, _ = write(judging_shop, MIXED, "Terrible quality")
    judging.judge_pending(judging_shop)
    Opinion.objects.filter(topic="delivery").update(topic="service", polarity=Polarity.NEUTRAL)
    assert counts(judging_shop, "all") == {
        ("quality", Polarity.POSITIVE): 1,
        ("quality", Polarity.NEGATIVE): 1,
        ("service", Polarity.NEUTRAL): 1,
    }
    first.delete()
    assert counts(judging_shop, "all") == {("quality", Polarity.NEGATIVE): 1}
    judging_shop.versions.all().delete()
    judging_shop.runs.all().delete()
    judging_shop.delete()
    assert not OpinionCount.objects.exists()


def test_what_the_judge_cannot_read_is_not_judged_and_says_why(judging_shop):
    write(judging_shop, "质量很好", "👍", "!!!")
    judging.judge_pending(judging_shop)
    (one,) = judging_shop.opinions.all()
    assert (one.polarity, one.why_not, one.topic) == (Polarity.NOT_JUDGED, "language", "")
    assert not judging_shop.reviews.pending().exists()


def test_a_label_of_a_person_counts_in_place_of_the_judge(judging_shop):
    OpinionLabel.objects.create(
        shop=judging_shop, text="late delivery", topic="service", polarity=Polarity.NEUTRAL
    )
    write(judging_shop, MIXED)
    judging.judge_pending(judging_shop)
    assert opinions(judging_shop)[1] == ("late delivery", "service", "neutral")
    assert list(judging_shop.opinions.values_list("labeled", flat=True).order_by("begin")) == [
        False,
        True,
    ]


def test_without_a_judge_its_training_is_queued_once(shop):
    write(shop, MIXED)
    assert judging.judge_pending(shop) and judging.judge_pending(shop)
    run = shop.runs.get()
    assert (run.recipe, run.preset, run.promote) == ("opinion", "quick", "always")
    assert shop.reviews.pending().count() == 1, "the review waits for it"


@pytest.mark.parametrize("chinese, encoder", [(1, None), (3, "multilingual")])
def test_the_first_judge_reads_the_languages_of_the_reviews(shop, chinese, encoder):
    write(shop, *(f"{MIXED} {n}" for n in range(12)), *(f"质量很好{n}" for n in range(chinese)))
    judging.judge_pending(shop)
    assert shop.runs.get().overrides.get("text.encoder") == encoder


def test_without_reviews_no_judge_is_trained(shop):
    assert judging.judge_pending(shop) and not shop.runs.exists()


def test_a_broken_judge_leaves_reviews_pending(judging_shop, checkpoints):
    write(judging_shop, MIXED)
    (checkpoints / judging_shop.champion("opinion").folder / "head.json").write_text("{")
    judging.judge_pending(judging_shop)
    assert judging_shop.reviews.pending().count() == 1 and not judging_shop.opinions.exists()


def test_another_judge_makes_all_reviews_pending(judging_shop):
    write(judging_shop, MIXED, "Terrible quality")
    judging.judge_pending(judging_shop)
    assert judging.judge_again(judging_shop) == 2
    judging.judge_pending(judging_shop)
    assert counts(judging_shop, "all")[("quality", Polarity.POSITIVE)] == 1


def test_duplicates_of_an_author_are_stored_but_not_counted(judging_shop):
    long = "The quality of this lamp is great."
    write(
        judging_shop,
        {"text": long, "user_id": "ann"},
        {"text": long.upper(), "user_id": "ann", "item_id": "other"},
        {"text": long, "user_id": "ben"},
        {"text": long, "item_id": "lamp"},
        {"text": f"{long}!!", "item_id": "lamp"},
        {"text": "very good", "user_id": "ann", "item_id": "a"},
        {"text": "very good", "user_id": "ann", "item_id": "b"},
        {"text": "very good", "item_id": "a"},
        {"text": "very good", "item_id": "a"},
    )
    judging.judge_pending(judging_shop)
    copies = dict(judging_shop.reviews.exclude(copy="").values_list("review_id", "copy"))
    assert copies == {"r1": "duplicate", "r4": "duplicate"}
    assert judging_shop.opinions.values("review").distinct().count() == 7


@pytest.mark.parametrize(
    "text, user", [("The lamp broke after {i} days", "u{i}"), ("Text {i} {i}", "ann")]
)
def test_a_flood_is_counted_for_its_beginning_alone(judging_shop, text, user):
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    rows = [
        {"text": text.format(i=f"{chr(97 + i % 26)}" if user == "ann" else i), "created_at": at}
        | {"user_id": user.format(i=i), "item_id": f"p{i}"}
        for i in range(40)
    ]
    write(judging_shop, *rows)
    judging.judge_pending(judging_shop)
    assert judging_shop.reviews.filter(copy="flood").count() == 20
    later = {"text": "A new day with a new lamp", "user_id": user.format(i=1), "review_id": "later"}
    write(judging_shop, later, created_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    judging.judge_pending(judging_shop)
    assert judging_shop.reviews.get(review_id="later").copy == ""


def test_pending_reviews_are_queued(judging_shop, monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr(
        "celery.current_app.send_task", lambda name, args, **_: sent.append((name, args))
    )
    with django_capture_on_commit_callbacks(execute=True):
        write(judging_shop, MIXED)
        judge_every_shop()
    assert sent == [("recommender.tasks.judge_reviews", (judging_shop.pk,))] * 2


def test_reviews_of_erased_shoppers_are_refused_from_files_too(shop):
    Erasure.objects.create(shop=shop, receipt_id="x", digest=digest_of(shop.pk, "ann"), counts={})
    rows = [(1, {"review_id": "a", "text": "fine", "user_id": "ann"})]
    rows.append((2, {"review_id": "b", "text": "fine", "user_id": "ben"}))
    report = upsert_labelled("reviews", shop, rows, ["user_id", "text"], Parser(shop.zone))
    assert [(e.line, e.field) for e in report.errors] == [(1, "user_id")]
    assert shop.reviews.get().user_id == "ben"
