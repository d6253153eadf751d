"""Train, a run's page and the strip of the newest run."""

from datetime import timedelta

import pytest
from django.db.models import Max, Min
from django.utils import timezone

from recommender.console import strip
from recommender.console.training import curves
from recommender.models import Event, MetricPoint, ModelVersion, Product, TrainingRun


@pytest.fixture
def started(monkeypatch):
    sent = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and sent.append(pk),
    )
    return sent


def test_what_can_be_chosen_is_what_there_is(stocked, staff):
    from recommender.console.training.recipe_choices import PRESETS
    from training.configuration.recipe import PRESETS as TRAINED
    from training.configuration.recipe import STANDARD as USUAL

    assert {preset for preset, _, _ in PRESETS} == set(TRAINED)
    page = " ".join(staff.get("/console/s/tiny/train/").content.decode().split())
    assert f'value="{USUAL}" checked' in page


def test_the_counts_of_the_days_come_after_the_page(stocked, staff):
    page = staff.get("/console/s/tiny/train/").content.decode()
    assert 'hx-get="/console/s/tiny/train/window/"' in page and "events</span>" not in page
    days = stocked.events.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    first, last = (days[k].astimezone(stocked.zone).date().isoformat() for k in ("first", "last"))
    part = staff.get(
        "/console/s/tiny/train/window/", {"data_from": first, "data_to": last}
    ).content.decode()
    assert f"{stocked.events.usable().count():,}</span> events" in part


def test_what_a_shop_lacks_for_each_recipe_is_said(shop, stocked, staff):
    from recommender.console.training.recipe_choices import RECIPES, missing
    from recommender.models import Review
    from recommender.support.defaults import settings_of

    lacks = missing(stocked)
    assert set(lacks) == set(RECIPES) and {r for r, sentence in lacks.items() if not sentence} == {
        "fusion",
        "behaviour",
        "retrieval",
        "mlm",
        "opinion",
        "answers",
    }
    assert lacks["incremental"] == lacks["distil"] == "Needs a model in use to start from."
    Review.objects.create(shop=stocked, review_id="1", text="good", rating=4)
    assert {r for r in ("rating", "sentiment", "topic") if not missing(stocked)[r]} == {
        "rating",
        "sentiment",
    }
    assert lacks["intent"]
    settings_of(stocked)
    assert not missing(stocked)["intent"], "the intents of a service desk have examples"


def test_a_training_is_started_with_what_was_chosen(stocked, staff, started):
    reply = staff.post(
        "/console/s/tiny/train/",
        {
            "preset": "quick",
            "promote": "never",
            "data_from": "2026-01-01",
            "advanced": "text.steps = 9",
        },
    )
    run = TrainingRun.objects.get()
    assert reply.url == f"/console/s/tiny/runs/{run.pk}/" and started == [run.pk]
    assert (run.preset, run.promote, run.overrides, run.created_by.username) == (
        "quick",
        "never",
        {"text.steps": "9"},
        "boss",
    )
    assert "Waiting for a worker" in staff.get(reply.url).content.decode()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"advanced": "text.stepz = 1"}, "text.stepz"),
        ({"advanced": "x"}, "field = value"),
        ({"data_from": "2026-02-01", "data_to": "2026-01-01"}, "after the last"),
    ],
)
def test_a_wrong_choice_is_said_in_words(stocked, staff, started, fields, says):
    reply = staff.post("/console/s/tiny/train/", {"preset": "quick", "promote": "ask", **fields})
    assert reply.status_code == 200 and says in reply.content.decode() and not started


def test_the_days_chosen_are_counted(stocked, staff):
    assert (
        "events"
        in staff.get(
            "/console/s/tiny/train/window/?preset=standard&promote=ask&data_from=2026-01-01"
        ).content.decode()
    )


def test_the_dialog_of_another_purpose_says_nothing_about_lists(live_shop, staff):
    run = TrainingRun.objects.create(
        shop=live_shop, recipe="mlm", status="running", heartbeat_at=timezone.now()
    )
    whole = staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    dialog = whole.split('id="cancel-dialog"')[1].split("</dialog>")[0]
    assert "what is popular" not in dialog and "keeps serving" not in dialog


def test_the_error_of_a_run_is_a_sentence(live_shop, staff):
    run = TrainingRun.objects.create(
        shop=live_shop, status="failed", error="choose other dates", finished_at=timezone.now()
    )
    page = staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    assert "Stopped: choose other dates. v1 keeps serving." in page


def test_a_running_run_is_polled_and_a_finished_one_is_not(live_shop, staff):
    run = TrainingRun.objects.create(
        shop=live_shop,
        status="running",
        stage="Fine-tuning",
        progress=0.4,
        heartbeat_at=timezone.now(),
        started_at=timezone.now() - timedelta(minutes=2),
    )
    run.points.create(name="text.loss", step=10, value=1.5)
    live = staff.get(f"/console/s/tiny/runs/{run.pk}/live/").content.decode()
    assert "every 2s" in live and "about 3 min left" in live and '"x": 10' in live
    whole = staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    dialog = whole.split('id="cancel-dialog"')[1].split("</dialog>")[0]
    assert "Cancel run" in whole and "v1 keeps serving." in dialog
    for control in ("<button", "<form", "<dialog", "<a class"):
        assert control not in live.replace(f'href="/console/s/tiny/runs/{run.pk}/log/"', ""), (
            "what is polled holds no control"
        )
    assert "Fine-tuning" in staff.get("/console/s/tiny/strip/").content.decode()
    assert staff.post(f"/console/s/tiny/runs/{run.pk}/cancel/").status_code == 302
    run.refresh_from_db()
    assert run.cancel_requested
    run.finish("failed", "out of memory")
    ended = staff.get(f"/console/s/tiny/runs/{run.pk}/live/").content.decode()
    assert "every 2s" not in ended and "out of memory" in ended and "Start again" in ended


def test_a_failed_run_can_be_started_again(stocked, staff, started):
    run = TrainingRun.objects.create(
        shop=stocked, status="failed", preset="quick", overrides={"rounds": 5}
    )
    staff.post(f"/console/s/tiny/runs/{run.pk}/again/")
    again = TrainingRun.objects.get(pk=started[0])
    assert (again.preset, again.overrides, again.status) == ("quick", {"rounds": 5}, "queued")


def test_recipes_say_what_the_shop_lacks_for_them(live_shop, staff, started):
    page = staff.get("/console/s/tiny/train/").content.decode()
    assert (
        "Full fusion" in page
        and "Needs reviews with stars" in page
        and "Needs solved dialogues" in page
    )
    reply = staff.post(
        "/console/s/tiny/train/", {"recipe": "rating", "preset": "standard", "promote": "never"}
    )
    assert (
        reply.status_code == 200
        and "Needs reviews with stars" in reply.content.decode()
        and started == []
    )
    live_shop.reviews.create(review_id="r", text="fine", rating=5)
    assert (
        staff.post(
            "/console/s/tiny/train/", {"recipe": "rating", "preset": "standard", "promote": "never"}
        ).status_code
        == 302
    )
    assert TrainingRun.objects.first().recipe == "rating"


def test_the_advanced_fields_are_those_of_the_recipe(shop, staff):
    assert (
        "label_smoothing"
        in staff.get("/console/s/tiny/train/fields/?recipe=sentiment").content.decode()
    )
    reply = staff.post(
        "/console/s/tiny/train/",
        {
            "recipe": "mlm",
            "preset": "standard",
            "promote": "never",
            "advanced": "label_smoothing = 0.1",
        },
    )
    assert "label_smoothing: no such field" in reply.content.decode()


def test_a_stopped_run_can_be_resumed(live_shop, staff, started, checkpoints):

    run = TrainingRun.objects.create(shop=live_shop, status="cancelled", promote="never")
    assert "Start again" in staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    (run.folder / "state").mkdir(parents=True)
    assert f"Resume run {run.pk}" in staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    staff.post(f"/console/s/tiny/runs/{run.pk}/resume/")
    run.refresh_from_db()
    assert run.status == "queued" and started == [run.pk]


def test_a_run_that_trained_the_projection_alone_shows_its_curve(shop, staff):
    run = TrainingRun.objects.create(shop=shop, recipe="incremental", status="finished")
    page = f"/console/s/tiny/runs/{run.pk}/"
    assert "did not reach fine-tuning" in staff.get(page).content.decode()
    for name, value in (("projection.ndcg@10", 0.1234), ("projection.loss", 6.789)):
        run.points.create(name=name, step=50, value=value)
    shown = staff.get(page).content.decode()
    assert "0.1234" in shown and "6.789" in shown


def test_a_run_without_validation_rows_says_why_there_is_no_curve(shop, staff):
    run = TrainingRun.objects.create(
        shop=shop, recipe="intent", status="finished", counts={"dialogues": 1770, "events": 0}
    )
    run.points.create(name="text.loss", step=50, value=0.5)
    shown = staff.get(f"/console/s/tiny/runs/{run.pk}/").content.decode()
    assert (
        "none is left for validation" in shown
        and "did not reach" not in shown
        and "NDCG" not in shown
    )
    assert "<td>Intents</td>" in shown and "<td>1,770 dialogues</td>" in shown
    assert "Intents" in staff.get("/console/s/tiny/train/").content.decode()


def test_the_strip_tells_of_the_run_that_ended_last(live_shop, staff):
    TrainingRun.objects.update(finished_at=timezone.now() - timedelta(days=3))
    now = timezone.now()
    first = TrainingRun.objects.create(
        shop=live_shop, status="failed", error="out of memory", finished_at=now
    )
    TrainingRun.objects.create(
        shop=live_shop, status="cancelled", finished_at=now - timedelta(hours=1)
    )
    strip = staff.get("/console/s/tiny/strip/").content.decode()
    assert f"Run {first.pk} stopped: out of memory" in strip


def test_only_events_that_can_be_learned_from_call_for_a_training(live_shop, staff):
    product = live_shop.products.first()
    rows = [
        Event(
            shop=live_shop,
            event_id=f"n{i}",
            session_id="s",
            product=product,
            type="view",
            occurred_at=timezone.now(),
            simulated=i >= 12,
        )
        for i in range(500)
    ]
    Event.objects.bulk_create(rows)
    version = live_shop.champion()
    TrainingRun.objects.filter(pk=version.run_id).update(
        started_at=timezone.now() - timedelta(minutes=1), finished_at=timezone.now()
    )
    Event.objects.exclude(event_id__startswith="n").update(
        received_at=timezone.now() - timedelta(days=1)
    )
    Product.objects.update(created_at=timezone.now() - timedelta(days=1))
    page = staff.get("/console/s/tiny/train/").content.decode()
    assert "12 new events since v1 was trained: hardly worth a training." in page


def points(run, name, *values):
    MetricPoint.objects.bulk_create(
        MetricPoint(run=run, name=name, step=step, value=value) for step, value in values
    )


def test_the_curve_shows_both_phases_one_after_the_other_and_the_chosen_step(shop):
    run = TrainingRun.objects.create(shop=shop, status="running")
    points(run, "projection.ndcg@10", (0, 0.05), (100, 0.11), (200, 0.12))
    points(run, "projection.loss", (100, 3.0), (200, 2.5))
    projection, tuning, chosen = curves.charts(run)["chart-quality"]["series"]
    assert (
        [p["x"] for p in projection["data"]] == [0, 100, 200]
        and not tuning["data"]
        and not chosen["data"]
    )
    points(run, "text.ndcg@10", (0, 0.12), (50, 0.13), (100, 0.10))
    points(run, "text.loss", (50, 2.0), (100, 1.5))
    drawn = curves.charts(run)
    projection, tuning, _ = drawn["chart-quality"]["series"]
    assert len(projection["data"]) == 3 and [p["x"] for p in tuning["data"]] == [200, 250, 300]
    assert [p["x"] for p in drawn["chart-loss"]["series"][1]["data"]] == [250, 300]
    version = ModelVersion.objects.register(
        run, "nowhere", {"chosen": {"text.projection_steps": 200, "text.steps": 50}}
    )
    assert curves.charts(run)["chart-quality"]["series"][2]["data"] == [{"x": 250, "y": 0.13}]
    version.report["chosen"]["text.steps"] = 0
    run.version = version
    assert curves.charts(run)["chart-quality"]["series"][2]["data"] == [{"x": 200, "y": 0.12}]


@pytest.mark.parametrize(
    ("before", "passed", "progress", "words"),
    [
        (None, 5, 0.01, ""),  # nothing to tell it by
        (None, 10, 0.5, "about 10 min left"),
        (20, 5, 0.0, "about 15 min left"),
        (20, 5, 0.25, "about 15 min left"),  # as the last one
        (20, 8, 0.25, "about 18 min left"),  # slower than the last one
        (60, 5, 0.95, "less than a minute left"),  # much faster
        (20, 25, 0.99, "less than a minute left"),
    ],
)
def test_the_time_that_is_left_falls_as_time_passes(shop, before, passed, progress, words):
    now = timezone.now()
    if before:
        ended = now - timedelta(minutes=60)
        TrainingRun.objects.create(
            shop=shop,
            status="finished",
            started_at=ended - timedelta(minutes=before),
            finished_at=ended,
        )
    run = TrainingRun.objects.create(
        shop=shop, status="running", started_at=now - timedelta(minutes=passed), progress=progress
    )
    assert strip.minutes_left(run) == words
