"""Pages of opinions: heat map, reading list, product, comparison, alerts with rules, labels."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from recommender.models import Alert, AuditEntry, Opinion, Product, SurgeRule
from recommender.models.opinions import Polarity
from recommender.reviews import judging
from tests.reviews.written import write


def address(name: str, *parts, **query) -> str:
    return reverse(f"admin:{name}", args=["tiny", *parts], query=query)


@pytest.fixture
def heard(judging_shop):
    """A shop with judged reviews of two products."""
    Product.objects.create(shop=judging_shop, item_id="lamp", title="Red lamp")
    write(
        judging_shop,
        {"text": "Great quality, late delivery", "item_id": "lamp", "rating": 5},
        {"text": "Terrible quality", "item_id": "lamp", "rating": 5},
        {
            "text": "Great quality! &lt;script>alert(1)&lt;/script>",  # of a file, so HTML
            "item_id": "vase",
            "channel": "survey",
        },
        {"text": "质量很好"},
    )
    judging.judge_pending(judging_shop)
    return judging_shop


def test_the_heat_map_counts_topics_and_links_to_their_texts(heard, staff):
    page = staff.get(address("opinions")).content.decode()
    judged = heard.opinions.exclude(polarity=Polarity.NOT_JUDGED).count()
    assert f"{judged} opinions in 28 days, " in page
    assert "Quality" in page and "Delivery" in page and "Red lamp" in page
    assert "Clauses that are not judged: " in page
    assert "polarity=negative&amp;topic=quality" in page or "topic=quality&amp;polarity" in page
    one = staff.get(address("opinions", by="item", value="vase")).content.decode()
    assert "in 28 days, " in one and "Delivery" not in one
    assert (
        "no judged opinions"
        in staff.get(address("opinions", days=7, by="item", value="x")).content.decode()
    )


def test_home_counts_complaints(heard, staff):
    page = staff.get(address("home")).content.decode()
    assert "Complaints" in page and "in 7 days, " in page
    assert "wait for a person" not in page


def test_an_empty_shop_says_so(shop, staff):
    assert "There are no judged opinions" in staff.get(address("opinions")).content.decode()
    write(shop, "Great quality")
    assert "first judge: 1." in staff.get(address("opinions")).content.decode()


def test_the_reading_list_highlights_clauses_and_escapes_texts(heard, staff):
    page = staff.get(address("opinions_reading")).content.decode()
    assert ">late delivery</mark>" in page and "v-said-negative" in page
    assert "&lt;script&gt;" in page and "<script>alert" not in page
    assert "not judged: the judge does not know the language" in page
    assert "The text contradicts the rating" in page
    negative = staff.get(address("opinions_reading", polarity="negative", topic="quality"))
    assert "Terrible quality" in negative.content.decode()
    assert "late delivery" not in negative.content.decode()


def test_the_reading_list_goes_on_where_it_ended(judging_shop, staff):
    now = timezone.now()
    rows = [
        {
            "text": f"Great quality number {i}",
            "user_id": str(i),
            "created_at": now - timedelta(hours=i),
        }
        for i in range(45)
    ]
    write(judging_shop, *rows)
    judging.judge_pending(judging_shop)
    seen, query = [], {}
    for _ in range(4):
        reply = staff.get(address("opinions_reading", **query))
        seen += [one["review"].pk for one in reply.context["texts"]]
        more = reply.context["more"]
        if not more:
            break
        query = dict(pair.split("=") for pair in more.split("&"))
    assert len(seen) == len(set(seen)) == 45


def test_the_export_is_a_table_without_formulas(heard, staff):
    Opinion.objects.filter(item_id="vase").update(item_id="=1+1")
    reply = staff.get(address("opinions_export"))
    lines = b"".join(reply.streaming_content).decode().splitlines()
    assert reply["Content-Type"].startswith("text/csv") and len(lines) == 1 + heard.opinions.count()
    assert any("late delivery" in line and ",delivery,negative," in line for line in lines)
    assert any("'=1+1" in line for line in lines)


def test_what_people_say_about_a_product_is_quoted(heard, staff):
    page = staff.get(address("opinions_product", item="lamp")).content.decode()
    assert "Red lamp: 3 opinions in 28 days, 67% negative" in page
    assert "“Terrible quality”" in page and "“Great quality”" in page
    assert "Choose a product" in staff.get(address("opinions_product")).content.decode()


def test_two_products_are_compared_by_topic(heard, staff):
    page = staff.get(address("opinions_compare", item_A="lamp", item_B="vase")).content.decode()
    assert "topics have a clear difference" in page and "0 of " in page and "Delivery" in page
    for query in ({"from_A": "x"}, {"from_A": "2026-02-01", "to_A": "2026-01-01"}):
        assert 'role="alert"' in staff.get(address("opinions_compare", **query)).content.decode()


RULE = {
    "name": "Late parcels",
    "polarity": "-1",
    "dimension": "all",
    "topics": ["delivery"],
    "rate": "0.05",
    "fewest": "3",
    "mail": "ann@shop.example, ben@shop.example",
    "active": "on",
}


def test_a_rule_is_previewed_saved_and_deleted(heard, staff):
    preview = staff.post(address("opinions_alerts"), {**RULE, "preview": "1"})
    assert "would have found in 90 days: 0." in preview.content.decode()
    assert not heard.surge_rules.filter(name="Late parcels").exists()
    assert staff.post(address("opinions_alerts"), RULE).status_code == 302
    rule = heard.surge_rules.get(name="Late parcels")
    assert rule.mail == ["ann@shop.example", "ben@shop.example"] and rule.topics == ["delivery"]
    assert "already" in staff.post(address("opinions_alerts"), RULE).content.decode()
    page = staff.get(address("opinions_alerts", rule=rule.pk)).content.decode()
    assert "Change Late parcels" in page and f'name="rule" value="{rule.pk}"' in page
    changed = {**RULE, "rule": rule.pk, "fewest": "9"}
    assert staff.post(address("opinions_alerts"), changed).status_code == 302
    rule.refresh_from_db()
    assert rule.fewest == 9
    assert staff.post(address("surge_rule_delete", rule.pk)).status_code == 302
    assert not SurgeRule.objects.filter(pk=rule.pk).exists()
    assert AuditEntry.objects.filter(subject="Surge rule Late parcels").count() == 3


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("name", "", "Name"),
        ("rate", "often", "False discovery rate: “often” is not a number"),
        ("rate", "0.9", "False discovery rate"),
        ("rate", "nan", "False discovery rate"),
        ("fewest", "1", "Opinions at least"),
        ("fewest", "99999999999", "Opinions at least"),
        ("mail", "nobody", "Mail: “nobody” is not a mail address"),
        ("dimension", "planet", "Series"),
    ],
)
def test_a_wrong_rule_names_its_field(heard, staff, field, value, message):
    page = staff.post(address("opinions_alerts"), {**RULE, field: value}).content.decode()
    assert message in page and not heard.surge_rules.filter(name="Late parcels").exists()


def test_alerts_are_acknowledged_muted_and_closed_with_who_and_when(heard, staff):
    alert = Alert.objects.create(
        shop=heard,
        kind=Alert.SURGE,
        subject="Delivery",
        message="25 complaints",
        details={"days": ["2026-01-01"], "quotes": [{"text": "<b>late</b>"}]},
    )
    page = staff.get(address("opinions_alerts")).content.decode()
    assert "25 complaints" in page and "&lt;b&gt;late" in page and "Acknowledge" in page
    acts = (({"act": "acknowledge"}, "acknowledged"), ({"act": "mute", "days": "7"}, "muted"))
    for fields, state in (*acts, ({"act": "close"}, "closed")):
        assert staff.post(address("alert_act", alert.pk), fields).status_code == 302
        alert.refresh_from_db()
        assert alert.state == state
    assert {alert.acknowledged_by, alert.muted_by, alert.closed_by} == {alert.closed_by}
    assert "Closed by boss" in staff.get(address("opinions_alerts")).content.decode()
    assert AuditEntry.objects.filter(subject__startswith="Alert").count() == 3


def test_labels_are_given_to_the_least_sure_clauses_first(heard, staff):
    page = staff.get(address("labels"))
    shown = [row["quote"] for row in page.context["rows"]]
    confidences = [quote.opinion.confidence for quote in shown]
    assert confidences == sorted(confidences) and "质量很好" not in {quote.text for quote in shown}
    assert len({quote.text for quote in shown}) == len(shown)
    quote = shown[0]
    body = {"opinion": quote.opinion.pk, "topic": "service", "polarity": 0}
    reply = staff.post(address("label_save"), json.dumps(body), content_type="application/json")
    assert reply.status_code == 200
    label = heard.opinion_labels.get()
    assert (label.text, label.topic, label.created_by.username) == (quote.text, "service", "boss")
    row = Opinion.objects.get(pk=quote.opinion.pk)
    assert (row.topic, row.polarity, row.labeled) == ("service", Polarity.NEUTRAL, True)
    assert quote.text not in {r["quote"].text for r in staff.get(address("labels")).context["rows"]}


@pytest.mark.parametrize(
    "change",
    [{"opinion": 0}, {"opinion": "x"}, {"topic": "nosuch"}, {"polarity": 2}, {"polarity": True}],
)
def test_a_wrong_label_says_why(heard, staff, change):
    body = {"opinion": heard.opinions.first().pk, "topic": "quality", "polarity": 1} | change
    reply = staff.post(address("label_save"), json.dumps(body), content_type="application/json")
    assert reply.status_code == 400 and reply.json()["error"]
    assert not heard.opinion_labels.exists()


TOPIC = {
    "name": "Assembly",
    "key": "assembly",
    "negative": "screws are missing\n\nno  manual\nno manual",
    "neutral": "",
    "positive": "built in ten minutes",
}


def test_the_default_topics_become_the_shops_own(shop, staff):
    assert "the default topics" in staff.get(address("opinions_topics")).content.decode()
    for _ in range(2):
        assert staff.post(address("opinion_topics_copy")).status_code == 302
    assert "Topics of this shop: 6." in staff.get(address("opinions_topics")).content.decode()
    delivery = shop.topics.get(key="delivery")
    page = staff.get(address("opinions_topics", topic=delivery.pk)).content.decode()
    assert "Change Delivery" in page and "slow delivery" in page
    staff.post(address("opinion_topic_delete", delivery.pk))
    assert not shop.topics.filter(key="delivery").exists()


def test_a_topic_is_added_and_changed(shop, staff):
    assert staff.post(address("opinions_topics"), TOPIC).status_code == 302
    topic = shop.topics.get()
    assert topic.examples == {
        "negative": ["screws are missing", "no manual"],
        "neutral": [],
        "positive": ["built in ten minutes"],
    }
    changed = {**TOPIC, "pk": topic.pk, "name": "Building it"}
    assert staff.post(address("opinions_topics"), changed).status_code == 302
    assert shop.topics.get().name == "Building it"
    assert "already" in staff.post(address("opinions_topics"), TOPIC).content.decode()
    assert "Building it" in staff.get(address("opinions_reading")).content.decode()


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("name", " ", "Name: "),
        ("key", "Not A Key", "Key: small letters"),
        ("negative", "", "at least one negative and one positive example"),
        ("positive", "x" * 301, "Positive: "),
        ("negative", "\n".join(map(str, range(501))), "Negative: at most 500"),
    ],
)
def test_a_wrong_topic_names_its_field(shop, staff, field, value, message):
    page = staff.post(address("opinions_topics"), {**TOPIC, field: value}).content.decode()
    assert message in page and not shop.topics.exists()


@pytest.mark.parametrize(
    "name, query",
    [
        ("opinions", {"days": "²"}),
        ("opinions", {"by": "planet", "value": "x", "topic": "\x00"}),
        ("opinions_reading", {"after": "9999-99-99_1"}),
        ("opinions_reading", {"after": "2026-01-01_²"}),
        ("opinions_reading", {"after": "2026-01-01_" + "9" * 30}),
        ("opinions_product", {"item": "\x00", "days": "٣"}),
        ("opinions_topics", {"topic": "²"}),
        ("opinions_compare", {"from_A": "0001-01-01", "to_A": "0001-01-02"}),
        ("search", {"days": "²"}),
        ("search_evaluation", {"set": "²"}),
    ],
)
def test_an_odd_address_shows_the_usual_page(heard, staff, name, query):
    assert staff.get(address(name, **query)).status_code == 200
