"""The search pages of the console: queries, side by side, figures, grading, synonyms."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from recommender.models import (
    AuditEntry,
    Event,
    Judgement,
    Product,
    SearchQuery,
    SearchSettings,
    Synonym,
)
from recommender.search.query_log import query_buffer
from recommender.search.synonym_proposals import propose
from recommender.serving import change_feed

PAGES = [
    "",
    "?days=7&kind=none",
    "?days=no&kind=no",
    "compare/",
    "compare/?q=red lantern",
    "compare/?q=red lantern&a=words&b=fused&why=LA/1",
    "compare/?q=red lantern&why=lantern",
    "compare/?q=<script>&a=version-99999&why=nothing at all",
    "figures/",
    "figures/?a=live&b=words",
    "grade/",
    "grade/?q=red lantern",
    "sets/",
    "figures/?set=99999999999",
    "grade/?set=no",
    "synonyms/",
    "synonyms/?preview=12345",
]


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


def url(path):
    return f"/console/s/tiny/search/{path}"


def judge(shop, query="red lantern"):
    """Grades by the words that a title shares with the query."""
    for product in shop.products.all()[:60]:
        shared = len(set(product.title.split()) & set(query.split()))
        Judgement.objects.create(
            shop=shop,
            judgement_id=f"{query}-{product.item_id}",
            query=query,
            item_id=product.item_id,
            grade=shared,
        )


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_working_shop(live_shop, staff, page):
    judge(live_shop)
    reply = staff.get(url(page))
    assert reply.status_code == 200 and "v-sentence" in reply.content.decode()
    assert "<script>&" not in reply.content.decode()


@pytest.mark.parametrize(
    "page", ["", "compare/?q=red", "figures/?a=live", "grade/?q=x", "synonyms/", "sets/"]
)
def test_every_page_shows_an_empty_shop(shop, staff, page):
    assert staff.get(url(page)).status_code == 200


def test_who_may_not_see_searches(shop, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("eve", password="x", is_staff=True))
    assert client.get(url("")).status_code == 403


def log(shop, text, session, minutes_ago=0, clicked=None, revenue=None, total=3, position=1):
    """One search, with a click on a product, or a purchase."""
    query_id = f"q-{SearchQuery.objects.count()}"
    at = timezone.now() - timedelta(minutes=minutes_ago)
    SearchQuery.objects.create(
        shop=shop,
        query_id=query_id,
        text=text,
        normalized=text.lower(),
        total=total,
        session_id=session,
        created_at=at,
    )
    kinds = [("click", None)] * bool(clicked) + [("purchase", revenue)] * (revenue is not None)
    for kind, value in kinds:
        Event.objects.create(
            shop=shop,
            event_id=f"{query_id}-{kind}",
            type=kind,
            occurred_at=at,
            product=Product.objects.get(shop=shop, item_id=clicked),
            session_id=session,
            recommendation_id=query_id,
            position=position,
            value=value,
        )


def test_queries_by_what_comes_of_them(live_shop, staff):
    first = live_shop.products.order_by("pk").first().item_id
    log(live_shop, "lantern", "s-1", clicked=first, revenue=12.5, position=3)
    log(live_shop, "lantern", "s-2")
    log(live_shop, "zzz", "s-3", total=0)
    page = staff.get(url("")).content.decode()
    assert "3 searches in 28 days for 2 queries; 33.3 % found nothing." in page
    assert "33.33 %" in page and ">3.0<" in page.replace(" ", "").replace("\n", "")
    none = staff.get(url("?kind=none")).content.decode()
    assert "q=zzz" in none and "q=lantern" not in none
    assert 'data-chart="line"' in none
    unclicked = staff.get(url("?kind=unclicked")).content.decode()
    assert "There are no such queries" in unclicked


def test_reformulations_become_proposals_that_a_person_approves(live_shop, staff):
    item_id = live_shop.products.get(title="red lantern").item_id
    for i in range(3):
        log(live_shop, "red lamp", f"s-{i}", minutes_ago=10)
        log(live_shop, "red lantern", f"s-{i}", minutes_ago=9, clicked=item_id)
    log(live_shop, "blue lamp", "s-9", minutes_ago=10)
    page = staff.get(url("")).content.decode()
    assert "Searched for instead" in page and "→ red lantern" in page
    assert staff.post(url("synonyms/look/")).status_code == 302
    row = Synonym.objects.get()
    assert (row.phrases, row.also_finds, row.state) == (["lamp"], ["lantern"], "proposed")
    assert propose(live_shop) == 0
    preview = staff.get(url(f"synonyms/?preview={row.pk}")).content.decode()
    assert "would change" in preview and "red lantern" in preview
    staff.post(url(f"synonyms/{row.pk}/"), {"decision": "live"})
    row.refresh_from_db()
    assert row.state == "live"
    assert AuditEntry.objects.filter(subject=str(row), action="changed").exists()
    found = staff.get(url("compare/?q=red lamp")).content.decode()
    assert "red lantern" in found


def test_figures_of_two_configurations_and_the_queries_that_differ(live_shop, staff):
    for query in ("red lantern", "blue teapot", "small garden"):
        judge(live_shop, query)
    page = staff.get(url("figures/?a=live&b=words")).content.decode()
    assert "3 queries, 3 of them judged" in page and "too few queries" in page
    for i in range(9):
        judge(live_shop, f"red lantern {i}")
    page = staff.get(url("figures/?a=live&b=words")).content.decode()
    assert "not significant" in page
    assert 'data-chart="scatter"' in page and "this shop does not have" not in page
    Judgement.objects.create(
        shop=live_shop, judgement_id="x", query="red lantern", item_id="gone", grade=3
    )
    page = staff.get(url("figures/")).content.decode()
    assert "products that this shop does not have: 1. They count as not found" in page


@pytest.mark.parametrize(
    ("name", "text", "topics", "says", "grades"),
    [
        ("j.csv", "query,item_id,grade\nred,LA/1,3\nred,LA/2,x\n", None, "1 rejected", [3]),
        ("e.csv", "query,product_id,esci_label\nred,LA/1,E\nred,LA/2,I\n", None, "2 new", [3, 0]),
        ("t.qrels", "7 0 LA/1 2\n7 0 LA/2 -1\n", "7\tred\n", "2 new", [2, 0]),
        ("qrels.txt", "7 0 LA/1 2\n", "7\tred\n", "1 new", [2]),
        ("t.qrels", "7 0 LA/1 2\n", "7\tred\n7\tblue\n", "line 2 has another query for 7", []),
        ("t.qrels", "7 0 LA/1\n", None, "line 1 has 3 columns instead of 4", []),
        ("t.qrels", "8 0 LA/1 1\n", "7\tred\n", "names the topic 8, which is no query", []),
        ("t.doc", "x", None, "expected one of", []),
        ("j.csv", "query,grade\nred,3\n", None, "has no column for item_id", []),
        ("j.parquet", "x", None, "j.parquet", []),
    ],
)
def test_judgments_in_the_formats_of_the_field(shop, staff, name, text, topics, says, grades):
    files = {"file": SimpleUploadedFile(name, text.encode())}
    if topics:
        files["topics"] = SimpleUploadedFile("topics.tsv", topics.encode())
    reply = staff.post(url("figures/"), files)
    assert reply.status_code == 200 and says in reply.content.decode()
    assert [row.grade for row in Judgement.objects.order_by("item_id")] == grades
    assert {row.query for row in Judgement.objects.all()} <= {"red"}


def test_topics_have_any_name_and_large_files_a_command(shop, staff, monkeypatch):
    files = {
        "file": SimpleUploadedFile("t.qrels", b"7 0 LA/1 2\n"),
        "topics": SimpleUploadedFile("topics.dl19", b"7\tred\n"),
    }
    assert "1 new" in staff.post(url("figures/"), files).content.decode()
    monkeypatch.setattr("recommender.console.search.uploads.LARGEST_FILE", 3)
    files = {"file": SimpleUploadedFile("j.csv", b"query,item_id,grade\n")}
    assert "; use import_judgements" in staff.post(url("figures/"), files).content.decode()


def save(staff, **body):
    return staff.post(url("grade/save/"), json.dumps(body), content_type="application/json")


def test_a_grade_is_stored_once_and_can_be_changed(live_shop, staff):
    log(live_shop, "red lantern", "s-1")
    query_buffer.flush()
    page = staff.get(url("grade/")).content.decode()
    assert "are not graded yet for “red lantern”" in page and 'data-grade="3"' in page
    item_id = live_shop.products.get(title="red lantern").item_id
    assert save(staff, query="red lantern", item_id=item_id, grade=3).json() == {"grade": 3}
    assert save(staff, query="red lantern", item_id=item_id, grade=1).json() == {"grade": 1}
    assert save(staff, query="Red \x00 lantern", item_id=item_id, grade=2).json() == {"grade": 2}
    row = Judgement.objects.get()
    assert (row.query, row.item_id, row.grade) == ("red lantern", item_id, 2)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("figures/?set=99", "There is no such query set: these are all queries."),
        ("grade/?set=x", "There is no such query set: these are all queries."),
        ("figures/?a=nope", "There is no configuration nope: this is"),
        ("compare/?q=red&b=nope", "There is no configuration nope: this is Words"),
    ],
)
def test_an_unknown_choice_is_told(live_shop, staff, asked, says):
    assert says in staff.get(url(asked)).content.decode()


def test_languages_of_search_settings_are_checked(shop, staff):
    fields = {"shop": shop.pk, "languages": "English", "cross_encoder_ms": 100}
    fields |= {"stop_words": "", "not_understood": ""}
    page = staff.post("/console/recommender/searchsettings/add/", fields).content.decode()
    assert "“english” is not the code of a language" in page
    fields["languages"] = "EN, zh"
    assert staff.post("/console/recommender/searchsettings/add/", fields).status_code == 302
    assert SearchSettings.objects.get().languages == ["en", "zh"]


@pytest.mark.parametrize(
    "body",
    [
        {"query": "x", "item_id": "no such", "grade": 1},
        {"query": "x", "item_id": "LA/1", "grade": 9},
        {"query": "x", "grade": 1},
        {"query": ["x"], "item_id": "LA/1", "grade": 1},
        {"query": " ", "item_id": "LA/1", "grade": 1},
        {"query": "x\ud800", "item_id": "LA/1", "grade": 1},
        {"query": "x" * 513, "item_id": "LA/1", "grade": 1},
        {"query": "x", "item_id": "LA/1\x00", "grade": 1},
        {"query": "x", "item_id": "LA/1", "grade": 1.5},
        {"query": "x", "item_id": "LA/1", "grade": True},
        [],
    ],
)
def test_a_grade_that_is_none_is_refused(live_shop, staff, body):
    reply = staff.post(url("grade/save/"), json.dumps(body), content_type="application/json")
    assert reply.status_code == 400 and reply.json()["error"]
    assert not Judgement.objects.exists()


def test_why_a_product_is_not_shown(live_shop, staff):
    hidden = live_shop.products.get(title="red lantern")
    hidden.hidden = True
    hidden.save()
    page = staff.get(url(f"compare/?q=red lantern&why={hidden.item_id}")).content.decode()
    assert "It may not be shown now" in page
    other = live_shop.products.get(title="blue teapot")
    page = staff.get(url(f"compare/?q=lantern&a=words&why={other.item_id}")).content.decode()
    assert "It is not among the products that words or meaning find" in page
    assert "It has none of: lantern" in page
