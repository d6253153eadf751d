"""Purges: delete the products or events that match a selection, in steps, by a worker.

Each step is a transaction, so a purge can be followed, canceled, and continued after its worker
died. Rows that came or changed after the request stay.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import select
from recommender.infrastructure import task_queue
from recommender.infrastructure.availability import UNREACHABLE, patiently
from recommender.models import Event, Product, Purge, Shop
from recommender.models.purges import PurgeStatus

log = logging.getLogger(__name__)
STEP = {Purge.ITEMS: 200, Purge.EVENTS: 5000}
"""Rows of a step; a product takes its events with it."""


def matching_items(shop: Shop, selection: dict[str, Any]) -> list[str]:
    """Ids of the products that a filter matches, in order. Raises FilterError."""
    chosen = select([selection["filter"]], selection.get("params", {}))
    frame = read_products(shop.pk)
    return frame.filter(allowed(frame, chosen, timezone.now(), None))["item_id"].sort().to_list()


def matching_events(shop: Shop, selection: dict[str, Any]) -> QuerySet[Event]:
    """Rows of the events of a selection: since, until (ISO dates), types, simulated."""
    rows = shop.events.all()
    if "since" in selection:
        rows = rows.filter(occurred_at__gte=datetime.fromisoformat(selection["since"]))
    if "until" in selection:
        rows = rows.filter(occurred_at__lt=datetime.fromisoformat(selection["until"]))
    if "types" in selection:
        rows = rows.filter(type__in=selection["types"])
    if "simulated" in selection:
        rows = rows.filter(simulated=selection["simulated"])
    return rows


def count_matching(shop: Shop, target: str, selection: dict[str, Any], as_of: datetime) -> int:
    """Number of products, or of rows of events (one per product of an event).

    as_of: events that were received later do not count
    """
    if target == Purge.ITEMS:
        return len(matching_items(shop, selection))
    return matching_events(shop, selection).filter(received_at__lte=as_of).count()


def start_purge(
    shop: Shop, target: str, selection: dict[str, Any], total: int, as_of: datetime
) -> Purge:
    """Store a purge of what was there at `as_of`, and queue it."""
    purge = Purge.objects.create(
        shop=shop, target=target, selection=selection, total=total, created_at=as_of
    )
    task_queue.enqueue("run_purge", purge.pk)
    return purge


def run_purge(pk: int) -> None:
    """Delete what is left of a purge; its row holds progress and result."""
    rows = Purge.objects.filter(pk=pk)
    if not rows.filter(status=PurgeStatus.QUEUED).update(
        status=PurgeStatus.RUNNING, heartbeat_at=timezone.now()
    ):
        return
    purge = Purge.objects.select_related("shop").get(pk=pk)
    if purge.cancel_requested:
        purge.finish(PurgeStatus.CANCELLED)
        return
    steps = _items_steps(purge) if purge.target == Purge.ITEMS else _events_steps(purge)
    try:
        for deleted in steps:
            if not patiently(lambda deleted=deleted: purge.note(deleted)):
                purge.finish(PurgeStatus.CANCELLED)
                return
    except UNREACHABLE:
        raise  # it stays active without a heartbeat, and is continued
    except Exception as error:
        purge.finish(PurgeStatus.FAILED, f"{type(error).__name__}: {error}")
        raise
    purge.finish(PurgeStatus.FINISHED)


def _items_steps(purge: Purge) -> Iterator[int]:
    ids, size = matching_items(purge.shop, purge.selection), STEP[Purge.ITEMS]
    for start in range(0, len(ids), size):
        step = ids[start : start + size]
        yield len(Product.objects.remove(purge.shop, step, purge.created_at))


def _events_steps(purge: Purge) -> Iterator[int]:
    rows = matching_events(purge.shop, purge.selection)
    rows = rows.filter(received_at__lte=purge.created_at).order_by("occurred_at")
    while pks := list(rows.values_list("pk", flat=True)[: STEP[Purge.EVENTS]]):
        yield Event.objects.filter(pk__in=pks).remove()


def tend_purges() -> None:
    """Queue purges again whose task was lost or whose worker died."""
    for purge in Purge.objects.silent():
        if purge.cancel_requested:
            purge.finish(PurgeStatus.CANCELLED)
            continue
        log.info("purge %s is continued", purge.pk)
        purge.requeue()
        task_queue.enqueue("run_purge", purge.pk)
