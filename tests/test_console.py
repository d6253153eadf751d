import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from recommender.console.cards import initials_of
from recommender.models import TrainingRun
from recommender.scoring import score_shard

PAGES = [
    "",
    "train/",
    "models/",
    "preview/",
    "preview/?new=1",
    "preview/?user=shopper-003",
    "preview/?user=nobody",
    "models/1/",
    "models/1/?of=discovery",
]
TABLES = [
    "recommender/product", "recommender/shopper", "recommender/event", "recommender/trainingrun", "recommender/modelversion", "recommender/placement",
    "recommender/recommendationlist", "recommender/shop", "recommender/apikey", "django_celery_beat/periodictask", "auth/user",
]  # fmt: skip


@pytest.fixture
def staff(client, db):
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def started(monkeypatch):
    sent = []
    monkeypatch.setattr("recommender.tasks.train.delay_on_commit", sent.append)
    return sent


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_working_shop(live_shop, staff, page):
    reply = staff.get(f"/console/s/tiny/{page}")
    assert reply.status_code == 200 and "v-sentence" in reply.content.decode()


@pytest.mark.parametrize("page", ["", "train/", "models/", "preview/", "preview/?new=1"])
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
    client.force_login(user)
    assert client.get("/console/s/tiny/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    assert client.get("/console/s/tiny/").status_code == 200
    assert client.post("/console/s/tiny/train/", {"preset": "quick", "promote": "ask"}).status_code == 403
    assert client.post("/console/s/tiny/models/rollback/").status_code == 403
    assert client.get("/console/s/tiny/preview/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="add_trainingrun"))
    assert client.post("/console/s/tiny/train/", {"preset": "quick", "promote": "if-better"}).status_code == 403


def test_a_training_is_started_with_what_was_chosen(stocked, staff, started):
    reply = staff.post("/console/s/tiny/train/", {"preset": "quick", "promote": "never", "data_from": "2026-01-01", "advanced": "text.steps = 9"})
    run = TrainingRun.objects.get()
    assert reply.url == f"/console/s/tiny/runs/{run.pk}/" and started == [run.pk]
    assert (run.preset, run.promote, run.overrides, run.created_by.username) == ("quick", "never", {"text.steps": "9"}, "boss")
    assert "Waiting for a worker" in staff.get(reply.url).content.decode()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"advanced": "text.stepz = 1"}, "text.stepz"), ({"advanced": "x"}, "field = value"),
        ({"data_from": "2026-02-01", "data_to": "2026-01-01"}, "after the last"),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_said_in_words(stocked, staff, started, fields, says):
    reply = staff.post("/console/s/tiny/train/", {"preset": "quick", "promote": "ask", **fields})
    assert reply.status_code == 200 and says in reply.content.decode() and not started


def test_the_days_chosen_are_counted(stocked, staff):
    assert "events" in staff.get("/console/s/tiny/train/window/?preset=full&promote=ask&data_from=2026-01-01").content.decode()


def test_a_running_run_is_polled_and_a_finished_one_is_not(live_shop, staff):
    run = TrainingRun.objects.create(
        shop=live_shop, status="running", stage="Fine-tuning", progress=0.4, seconds_left=200, heartbeat_at=timezone.now()
    )
    run.points.create(name="text.loss", step=10, value=1.5)
    live = staff.get(f"/console/s/tiny/runs/{run.pk}/live/").content.decode()
    assert "every 2s" in live and "about 3 min left" in live and '"x": 10' in live and "Cancel run" in live
    assert "Fine-tuning" in staff.get("/console/s/tiny/strip/").content.decode()
    assert staff.post(f"/console/s/tiny/runs/{run.pk}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.cancel_requested
    run.finish("failed", "out of memory")
    ended = staff.get(f"/console/s/tiny/runs/{run.pk}/live/").content.decode()
    assert "every 2s" not in ended and "out of memory" in ended and "Start again" in ended


def test_a_failed_run_can_be_started_again(stocked, staff, started):
    run = TrainingRun.objects.create(shop=stocked, status="failed", preset="quick", overrides={"rounds": 5})
    staff.post(f"/console/s/tiny/runs/{run.pk}/again/")
    again = TrainingRun.objects.get(pk=started[0])
    assert (again.preset, again.overrides, again.status) == ("quick", {"rounds": 5}, "queued")


def test_promote_and_roll_back_in_one_click(live_shop, staff, register, monkeypatch):
    monkeypatch.setattr("recommender.tasks.score_shop.delay_on_commit", lambda pk: None)
    register(live_shop)
    staff.post("/console/s/tiny/models/2/promote/")
    assert live_shop.champion().number == 2 and live_shop.champion().promoted_by.username == "boss"
    assert "Roll back to v1" in staff.get("/console/s/tiny/models/").content.decode()
    staff.post("/console/s/tiny/models/rollback/")
    assert live_shop.champion().number == 1


def test_preview_shows_history_reasons_and_the_whole_sum(live_shop, staff):
    page = staff.get("/console/s/tiny/preview/?user=shopper-003").content.decode()
    assert page.count('class="v-card"') == 6 and "bought" in page and "popovertarget" in page and "Where every product starts" in page


def test_a_name_with_markup_stays_text(live_shop, staff):
    live_shop.products.update(title="<script>alert(1)</script>")
    assert "<script>alert(1)" not in staff.get("/console/s/tiny/preview/?user=shopper-003").content.decode()


def test_pages_need_few_queries(live_shop, staff, django_assert_max_num_queries):
    score_shard(live_shop.champion(), 0, 10**9)
    staff.get("/console/s/tiny/")
    for page, most in (("", 45), ("train/", 45), ("models/", 35), ("preview/?user=shopper-003", 40)):
        with django_assert_max_num_queries(most):
            staff.get(f"/console/s/tiny/{page}")


@pytest.mark.parametrize(("title", "initials"), [("RED GLASS lantern", "RG"), ("red", "R"), ("红色灯笼", "红"), ("", "·"), ("50's tin", "5T")])
def test_initials_of_a_drawn_card(title, initials):
    assert initials_of(title) == initials
