"""Queues Celery tasks by name, so that no module below tasks.py imports it."""

from collections.abc import Iterable

from celery import current_app
from django.db import transaction

TASKS = "recommender.tasks."


def enqueue(name: str, *args) -> None:
    """Queue a task of recommender.tasks once the transaction is committed.

    Does not fail where the queue is unreachable: the periodic tasks find what was missed.
    """
    transaction.on_commit(lambda: current_app.send_task(TASKS + name, args), robust=True)


def enqueue_group(name: str, calls: Iterable[tuple]) -> None:
    """Queue a task several times at once, each with its own arguments.

    Raises kombu's OperationalError where the queue is unreachable.
    """
    with current_app.producer_pool.acquire(block=True) as producer:
        for args in calls:
            current_app.send_task(TASKS + name, args, producer=producer)
