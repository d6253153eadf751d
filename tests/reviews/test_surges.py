"""Surges of opinions: alerts by rules, once, with evidence; what people do with them; mail."""

from datetime import UTC, timedelta

import pytest
from django.core import mail
from django.utils import timezone

from recommender.models import Alert, Opinion, Review, SurgeRule, Webhook, WebhookDelivery
from recommender.models.opinions import Polarity
from recommender.reviews import surges
from recommender.reviews.opinions import Selection
from recommender.reviews.trends import trend_of
from recommender.tasks import mail_alert, watch_opinions

TODAY = timezone.localdate(timezone=UTC)
YESTERDAY = TODAY - timedelta(days=1)


def opinions(shop, day, negative: int, positive: int = 0, topic="delivery", **fields) -> None:
    """Opinions of a day, each the whole of a review."""
    polarities = [Polarity.NEGATIVE] * negative + [Polarity.POSITIVE] * positive
    made = Review.objects.bulk_create(
        Review(
            shop=shop, review_id=f"{day}-{topic}-{i}-{fields}", text=f"{topic} was late, case {i}"
        )
        for i in range(len(polarities))
    )
    Opinion.objects.bulk_create(
        Opinion(
            shop=shop,
            review=review,
            day=day,
            topic=topic,
            polarity=polarity,
            confidence=0.9,
            begin=0,
            end=len(review.text),
            channel="review",
            **fields,
        )
        for review, polarity in zip(made, polarities, strict=True)
    )


@pytest.fixture
def heard(shop):
    """The shop with the usual opinions of eight weeks on two topics, until the day before
    yesterday.
    """
    shop.timezone = "UTC"
    shop.save()
    for i in range(2, 60):
        day = TODAY - timedelta(days=i)
        for topic in ("delivery", "quality"):
            opinions(shop, day, 4 + i % 3, 12, topic)
    return shop


def test_a_surge_becomes_an_alert_with_its_clauses(heard):
    opinions(heard, YESTERDAY, 25, 12)
    opinions(heard, YESTERDAY, 5, 12, "quality")
    assert surges.watch(heard) == 1
    alert = heard.alerts.get()
    assert (alert.kind, alert.subject, alert.state) == ("surge", "Delivery", "open")
    assert (
        alert.message.startswith("25 complaints on ") and "rule “Complaints on a" in alert.message
    )
    assert alert.details["count"] == 25 and 4 < alert.details["expected"] < 7
    assert len(alert.details["quotes"]) == 5
    assert alert.details["quotes"][0]["text"].startswith("delivery was late, case")


def test_the_same_surge_is_sent_once_and_the_next_day_is_added(heard):
    opinions(heard, YESTERDAY, 25, 12)
    surges.watch(heard)
    assert surges.watch(heard) == 0
    opinions(heard, TODAY, 40, 12)
    assert surges.watch(heard) == 0
    alert = heard.alerts.get()
    assert alert.details["days"] == [YESTERDAY.isoformat(), TODAY.isoformat()]
    assert alert.message.startswith("40 complaints")


def test_a_closed_surge_stays_closed_and_a_later_one_is_new(heard, admin_user):
    opinions(heard, YESTERDAY, 25, 12)
    surges.watch(heard)
    heard.alerts.get().close(admin_user)
    assert surges.watch(heard) == 0
    opinions(heard, TODAY, 40, 12)
    assert surges.watch(heard) == 1
    assert heard.alerts.open().get().details["days"] == [TODAY.isoformat()]
    assert heard.alerts.exclude(until=None).get().closed_by == admin_user


def test_a_muted_series_opens_no_alert(heard, admin_user):
    opinions(heard, YESTERDAY, 25, 12)
    surges.watch(heard)
    alert = heard.alerts.get()
    alert.mute(timezone.now() + timedelta(days=7), admin_user)
    assert alert.state == "muted" and not heard.alerts.shown().exists()
    alert.close(admin_user)
    opinions(heard, TODAY, 40, 12)
    assert surges.watch(heard) == 0 and heard.alerts.count() == 1


def test_an_alert_closes_by_itself_after_quiet_days(heard):
    opinions(heard, YESTERDAY, 25, 12)
    surges.watch(heard)
    alert = heard.alerts.get()
    alert.details["days"] = [(TODAY - timedelta(days=8)).isoformat()]
    alert.save()
    Opinion.objects.filter(shop=heard, day=YESTERDAY).delete()
    surges.watch(heard)
    alert.refresh_from_db()
    assert alert.state == "closed" and alert.closed_by is None


def test_a_quiet_shop_has_no_alert_and_more_of_everything_is_no_surge(heard):
    opinions(heard, YESTERDAY, 6, 12)
    opinions(heard, YESTERDAY, 15, 60, "quality")
    assert surges.watch(heard) == 0 and not heard.alerts.exists()


def test_products_have_series_of_their_own(heard):
    for i in range(2, 60):
        opinions(heard, TODAY - timedelta(days=i), 1, 3, "size", item_id="lamp")
    opinions(heard, YESTERDAY, 12, 3, "size", item_id="lamp")
    opinions(heard, YESTERDAY, 6, 30)
    surges.watch(heard)
    of_product = heard.alerts.get(details__dimension="item")
    assert of_product.subject == "Size and fit: lamp" and of_product.details["value"] == "lamp"


def test_a_rule_counts_only_its_topics_and_its_polarity(heard):
    opinions(heard, YESTERDAY, 25, 90)
    praise = SurgeRule(shop=heard, name="Praise", polarity=Polarity.POSITIVE, topics=["delivery"])
    (found,) = [one for one in surges.preview(praise) if one.day == YESTERDAY]
    assert (found.topic, found.numbers.count) == ("delivery", 90)
    other = SurgeRule(shop=heard, name="Other", topics=["quality"])
    assert not surges.preview(other)


def test_webhook_and_mail_report_a_surge(heard, settings, monkeypatch):
    settings.EMAIL_HOST = "mail.example"
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    Webhook.objects.create(shop=heard, url="https://a.example", event_types=["alert.raised"])
    opinions(heard, YESTERDAY, 25, 12)
    surges.make_usual_rules(heard)
    heard.surge_rules.filter(dimension="all").update(mail=["ann@shop.example", "b@shop.example"])
    surges.watch(heard)
    alert, sent = heard.alerts.get(), WebhookDelivery.objects.get().payload["data"]
    assert sent["subject"] == "Delivery" and sent["details"]["count"] == 25
    for name, *values in queued:
        if name == "mail_alert":
            mail_alert(*values)
    assert [message.to for message in mail.outbox] == [["ann@shop.example"], ["b@shop.example"]]
    assert "opinions surge, Delivery" in mail.outbox[0].subject
    assert alert.message in mail.outbox[0].body and "delivery was late" in mail.outbox[0].body


def test_without_a_mail_server_nothing_is_sent(heard, settings):
    settings.EMAIL_HOST = ""
    alert = Alert.objects.create(shop=heard, kind=Alert.SURGE, subject="x", message="y")
    mail_alert(alert.pk, "ann@shop.example")
    assert mail.outbox == []


def test_the_task_watches_every_shop(heard):
    opinions(heard, YESTERDAY, 25, 12)
    watch_opinions()
    assert heard.alerts.count() == 1


def test_a_trend_has_the_usual_range_and_marks_surges(heard):
    opinions(heard, YESTERDAY, 25, 12)
    surges.watch(heard)
    trend = trend_of(heard, Selection(TODAY - timedelta(days=6), TODAY, topic="delivery"))
    assert trend.is_known and len(trend.days) == 7
    assert [day.day for day in trend.days if day.surges] == [YESTERDAY]
    assert all(day.low <= 5 <= day.high for day in trend.days)
    quality = trend_of(heard, Selection(TODAY - timedelta(days=6), TODAY, topic="quality"))
    assert not any(day.surges for day in quality.days)


def test_the_usual_rules_are_made_once(heard):
    surges.make_usual_rules(heard)
    assert heard.surge_rules.count() == 2
    heard.surge_rules.all().delete()
    surges.make_usual_rules(heard)
    assert heard.surge_rules.count() == 0, "a shop that deleted them wants none"


def test_a_shop_without_opinions_has_no_rules(shop):
    assert surges.watch(shop) == 0 and not shop.surge_rules.exists()
