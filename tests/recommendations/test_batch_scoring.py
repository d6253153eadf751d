"""Batch scoring by several Celery workers at once, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery.exceptions import Retry
from django.db import connection

from recommender import tasks
from recommender.models import Shopper
from recommender.recommendations import batch_scoring
from tests.servers import environment_of_tests

SHARD = 5


@pytest.fixture
def begin(transactional_db, checkpoints, tmp_path):
    """begin() starts a worker on the test database, in a process group of its own."""
    started = []

    def begin() -> subprocess.Popen:
        command = [
            Path(sys.executable).parent / "celery",
            "-A",
            "ecomsite",
            "worker",
            "-Q",
            "score",
            "-c",
            "1",
            "-n",
            f"score-{len(started)}@here",
        ]
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    command,
                    env=environment_of_tests(checkpoints),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def _written_again(shop) -> int:
    """Lists that were made more than once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM recommender_recommendationlist WHERE shop_id = %s AND xmax <> 0",
            [shop.pk],
        )
        return cursor.fetchone()[0]


def test_two_workers_make_each_list_once_though_all_are_queued_three_times(
    begin, live_shop, monkeypatch
):
    monkeypatch.setattr(batch_scoring, "SHARD", SHARD)
    begin(), begin()
    for _ in range(3):
        assert batch_scoring.score_shop(live_shop) >= 0
    _until(
        lambda: (
            live_shop.lists.count()
            == Shopper.objects.of(live_shop).filter(revision__gt=0).count()
            > SHARD
        )
    )
    time.sleep(1)
    assert _written_again(live_shop) == 0


def test_what_a_killed_worker_held_is_made_by_the_next(begin, live_shop, monkeypatch):
    monkeypatch.setattr(batch_scoring, "SHARD", SHARD)
    first = begin()
    batch_scoring.score_shop(live_shop)
    _until(lambda: live_shop.lists.exists())
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    begin()
    _until(
        lambda: (
            live_shop.lists.count() == Shopper.objects.of(live_shop).filter(revision__gt=0).count()
        )
    )


def test_what_another_worker_is_at_work_on_is_left_to_it(transactional_db, live_shop):
    from django.db import connections

    version = live_shop.champion()
    ids = list(batch_scoring.due(live_shop.champion()).values_list("pk", flat=True))
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute(
                f"SELECT pg_advisory_lock({batch_scoring.LOCK}) FROM unnest(%s::bigint[]) AS id",
                [version.pk, ids[:10]],
            )
        assert batch_scoring.score_shard(version, 0, 10**9) == len(ids) - 10
        with pytest.raises(Retry):
            tasks.score_shard.apply(args=[version.pk, ids[0], ids[-1]], throw=True)
    finally:
        other.close()
    _until(lambda: batch_scoring.score_shard(version, 0, 10**9) == 10)
    assert batch_scoring.score_shard(version, 0, 10**9) == 0
