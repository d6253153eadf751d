import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.utils import timezone

from recommender.console.preview.product_cards import initials_of
from recommender.models import Change, Event, Product, ServedList, TrainingRun
from recommender.recommendations.batch_scoring import score_shard

PAGES = [
    "",
    "train/",
    "models/",
    "preview/",
    "preview/?new=1",
    "preview/?user=shopper-003",
    "preview/?user=nobody",
    "preview/?user=shopper-003&why=LA/1",
    "preview/?user=shopper-003&why=no such product",
    "models/1/",
    "models/1/?of=discovery",
    "placements/",
    "placements/?days=7",
    "placements/?days=no",
]
TABLES = [
    "recommender/product",
    "recommender/shopper",
    "recommender/event",
    "recommender/trainingrun",
    "recommender/modelversion",
    "recommender/placement",
    "recommender/recommendationlist",
    "recommender/servedlist",
    "recommender/shop",
    "recommender/apikey",
    "django_celery_beat/periodictask",
    "auth/user",
]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_working_shop(live_shop, staff, page):
    reply = staff.get(f"/console/s/tiny/{page}")
    assert reply.status_code == 200 and "v-sentence" in reply.content.decode()


@pytest.mark.parametrize(
    "page", ["", "train/", "models/", "preview/", "preview/?new=1", "placements/"]
)
def test_every_page_shows_an_empty_shop(shop, staff, page):
    assert staff.get(f"/console/s/tiny/{page}").status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_every_table_opens(live_shop, staff, table):
    assert staff.get(f"/console/{table}/").status_code == 200


def test_the_landing_page_leads_to_the_shop(shop, staff):
    assert staff.get("/console/").url == "/console/s/tiny/"


def test_pages_need_a_sign_in_and_the_permission(shop, client):
    assert "/login/" in client.get("/console/s/tiny/").url
    user = User.objects.create_user("new", is_staff=True)
    shop.people.add(user)
    client.force_login(user)
    assert client.get("/console/s/tiny/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    assert client.get("/console/s/tiny/").status_code == 200
    assert (
        client.post("/console/s/tiny/train/", {"preset": "quick", "promote": "ask"}).status_code
        == 403
    )
    assert client.post("/console/s/tiny/models/rollback/").status_code == 403
    assert client.get("/console/s/tiny/preview/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_trainingrun"))
    assert (
        client.post(
            "/console/s/tiny/train/", {"preset": "quick", "promote": "if-better"}
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    ("why", "says"),
    [
        ("LA/1", "candidates"),
        ("wooden paper", "wooden paper is"),
        ("no such", "No product here has the id or title “no such”."),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_preview_says_why_another_product_is_not_there(live_shop, staff, why, says):
    page = staff.get(
        "/console/s/tiny/preview/", {"user": "shopper-003", "why": why}
    ).content.decode()
    assert says in page.split('id="why-not"')[1]


def test_preview_shows_history_reasons_and_the_whole_sum(live_shop, staff):
    page = staff.get("/console/s/tiny/preview/?user=shopper-003").content.decode()
    assert (
        page.count('class="v-card"') == 6
        and "bought" in page
        and "popovertarget" in page
        and "Base score of every product" in page
    )


def test_a_name_with_markup_stays_text(live_shop, staff):
    live_shop.products.update(title="<script>alert(1)</script>")
    assert (
        "<script>alert(1)"
        not in staff.get("/console/s/tiny/preview/?user=shopper-003").content.decode()
    )


def test_pages_need_few_queries(live_shop, staff, django_assert_max_num_queries):
    score_shard(live_shop.champion(), 0, 10**9)
    staff.get("/console/s/tiny/")
    for page, most in (
        ("", 45),
        ("train/", 12),
        ("models/", 35),
        ("preview/?user=shopper-003", 40),
    ):
        with django_assert_max_num_queries(most):
            staff.get(f"/console/s/tiny/{page}")


def test_the_line_under_the_header_comes_with_the_page(live_shop, staff):
    run = TrainingRun.objects.create(
        shop=live_shop, status="failed", error="disk full", finished_at=timezone.now()
    )
    for page in ("/console/s/tiny/train/", "/console/recommender/product/"):
        shown = staff.get(page).content.decode()
        assert (
            f"Run {run.pk} stopped: disk full" in shown
            and 'hx-trigger="load"' not in shown[: shown.index("v-strip") + 500]
        )
    staff.get(f"/console/s/tiny/strip/?dismiss={run.pk}")
    assert f"Run {run.pk} stopped" not in staff.get("/console/s/tiny/train/").content.decode()


@pytest.mark.parametrize(
    ("title", "initials"),
    [("RED GLASS lantern", "RG"), ("red", "R"), ("红色灯笼", "红"), ("", "·"), ("50's tin", "5T")],
)
def test_initials_of_a_drawn_card(title, initials):
    assert initials_of(title) == initials


@pytest.mark.parametrize(
    ("text", "values", "field", "message"),
    [
        ("price <", "{}", "filter", "ends too early"),
        ("price < :max", "{}", "filter_values", ":max is required by the filter"),
        ("price < :max", '{"max": "x"}', "filter_values", "price is compared with a number"),
        ("price < 3", "[]", "filter_values", "must be an object"),
    ],
)
def test_a_placements_filter_is_checked_when_saved(shop, staff, text, values, field, message):
    placement = shop.placements.get(key="home_top")
    fields = {
        "shop": shop.pk,
        "key": "home_top",
        "name": "Home",
        "kind": "personal",
        "size": 6,
        "tail_percent": 0,
        "diversity": 0,
    }
    fields |= {"explore_percent": 0, "fallbacks": "popular,new"}
    reply = staff.post(
        f"/console/recommender/placement/{placement.pk}/change/",
        {**fields, "filter": text, "filter_values": values},
    )
    assert message in str(reply.context["adminform"].form.errors[field])
    staff.post(
        f"/console/recommender/placement/{placement.pk}/change/",
        {**fields, "filter": "price < :max", "filter_values": '{"max": 3}'},
    )
    placement.refresh_from_db()
    assert (placement.filter, placement.filter_values, placement.fallbacks) == (
        "price < :max",
        {"max": 3},
        ["popular", "new"],
    )
    assert Change.objects.filter(kind=Change.PLACEMENT, key="home_top").exists()
    wrong = staff.post(
        f"/console/recommender/placement/{placement.pk}/change/",
        {**fields, "filter_values": "{}", "fallbacks": "magic"},
    )
    assert "magic" in str(wrong.context["adminform"].form.errors["fallbacks"])


def test_the_preview_shows_what_a_placements_filter_leaves(live_shop, staff):
    live_shop.placements.filter(key="home_top").update(
        filter="price > :least", filter_values={"least": 1000}
    )
    page = staff.get(
        "/console/s/tiny/preview/?user=shopper-003&at=home_top&why=LA/1"
    ).content.decode()
    assert (
        "No product passes this placement’s filter." in page
        and "does not pass this placement’s filter or rules." in page
    )


def test_a_product_deleted_in_the_console_is_news(shop, staff):
    ids = [Product.objects.create(shop=shop, item_id=f"p{i}", title="x").pk for i in range(2)]
    staff.post(f"/console/recommender/product/{ids[0]}/delete/", {"post": "yes"})
    staff.post(
        "/console/recommender/product/",
        {"action": "delete_selected", "_selected_action": [ids[1]], "post": "yes"},
    )
    assert not Product.objects.exists() and [
        c.item_ids() for c in Change.objects.filter(kind=Change.PRODUCT)
    ] == [["p0"], ["p1"]]


def test_placements_tell_what_they_brought(live_shop, api, staff, monkeypatch):
    from recommender.management.commands import replay
    from recommender.serving.exposure_log import exposure_buffer

    monkeypatch.setattr(
        replay, "_sender", lambda url, key: lambda path, body: api("post", path, body).json()
    )
    for name, value in (("SEEN", 1.0), ("BROWSING", 1), ("CLICKED", 0.2)):
        monkeypatch.setattr(f"recommender.demo.traffic_simulation.{name}", value)
    quiet = staff.get("/console/s/tiny/placements/").content.decode()
    assert "none served a list in the last 28 days" in quiet and "data-chart" not in quiet
    call_command(
        "replay", shop="tiny", url="http://nowhere", key="k", verbosity=0, stdout=StringIO()
    )
    exposure_buffer.flush()
    page = staff.get("/console/s/tiny/placements/").content.decode()
    assert (
        "earns most: EUR" in page
        and "visits and clicks are simulated" in page
        and "/placements/more/?days=28" in page
    )
    assert "1 of 4 placements had no call" in page and "No list in this time." in page
    more = staff.get("/console/s/tiny/placements/more/?days=28").content.decode()
    assert 'data-chart="line"' in more and "Repeat purchases and visits" not in more
    before = timezone.now() - timedelta(days=40)
    ServedList.objects.update(created_at=before)
    Event.objects.filter(type="impression").update(occurred_at=before)
    page = staff.get("/console/s/tiny/placements/more/").content.decode()
    again = page[page.index("Repeat purchases and visits") :]
    assert (
        "the whole shop" in again
        and "home_top" in again
        and re.search(r"\d+ %\s*<span[^>]*>of \d+", again)
        and "too early to say" in again
    )


def test_loyalty_is_not_counted_before_anybody_could_have_come_again(live_shop, staff, monkeypatch):
    monkeypatch.setattr(
        "recommender.console.placements.views.loyalty",
        lambda *_: pytest.fail("counted for a table that is not drawn"),
    )
    assert staff.get("/console/s/tiny/placements/more/").status_code == 200
    ServedList.objects.create(
        shop=live_shop,
        recommendation_id="r",
        items=[],
        created_at=timezone.now() - timedelta(days=29),
    )
    assert staff.get("/console/s/tiny/placements/more/").status_code == 200


def test_when_a_session_ends_a_fragment_leads_the_whole_page_to_the_sign_in(live_shop, client):
    shown = "https://shop.example/console/s/tiny/placements/?days=7"
    reply = client.get(
        "/console/s/tiny/strip/", headers={"hx-request": "true", "hx-current-url": shown}
    )
    assert reply.status_code == 401 and b"<form" not in reply.content
    assert (
        reply.headers["HX-Redirect"]
        == "/console/login/?next=%2Fconsole%2Fs%2Ftiny%2Fplacements%2F%3Fdays%3D7"
    )
    assert client.get("/console/s/tiny/strip/").status_code == 302


@pytest.mark.parametrize(
    "fragment", ["strip/", "train/window/", "train/fields/", "placements/more/?days=7"]
)
def test_nobody_lands_on_a_fragment_after_signing_in(live_shop, client, fragment):
    User.objects.create_superuser("boss", password="correct horse")
    page = client.get("/console/login/", {"next": f"/console/s/tiny/{fragment}"})
    assert fragment not in page.content.decode()
    signed_in = client.post(
        "/console/login/",
        {"username": "boss", "password": "correct horse", "next": f"/console/s/tiny/{fragment}"},
    )
    assert signed_in.status_code == 302 and signed_in.headers["Location"] == "/console/"
    client.logout()
    elsewhere = {"username": "boss", "password": "correct horse", "next": "/console/s/tiny/models/"}
    assert (
        client.post("/console/login/", elsewhere).headers["Location"] == "/console/s/tiny/models/"
    )


def test_what_comes_up_names_every_training_and_scoring_of_the_schedule(live_shop, staff):
    from django_celery_beat.models import PeriodicTask

    PeriodicTask.objects.update(enabled=True)
    page = staff.get("/console/s/tiny/").content.decode()
    coming = page[page.index("Coming up") :]
    expected = PeriodicTask.objects.filter(task__regex=r"(train|learn|score)").values_list(
        "name", flat=True
    )
    assert len(expected) >= 3 and all(name in coming for name in expected)


def test_every_kind_of_fallback_has_a_sentence():
    from recommender.api.recommendations.serializers import FallbackSerializer
    from recommender.console.preview.views import FALLBACKS
    from recommender.models import Placement

    known = {kind.strip() for kind in FallbackSerializer().fields["kind"].help_text.split(",")}
    assert known | {source for source, _ in Placement.SOURCES} <= FALLBACKS.keys()


def test_why_not_asks_which_of_several_products_is_meant(live_shop, staff):
    product = live_shop.products.order_by("item_id").first()
    word = product.title.split()[0]
    assert live_shop.products.filter(title__icontains=word).count() > 1
    page = staff.get(f"/console/s/tiny/preview/?user=shopper-003&why={word}").content.decode()
    assert "Which one?" in page and f"why={product.item_id.replace('/', '%2F')}" in page


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("get", "models/1/promote/", 405, "only when its form is sent"),
        ("get", "models/99/", 404, "There is nothing at"),
        ("get", "nowhere/", 404, "nothing"),
    ],
)
def test_errors_are_pages_of_the_console(live_shop, staff, method, path, status, words):
    reply = getattr(staff, method)(f"/console/s/tiny/{path}")
    page = reply.content.decode()
    assert (
        reply.status_code == status
        and words in page
        and "v-sentence" in page
        and "To the console’s home" in page
    )


def test_a_refusal_keeps_the_views_sentence(live_shop, client):
    viewer = User.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    live_shop.people.add(viewer)
    client.force_login(viewer)
    reply = client.post("/console/s/tiny/models/1/promote/")
    assert (
        reply.status_code == 403
        and "Your account may look at this, but not do it." in reply.content.decode()
    )
