"""Query sets in the console: sampled, uploaded, measured, graded, deleted."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from recommender.models import EvaluationQuerySet, Judgement, SearchQuery
from recommender.serving import change_feed

DAMAGED = gzip.compress(b"query\n" + b"red mug\n" * 9, mtime=0)[:-12] + b"x" * 12


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


LARGE = gzip.compress(b"query\n" + b"cake stand\n" * 1_600_000, mtime=0)


def url(path=""):
    return f"/console/s/tiny/search/sets/{path}"


def searched(shop, text, times=1):
    for i in range(times):
        SearchQuery.objects.create(
            shop=shop,
            query_id=f"{text}-{i}",
            text=text,
            normalized=text,
            total=1,
            created_at=timezone.now(),
        )


def test_a_sample_of_what_shoppers_search_for(shop, staff):
    for i in range(20):
        searched(shop, f"query {i}", 1 + 3 * (i == 7))
    page = staff.post(url(), {"name": "November", "size": "5", "days": "28"}).content.decode()
    assert "November: 5 queries." in page and "sampled by frequency from 28 days" in page
    row = EvaluationQuerySet.objects.get()
    assert len(set(row.queries)) == 5 and row.created_by.username
    again = staff.post(url(), {"name": "November", "size": "5", "days": "28"}).content.decode()
    assert "There is a query set November already." in again


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": " ", "size": "5", "days": "2"}, "needs a name"),
        ({"name": "x" * 101, "size": "5", "days": "2"}, "needs a name"),
        ({"name": "a", "size": "0", "days": "2"}, "Queries must be a number from 1 to 5,000"),
        ({"name": "a", "size": "²", "days": "2"}, "Queries must be a number"),
        ({"name": "a", "size": "5", "days": "0000000019999999"}, "Days must be a number"),
        ({"name": "a", "size": "9" * 30, "days": "2"}, "Queries must be a number"),
        ({"name": "a", "size": "5", "days": "1000"}, "Days must be a number from 1 to 120"),
        ({"name": "a", "size": "5", "days": "2"}, "no searches in the last 2 days"),
        ({"name": "a"}, "Choose a file"),
    ],
)
def test_a_sample_that_cannot_be_made_says_why(shop, staff, fields, says):
    assert says in staff.post(url(), fields).content.decode()
    assert not EvaluationQuerySet.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "says", "queries"),
    [
        ("q.txt", "red  mug\n\nblue mug\nRed mug\n", "2 queries", ["red mug", "blue mug"]),
        ("q.txt", "red mug\n" * 100_001, "more than 100,000 lines", None),
        ("q.csv.gz", LARGE, "what q.csv.gz holds is larger than 16 MB", None),
        ("q.csv", "id,query\n1,red mug\n2,\n", "1 query", ["red mug"]),
        ("q.jsonl", '{"query_text": "红色 杯子"}\n', "1 query", ["红色 杯子"]),
        ("q.csv", "id,text\n1,red\n", "line 2: no column named query", None),
        ("q.txt", "x" * 600, "line 1: the query has more than 512 characters", None),
        ("q.jsonl", '{"query": {"a": 1}}\n', "line 1: query is not a text", None),
        ("q.jsonl", '{"query": "\\ud800 mug"}\n', "line 1: the query is not valid Unicode", None),
        ("q.jsonl", "[" * 100_000, "not JSON", None),
        ("q.csv.gz", DAMAGED, "while decompressing data", None),
        ("q.txt.gz", b"x", "expected one of", None),
        ("q.txt", "\n \n", "no query in this file", None),
        ("q.doc", "x", "expected one of", None),
        ("q.txt", b"\xff\xfe\x00", "not UTF-8", None),
        ("q.txt", "\n".join(map(str, range(5_001))), "more than 5,000 queries", None),
    ],
)
def test_queries_of_a_file(shop, staff, name, content, says, queries):
    content = content if isinstance(content, bytes) else content.encode()
    files = {"name": "Mine", "file": SimpleUploadedFile(name, content)}
    assert says in staff.post(url(), files).content.decode()
    assert [row.queries for row in EvaluationQuerySet.objects.all()] == [queries] * bool(queries)


def test_a_set_is_measured_and_graded_and_deleted(live_shop, staff):
    row = EvaluationQuerySet.objects.create(
        shop=live_shop, name="Mine", origin="q.txt", queries=["red lantern", "zzz", "blue teapot"]
    )
    figures = f"/console/s/tiny/search/figures/?set={row.pk}"
    unjudged = staff.get(figures).content.decode()
    assert "3 queries, 0 of them judged" in unjudged and "not judged" in unjudged
    item_id = live_shop.products.get(title="red lantern").item_id
    Judgement.objects.create(
        shop=live_shop, judgement_id="1", query="red lantern", item_id=item_id, grade=3
    )
    judged = staff.get(f"{figures}&a=live&b=words").content.decode()
    assert "3 queries, 1 of them judged" in judged and "nan" not in judged
    grade = staff.get(f"/console/s/tiny/search/grade/?set={row.pk}").content.decode()
    assert "Queries of Mine without a judgment" in grade and "blue teapot" in grade
    assert "are not graded yet for “zzz”" in grade or "found for “zzz”" in grade
    staff.post(url(f"{row.pk}/delete/"))
    assert not EvaluationQuerySet.objects.exists()


def test_capitals_make_no_other_query(live_shop, staff):
    row = EvaluationQuerySet.objects.create(
        shop=live_shop, name="Mine", origin="q.txt", queries=["Red Lantern", "blue teapot"]
    )
    item_id = live_shop.products.get(title="red lantern").item_id
    Judgement.objects.create(
        shop=live_shop, judgement_id="1", query="red LANTERN", item_id=item_id, grade=3
    )
    figures = staff.get(f"/console/s/tiny/search/figures/?set={row.pk}").content.decode()
    assert "2 queries, 1 of them judged" in figures and "1 judgments of 1 queries" in figures
    grade = staff.get(f"/console/s/tiny/search/grade/?set={row.pk}").content.decode()
    assert "for “blue teapot”" in grade  # the first one is graded
    page = staff.get(f"/console/s/tiny/search/grade/?set={row.pk}&q=red lantern").content.decode()
    assert page.count('aria-pressed="true"') == 1
    body = {"query": "red lantern", "item_id": item_id, "grade": 1}
    save = "/console/s/tiny/search/grade/save/"
    assert staff.post(save, body, content_type="application/json").json() == {"grade": 1}
    assert [row.grade for row in Judgement.objects.all()] == [1]


def test_who_may_only_look_adds_nothing(shop, client, django_user_model):
    from django.contrib.auth.models import Permission

    person = django_user_model.objects.create_user("eve", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    shop.people.add(person)
    client.force_login(person)
    page = client.get(url())
    assert page.status_code == 200 and 'name="size"' not in page.content.decode()
    assert client.post(url(), {"name": "a", "size": "1", "days": "1"}).status_code == 403
    assert client.post(url("clicks/")).status_code == 403
