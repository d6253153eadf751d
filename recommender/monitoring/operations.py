"""Alerts of operations: failed or missed trainings, silent placements, empty filters; and drift."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from recommender.catalog.eligibility import read_products
from recommender.catalog.filter_language import FilterError
from recommender.catalog.product_index import passing
from recommender.models import Alert, Shop, TrainingRun
from recommender.models.registry import RunStatus
from recommender.monitoring import drift
from recommender.monitoring.alerts import raise_alert
from recommender.monitoring.drift import Finding

TRAININGS = ("recommender.tasks.learn_on_every_shop", "recommender.tasks.train_every_shop")
"""Scheduled tasks that start trainings."""
MONITOR = "recommender.tasks.monitor_every_shop"
LATE = timedelta(hours=1)
"""Delay after which a scheduled training has not started, or a queued one has no worker."""
FAILURES_COUNT = timedelta(days=14)
"""How long an alert of a failed training stays open without a later success of the recipe."""
SILENT, BEFORE, FEWEST_LISTS = timedelta(days=1), timedelta(days=28), 500
"""A placement is silent after SILENT without a list, if it had FEWEST_LISTS in BEFORE."""
LONGEST_REASON = 200


def monitor(shop: Shop) -> int:
    """Run all checks of a shop and update its alerts; returns the number of open ones."""
    moved = list(drift.findings(shop))
    for kind in DRIFT:
        _note(shop, [finding for finding in moved if finding.kind == kind], kind)
    for kind, findings in OPERATIONS.items():
        _note(shop, findings(shop), kind)
    Shop.objects.filter(pk=shop.pk).update(watched_at=timezone.now())
    return Alert.objects.of(shop).open().count()


def note_trainings(shop: Shop) -> None:
    """Update the alerts of failed trainings; called at the end of each run."""
    _note(shop, _failed(shop), Alert.FAILED)


def unwatched_since(shop: Shop, now: datetime) -> datetime | None:
    """Time of the last monitoring, if it is overdue; None while monitoring works."""
    task = (
        PeriodicTask.objects.filter(task=MONITOR, enabled=True).select_related("interval").first()
    )
    usual = task.interval.schedule.run_every if task and task.interval else LATE
    last = shop.watched_at or shop.created_at
    return last if last < now - max(3 * usual, 3 * LATE) else None


def _note(shop: Shop, findings: Iterable[Finding], kind: str) -> None:
    """Update the alerts of a kind; alerts whose subject is no longer checked are closed."""
    subjects = []
    for finding in findings:
        raise_alert(shop, finding.kind, finding.subject, finding.message)
        subjects.append(finding.subject)
    Alert.objects.of(shop).open().filter(kind=kind).exclude(subject__in=subjects).update(
        until=timezone.now()
    )


def _failed(shop: Shop) -> Iterator[Finding]:
    """The last ended run of each recipe."""
    ended = shop.runs.filter(
        status__in=(RunStatus.FINISHED, RunStatus.FAILED),
        finished_at__gte=timezone.now() - FAILURES_COUNT,
    )
    for run in ended.order_by("recipe", "-finished_at", "-id").distinct("recipe"):
        words = None
        if run.status == RunStatus.FAILED:
            reason = (run.error.strip().splitlines() or ["no reason is known"])[0][
                :LONGEST_REASON
            ].rstrip(". ")
            words = f"Run {run.pk} failed on {run.finished_at:%-d %B at %H:%M} UTC: {reason}."
        yield Finding(Alert.FAILED, run.recipe, words)


def _missed(shop: Shop) -> Iterator[Finding]:
    """Scheduled trainings that did not start, and queued runs without a worker."""
    now = timezone.now()
    for task in PeriodicTask.objects.filter(
        enabled=True, task__in=TRAININGS, last_run_at__lt=now - LATE
    ):
        due = task.last_run_at
        at_work = Q(created_at__gte=due - LATE) | Q(finished_at__gte=due) | Q(finished_at=None)
        had_events = shop.events.filter(received_at__lte=due).exists()
        began = not had_events or shop.runs.filter(at_work).exists()
        words = (
            None
            if began
            else f"It was due on {due:%-d %B at %H:%M} UTC and did not begin. Is a worker running?"
        )
        yield Finding(Alert.MISSED, task.name[:80], words)
    waiting = shop.runs.filter(status=RunStatus.QUEUED).order_by("queued_at").first()
    busy = TrainingRun.objects.filter(
        status=RunStatus.RUNNING
    ).exists()  # of any shop: they share the workers
    late = waiting is not None and waiting.queued_at < now - LATE and not busy
    words = (
        (
            f"Run {waiting.pk} has waited since {waiting.queued_at:%-d %B at %H:%M} UTC for a "
            "worker. Is one running?"
        )
        if late
        else None
    )
    yield Finding(Alert.MISSED, "", words)


def _silent_placements(shop: Shop) -> Iterator[Finding]:
    now = timezone.now()
    lists = shop.served.filter(simulated=False, created_at__gte=now - SILENT - BEFORE)
    counted = (
        lists.values("placement")
        .order_by()
        .annotate(last=Max("created_at"), before=Count("pk", filter=Q(created_at__lt=now - SILENT)))
    )
    counts = {row["placement"]: row for row in counted}
    for placement in shop.placements.all():
        row = counts.get(placement.key)
        silent = row is not None and row["last"] < now - SILENT and row["before"] >= FEWEST_LISTS
        words = (
            (
                f"The shop asked for its last list on {row['last']:%-d %B at %H:%M} UTC. Is it "
                "still on the page?"
            )
            if silent
            else None
        )
        yield Finding(Alert.UNASKED, placement.key, words)


def _empty_filters(shop: Shop) -> Iterator[Finding]:
    placements = list(shop.placements.all())
    products = (
        read_products(shop.pk)
        if any(placement.filter.strip() for placement in placements)
        else None
    )
    for placement in placements:
        words = None
        if placement.filter.strip():
            try:
                passed, showable = passing(products, placement.filter, placement.filter_values)
                words = (
                    f"None of {showable:,} products passes its filter, so its lists are empty."
                    if showable and not passed
                    else None
                )
            except FilterError:  # a parameter that each request brings
                words = None
        yield Finding(Alert.EMPTY, placement.key, words)


DRIFT = (Alert.SILENCE, Alert.INPUT, Alert.SCORES, Alert.CLICKS)
OPERATIONS = {
    Alert.FAILED: _failed,
    Alert.MISSED: _missed,
    Alert.UNASKED: _silent_placements,
    Alert.EMPTY: _empty_filters,
}
"""Checks by kind of alert; each yields every subject that it checked."""
