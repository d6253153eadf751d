import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecomsite import embedded
from recommender import tasks
from recommender.model_lifecycle import errors, run_options, runs, training_process
from recommender.models import MetricPoint, ModelVersion, TrainingRun
from tests.tiny_models import CONFIG


@pytest.fixture
def run(stocked, checkpoints, tiny_encoder) -> TrainingRun:
    return TrainingRun.objects.create(
        shop=stocked, overrides={**CONFIG, "text.encoder": str(tiny_encoder)}, promote="if-better"
    )


@pytest.fixture
def scored(monkeypatch):
    query = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "score_shop" and query.append(pk),
    )
    return query


def child_that(code: str):
    """In place of the training process: a child that runs this code, its output in the log."""

    def start(run: TrainingRun, folder: Path) -> subprocess.Popen:
        with (folder / "log.txt").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", code], stdout=log, stderr=subprocess.STDOUT
            )

    return start


def test_a_run_goes_from_the_database_to_a_champion(run, scored):
    tasks.train(run.pk)
    run.refresh_from_db()
    assert run.status == "finished", run.error + run.log_tail
    version = ModelVersion.objects.get()
    assert (version.status, version.run, scored) == ("champion", run, [run.shop_id])
    assert (
        run.snapshot_digest.startswith("sha256:")
        and run.counts["events"] > 2000
        and "ndcg@10" in run.log_tail
    )
    names = set(MetricPoint.objects.values_list("name", flat=True))
    assert {
        "text.loss",
        "text.ndcg@10",
        "all.vitrine.ndcg@10",
        "discovery.popularity.ndcg@10",
    } <= names
    assert not (run.folder / "snapshot").exists()


def test_a_second_delivery_does_nothing(run, monkeypatch):
    TrainingRun.objects.claim(run.pk)
    monkeypatch.setattr(runs, "run_training", lambda run: pytest.fail("a second worker began"))
    tasks.train(run.pk)


def test_a_killed_child_is_a_failed_run_with_its_log(run, monkeypatch):
    monkeypatch.setattr(
        runs,
        "start_process",
        child_that("import os; print('step 40', flush=True); os.kill(os.getpid(), 9)"),
    )
    tasks.train(run.pk)
    run.refresh_from_db()
    assert (
        run.status == "failed"
        and "killed" in run.error
        and run.log_tail == "step 40"
        and not ModelVersion.objects.exists()
    )


def test_an_error_of_training_is_the_runs_reason(run, monkeypatch):
    monkeypatch.setattr(
        runs,
        "start_process",
        child_that("import sys; sys.exit(print('error: too few shoppers', flush=True) or 2)"),
    )
    tasks.train(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "too few shoppers")


def test_cancelling_stops_the_child(run, monkeypatch):
    monkeypatch.setattr(runs, "start_process", child_that("import time; time.sleep(60)"))
    monkeypatch.setattr(training_process, "POLL_SECONDS", 0.05)
    polls = []

    def cancel_at_the_third(folder):
        polls.append(folder)
        if len(polls) == 3:
            run.request_cancel()
        return ""

    monkeypatch.setattr(training_process, "tail_of", cancel_at_the_third)
    begun = time.monotonic()
    tasks.train(run.pk)
    run.refresh_from_db()
    assert run.status == "cancelled" and time.monotonic() - begun < 20


def test_a_shop_without_events_says_so(shop, checkpoints):
    run = TrainingRun.objects.create(shop=shop)
    tasks.train(run.pk)
    run.refresh_from_db()
    assert run.status == "failed" and "no products" in run.error


def test_the_child_dies_with_its_worker(tmp_path):
    code = (
        "import subprocess, sys, time; from recommender.model_lifecycle.training_process import "
        "_die_with_parent\np = subprocess.Popen([sys.executable, '-c', 'import time; "
        "time.sleep(60)'], preexec_fn=_die_with_parent)\nprint(p.pid, flush=True); time.sleep(60)"
    )
    setup = "import django; django.setup()\n"
    worker = subprocess.Popen(
        [sys.executable, "-c", setup + code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ecomsite.settings"},
    )
    child = int(worker.stdout.readline())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    deadline = time.monotonic() + 5
    while embedded._alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_scheduled_tasks_cover_every_shop(live_shop, monkeypatch):
    begun, shards = [], []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and begun.append(pk),
    )
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue_group",
        lambda name, calls: shards.extend(calls),
    )
    tasks.train_every_shop("quick")
    tasks.train_every_shop("quick")
    assert len(begun) == 1 and TrainingRun.objects.get(pk=begun[0]).preset == "quick"
    tasks.score_every_shop()
    assert len(shards) == 1
    tasks.score_shard(*shards[0])
    assert live_shop.lists.count() == 80
    tasks.fail_silent_runs()


def test_web_processes_never_import_torch(live_shop, checkpoints, register):
    """A process that serves every address and a live list, with the real checkpoint, has no
    torch.
    """
    folder = checkpoints / live_shop.champion().folder
    code = (
        "import sys, django; django.setup(); import ecomsite.urls, ecomsite.wsgi, "
        "recommender.tasks\n"
        "from datetime import datetime, UTC; from recommender.inference.history import "
        "HistoryEvent\n"
        "from recommender.inference.model_cache import load\n"
        f"model = load({str(folder)!r}, verify=True); now = datetime.now(UTC)\n"
        "history = [HistoryEvent('LA/0', 'purchase', now, 1, None)]; found = "
        "model.recommend([history], now, 5)[0]\n"
        "explained = model.explain(history, [place.item_id for place in found], now)\n"
        "assert len(found) == len(explained) == 5; sys.exit(' "
        "'.join({'torch', 'transformers', 'training.finetuning.loop'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ecomsite.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_embedded_servers_come_back_with_their_data_after_kill_9(tmp_path):
    import psycopg2
    import redis

    embedded.start(tmp_path)
    try:
        with (
            psycopg2.connect(**embedded.postgres_dsn(tmp_path)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        queue = redis.Redis(
            unix_socket_path=embedded.valkey_url(tmp_path).removeprefix("redis+socket://")
        )
        queue.set("kept", "7")
        time.sleep(1.1)
        for pid_file in (
            tmp_path / "postgres" / "postmaster.pid",
            tmp_path / "valkey" / "valkey.pid",
        ):
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        embedded.start(tmp_path)
        with (
            psycopg2.connect(**embedded.postgres_dsn(tmp_path)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT n FROM kept")
            assert cursor.fetchone() == (7,)
        assert queue.get("kept") == b"7"
        assert embedded.run_folder(tmp_path).stat().st_mode & 0o777 == 0o700
    finally:
        embedded.stop(tmp_path)
    assert embedded.status(tmp_path) == {"postgres": False, "valkey": False}


def test_a_resumed_run_goes_on_from_its_state_and_snapshot(run, monkeypatch):
    folder = run.folder
    stops = (
        f"import pathlib, sys; p = pathlib.Path({str(folder)!r}); (p / 'state').mkdir(); "
        "sys.exit(143)"
    )
    monkeypatch.setattr(runs, "start_process", child_that(stops))
    tasks.train(run.pk)
    run.refresh_from_db()
    digest = run.snapshot_digest
    assert run.status == "failed" and (folder / "snapshot").exists()

    query = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and query.append(pk),
    )
    assert runs.resume_run(run) and not runs.resume_run(run) and query == [run.pk]
    monkeypatch.undo()
    commands = []
    real = subprocess.Popen
    monkeypatch.setattr(
        training_process.subprocess,
        "Popen",
        lambda command, **more: (
            commands.append(command) or real([sys.executable, "-c", "raise SystemExit(2)"], **more)
        ),
    )
    tasks.train(run.pk)
    run.refresh_from_db()
    assert "--resume" in commands[0] and run.snapshot_digest == digest


def test_a_stale_run_is_taken_over_but_not_while_its_folder_is_held(run):
    import fcntl

    folder = run.folder
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tasks.train(run.pk)
    run.refresh_from_db()
    assert run.status == "failed" and "another worker still holds" in run.error


def test_a_review_model_goes_from_the_database_to_a_champion_of_its_own(
    shop, checkpoints, tiny_encoder, live_shop
):
    from recommender.models import Review
    from tests import tinyshop

    for row in tinyshop.tables()["reviews"].iter_rows(named=True):
        Review.objects.create(
            shop=shop,
            review_id=row["review_id"],
            text=f"{row['title']} {row['text']}",
            rating=row["rating"],
            topic=row["topic"],
        )
    before = shop.champion()
    fields = {
        "text.encoder": str(tiny_encoder),
        "text.steps": 10,
        "text.epochs": 0,
        "text.evaluate_every": 5,
        "text.frozen_layers": 1,
        "onnx": False,
    }
    run = TrainingRun.objects.create(shop=shop, recipe="rating", overrides=fields, promote="always")
    tasks.train(run.pk)
    run.refresh_from_db()
    assert run.status == "finished", run.error + run.log_tail
    version = shop.champion("rating")
    assert (
        version.run == run
        and "Mean squared error" in version.gate_reason
        and shop.champion() == before
    )


def test_an_encoder_may_be_named_by_its_version(run, live_shop):
    run.overrides = {"text.encoder": f"v{live_shop.champion().number}"}
    fields = run_options.overrides_of(run, None)
    assert fields["text.encoder"].endswith("/checkpoint/encoder")
    run.overrides = {"text.encoder": "v99"}
    with pytest.raises(errors.RunFailed, match="there is no version v99"):
        run_options.overrides_of(run, None)


def test_a_run_whose_worker_died_goes_on_by_itself_while_it_has_a_state(run, monkeypatch):
    from datetime import timedelta

    from django.utils import timezone

    query = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and query.append(pk),
    )
    (run.folder / "state").mkdir(parents=True)
    for attempt in range(1, runs.MOST_TRIES + 1):
        assert TrainingRun.objects.claim(run.pk)
        TrainingRun.objects.filter(pk=run.pk).update(
            heartbeat_at=timezone.now() - timedelta(minutes=5)
        )
        ended = runs.tend_silent_runs()
        run.refresh_from_db()
        assert (ended, run.status, run.tries) == (
            (0, "queued", attempt) if attempt < runs.MOST_TRIES else (1, "failed", attempt)
        )
    assert query == [run.pk] * (runs.MOST_TRIES - 1)


def test_a_break_of_the_database_does_not_end_a_run(run, monkeypatch):
    """The worker waits until it answers again; the training itself knows nothing of it."""
    from django.db import OperationalError

    monkeypatch.setattr(
        runs,
        "start_process",
        child_that("import time; print('step 40', flush=True); time.sleep(2)"),
    )
    monkeypatch.setattr("recommender.infrastructure.availability.time.sleep", lambda _: None)
    monkeypatch.setattr("recommender.infrastructure.availability.connection.close", lambda: None)
    beat, breaks = TrainingRun.beat, iter([False, True, True, False, True])

    def broken(self, **fields):
        if next(breaks, False):
            raise OperationalError("the connection is closed")
        return beat(self, **fields)

    monkeypatch.setattr(TrainingRun, "beat", broken)
    tasks.train(run.pk)
    run.refresh_from_db()
    assert next(breaks, "all used") == "all used" and run.log_tail == "step 40"
    assert run.status == "failed" and "checkpoint" in run.error, (
        "to its end, where this child left no checkpoint"
    )
