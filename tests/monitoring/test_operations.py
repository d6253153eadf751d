"""Alerts of operations: trainings that fail or do not begin, placements without a call, filters
that pass nothing.
"""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from recommender import tasks
from recommender.model_lifecycle import runs
from recommender.models import Alert, Placement, Product, ServedList, Shop, TrainingRun
from recommender.models.registry import RunStatus
from recommender.monitoring import operations

NIGHT = "recommender.tasks.learn_on_every_shop"


@pytest.fixture(autouse=True)
def _scheduled(db):
    """The schedule that migrations make; tests with transactions of their own empty its tables."""
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    for task, name in (
        (NIGHT, "Nightly training"),
        (operations.TRAININGS[1], "Weekly full training"),
        (operations.MONITOR, "Watch every shop"),
    ):
        if not PeriodicTask.objects.filter(task=task).exists():
            PeriodicTask.objects.create(task=task, name=name, interval=hourly)


def alerts(shop):
    operations.monitor(shop)
    return {(a.kind, a.subject): a.message for a in Alert.objects.of(shop).open()}


def ended(shop, status, hours_ago=1, recipe="fusion", error="disk full\ntraceback"):
    at = timezone.now() - timedelta(hours=hours_ago)
    return TrainingRun.objects.create(
        shop=shop,
        recipe=recipe,
        preset="quick",
        status=status,
        finished_at=at,
        error=error if status == RunStatus.FAILED else "",
    )


def test_a_failed_training_is_an_alert_until_the_next_one_ends_well(shop, staff):
    run = ended(shop, RunStatus.FAILED, 5)
    words = alerts(shop)["failed", "fusion"]
    assert f"Run {run.pk} failed on" in words and "disk full." in words and "traceback" not in words
    page = staff.get("/console/s/tiny/").content.decode()
    assert "Training failed" in page and "disk full" in page
    ended(shop, RunStatus.CANCELLED, 4)
    ended(shop, RunStatus.FINISHED, 3, recipe="incremental")
    assert list(alerts(shop)) == [("failed", "fusion")]
    ended(shop, RunStatus.FINISHED, 2)
    assert alerts(shop) == {}


def test_a_failure_of_long_ago_is_forgotten(shop):
    ended(shop, RunStatus.FAILED, 24 * 13)
    assert ("failed", "fusion") in alerts(shop)
    TrainingRun.objects.update(finished_at=timezone.now() - timedelta(days=15))
    assert alerts(shop) == {}


def test_the_end_of_a_run_is_told_at_once(shop, monkeypatch, tmp_path, settings):
    settings.VITRINE_CHECKPOINTS = tmp_path
    run = TrainingRun.objects.create(
        shop=shop, recipe="fusion", preset="quick", status=RunStatus.RUNNING
    )
    with pytest.raises(ZeroDivisionError):
        monkeypatch.setattr(runs, "_train", lambda *_: 1 / 0)
        monkeypatch.setattr(
            "recommender.infrastructure.task_queue.enqueue",
            lambda name, *args: getattr(tasks, name)(*args),
        )
        runs.run_training(run)
    assert "division by zero" in Alert.objects.of(shop).open().get(kind=Alert.FAILED).message


def begun(hours_ago, task=NIGHT):
    PeriodicTask.objects.filter(task=task).update(
        last_run_at=timezone.now() - timedelta(hours=hours_ago)
    )


def missed(shop):
    return [subject for kind, subject in alerts(shop) if kind == Alert.MISSED]


@pytest.fixture
def old_shop(stocked):
    """The stocked shop, its events received days ago."""
    stocked.events.update(received_at=timezone.now() - timedelta(days=10))
    return stocked


def test_a_scheduled_training_that_did_not_begin_is_an_alert(old_shop):
    name = PeriodicTask.objects.get(task=NIGHT).name
    assert missed(old_shop) == []
    begun(0.5)
    assert missed(old_shop) == []  # a worker may still be busy
    begun(3)
    assert missed(old_shop) == [name]
    PeriodicTask.objects.filter(task=NIGHT).update(enabled=False)
    assert missed(old_shop) == []
    PeriodicTask.objects.filter(task=NIGHT).update(enabled=True)
    ended(old_shop, RunStatus.FINISHED, 2)
    assert missed(old_shop) == []


def test_a_training_that_was_under_way_at_that_time_is_no_miss(old_shop):
    begun(3)
    run = ended(old_shop, RunStatus.FINISHED, 1)
    TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=9))
    assert missed(old_shop) == []
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(hours=8))
    assert missed(old_shop) != []


def test_a_shop_whose_events_came_later_misses_nothing(stocked):
    begun(3)
    stocked.events.update(received_at=timezone.now() - timedelta(hours=2))
    assert missed(stocked) == []
    stocked.events.update(received_at=timezone.now() - timedelta(hours=4))
    assert missed(stocked) != []


def test_a_shop_without_events_misses_nothing(shop):
    begun(3)
    assert missed(shop) == []


def test_a_queued_run_that_no_worker_takes_is_an_alert(shop):
    run = TrainingRun.objects.create(shop=shop, recipe="fusion", preset="quick")
    assert missed(shop) == []
    TrainingRun.objects.update(queued_at=timezone.now() - timedelta(hours=2))
    assert f"Run {run.pk} has waited since" in alerts(shop)["missed", ""]
    other = Shop.objects.create(key="other", name="Other")
    TrainingRun.objects.create(
        shop=other, recipe="fusion", preset="quick", status=RunStatus.RUNNING
    )
    assert missed(shop) == []  # shops share the workers: it waits for that one


def test_a_resumed_run_waits_from_when_it_was_resumed(shop):
    run = TrainingRun.objects.create(
        shop=shop,
        recipe="fusion",
        preset="quick",
        status=RunStatus.FAILED,
        finished_at=timezone.now(),
    )
    TrainingRun.objects.update(
        created_at=timezone.now() - timedelta(days=3), queued_at=timezone.now() - timedelta(days=3)
    )
    assert run.request_resume() and missed(shop) == []


def test_alerts_of_what_is_not_looked_at_any_more_are_closed(shop):
    for kind, subject in ((Alert.CLICKS, "home_top"), (Alert.SCORES, "v1"), (Alert.INPUT, "")):
        Alert.objects.note(shop, kind, subject, "moved")
    assert alerts(shop) == {}


def served(shop, number, days_ago, placement="home_top", simulated=False):
    at = timezone.now() - timedelta(days=days_ago)
    ServedList.objects.bulk_create(
        ServedList(
            shop=shop,
            recommendation_id=f"{days_ago}-{i}",
            placement=placement,
            items=[],
            created_at=at,
            simulated=simulated,
        )
        for i in range(number)
    )


def test_a_placement_that_falls_silent_is_an_alert(shop):
    served(shop, 499, 3)
    assert alerts(shop) == {}
    served(shop, 1, 2)
    assert "The shop asked for its last list on" in alerts(shop)["unasked", "home_top"]
    served(shop, 1, 0.9)
    assert alerts(shop) == {}


def test_simulated_lists_are_no_calls(shop):
    served(shop, 600, 3, simulated=True)
    assert alerts(shop) == {}
    served(shop, 600, 4)
    served(shop, 1, 0.1, simulated=True)
    assert ("unasked", "home_top") in alerts(shop)


def test_a_filter_that_nothing_passes_is_an_alert_until_something_does(shop):
    product = Product.objects.create(shop=shop, item_id="p", title="p", price=5)
    Placement.objects.filter(shop=shop, key="home_top").update(
        filter="price > :least", filter_values={"least": 5}
    )
    Placement.objects.filter(shop=shop, key="discover").update(filter="price > :given")
    assert alerts(shop) == {
        ("empty", "home_top"): "None of 1 products passes its filter, so its lists are empty."
    }
    product.price = 6
    product.save()
    assert alerts(shop) == {}


def test_an_alert_about_a_placement_goes_with_it(shop):
    Product.objects.create(shop=shop, item_id="p", title="p", price=5)
    Placement.objects.filter(shop=shop, key="home_top").update(filter="price > 5")
    assert ("empty", "home_top") in alerts(shop)
    shop.placements.get(key="home_top").withdraw()
    assert alerts(shop) == {}


def test_home_does_not_say_that_all_is_well_where_nothing_is_watched(live_shop, staff):
    def home(hours_ago):
        type(live_shop).objects.update(watched_at=timezone.now() - timedelta(hours=hours_ago))
        return staff.get("/console/s/tiny/").content.decode()

    assert "All is well" in home(2)
    silent = home(4)
    assert "All is well" not in silent and "nothing has been watched since" in silent
    operations.monitor(live_shop)
    assert "All is well" in staff.get("/console/s/tiny/").content.decode()
    PeriodicTask.objects.filter(task=operations.MONITOR).update(enabled=False)
    assert "nothing has been watched since" in home(4)
    every = IntervalSchedule.objects.create(every=6, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.filter(task=operations.MONITOR).update(enabled=True, interval=every)
    assert "All is well" in home(17) and "nothing has been watched since" in home(19)


def test_a_shop_that_was_never_watched_counts_from_its_beginning(shop):
    assert operations.unwatched_since(shop, timezone.now()) is None
    assert operations.unwatched_since(shop, timezone.now() + timedelta(hours=4)) == shop.created_at


@pytest.fixture
def save(shop, staff):
    """save(filter, **fields) posts the form of home_top."""
    Product.objects.create(shop=shop, item_id="p", title="p", price=5)
    Product.objects.create(shop=shop, item_id="q", title="q", price=7)
    placement = shop.placements.get(key="home_top")
    fields = {
        "shop": shop.pk,
        "key": "home_top",
        "name": "Home",
        "kind": "personal",
        "size": 6,
        "tail_percent": 0,
        "diversity": 0,
        "explore_percent": 0,
        "fallbacks": "popular,new",
        "filter_values": "{}",
    }

    def post(text, **more):
        address = f"/console/recommender/placement/{placement.pk}/change/"
        return staff.post(address, {**fields, "filter": text, **more}, follow=True).content.decode()

    post.kept = lambda: Placement.objects.get(pk=placement.pk).filter
    return post


def test_a_filter_that_nothing_passes_has_to_be_confirmed(save):
    page = save("price > 100000")
    assert save.kept() == "" and "None of 2 products passes this filter" in page
    assert (
        'type="checkbox" name="although_empty"' in page
        and "Save although no product passes the filter" in page
    )
    save("price > 100000", although_empty="on")
    assert save.kept() == "price > 100000"
    save("price > 100000", name="Another name")  # what was confirmed is not asked again
    assert Placement.objects.get(key="home_top").name == "Another name"


def test_saving_a_filter_tells_how_many_products_pass(save):
    assert "1 of 2 products pass the filter." in save("price > 5")
    assert 'type="checkbox" name="although_empty"' not in save("price > 6")
