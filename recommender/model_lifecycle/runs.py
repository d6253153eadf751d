"""Training runs: queueing, execution in a child process, registration, recovery."""

import contextlib
import fcntl
import json
import logging
import shutil
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from recommender.inference import checkpoint_files, training_options, verification
from recommender.infrastructure import task_queue
from recommender.infrastructure.availability import patiently
from recommender.model_lifecycle.errors import RunCancelled, RunFailed
from recommender.model_lifecycle.promotion import decide
from recommender.model_lifecycle.run_options import check_names, newest_encoder
from recommender.model_lifecycle.snapshot_export import NothingToLearn, snapshot_shop
from recommender.model_lifecycle.training_process import beat, follow, start_process, tail_of
from recommender.models import AuditEntry, ModelVersion, Shop, TrainingRun
from recommender.models.audit import person_of
from recommender.models.registry import USUAL_PRESET, RunStatus
from recommender.models.webhooks import TRAINING_ENDED
from recommender.webhooks.messages import emit

log = logging.getLogger(__name__)

MOST_TRIES = 3


FIRST_TRIES = 3
"""Failed first trainings after which a person has to start the next one."""


def start_first(shop: Shop, recipe: str, overrides: dict | None = None) -> TrainingRun | None:
    """Queue the quick first training of a recipe, whose version then serves. None where there is
    one that has not failed, such as one that a person canceled, or where three have failed.
    """
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        statuses = list(shop.runs.filter(recipe=recipe).values_list("status", flat=True))
        if not set(statuses) <= {RunStatus.FAILED.value} or len(statuses) >= FIRST_TRIES:
            return None
        return start_run(shop, recipe, "quick", overrides=overrides, promote="always")


def start_run(
    shop: Shop,
    recipe: str = "fusion",
    preset: str = USUAL_PRESET,
    overrides: dict | None = None,
    promote: str = "if-better",
    by=None,
    data_from=None,
    data_to=None,
    then: dict[str, str] | None = None,
    follows: TrainingRun | None = None,
) -> TrainingRun:
    """Queue a run, and the run after it (`then`: recipe, preset). Raises InvalidConfig."""
    training_options.check_config(recipe, preset, overrides or {})
    check_names(shop, overrides or {})
    run = TrainingRun.objects.create(
        shop=shop,
        recipe=recipe,
        preset=preset,
        overrides=overrides or {},
        promote=promote,
        created_by=person_of(by),
        data_from=data_from,
        data_to=data_to,
        then=then or {},
        follows=follows,
    )
    AuditEntry.objects.note(
        shop,
        by,
        AuditEntry.STARTED,
        f"run {run.pk}",
        detail=f"{recipe}, {preset}, promote: {promote}",
    )
    task_queue.enqueue("train", run.pk)
    return run


def learn_on(shop: Shop) -> TrainingRun:
    """Queue the nightly training: incremental training of the champion's encoder, then its ranking.

    Without a champion with an encoder, the ranking alone.
    """
    ranking = {"recipe": "fusion", "preset": "quick"}
    if newest_encoder(shop) is None:
        return start_run(shop, **ranking, promote="if-not-worse")
    return start_run(
        shop, "incremental", overrides={"compare_full": False}, then=ranking, promote="if-not-worse"
    )


def resume_run(run: TrainingRun, by=None) -> bool:
    """Queue a canceled or failed run again; it resumes from its state.

    Returns False where it finished or is active.
    """
    queued = run.request_resume()
    if queued:
        AuditEntry.objects.note(run.shop, by, AuditEntry.RESUMED, f"run {run.pk}")
        task_queue.enqueue("train", run.pk)
    return queued


def cancel_run(run: TrainingRun, by=None) -> bool:
    """Cancel a run: at once while queued, else at the next heartbeat of its worker.

    Returns False where it had ended.
    """
    if not run.request_cancel():
        return False
    if not run.cancel_requested:
        AuditEntry.objects.note(run.shop, by, AuditEntry.CANCELLED, f"run {run.pk}")
    run.refresh_from_db()
    if run.status == RunStatus.CANCELLED:
        _tell_webhooks(run, run.status, "")
    return True


def run_training(run: TrainingRun) -> ModelVersion | None:
    """Execute a claimed run, from its state where it has one; its row holds how it ended.

    Returns the registered version; None where the run failed or was canceled.
    """
    folder = run.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _only_one(folder):
            version = _train(run, folder)
    except RunCancelled:
        _end(run, RunStatus.CANCELLED)
    except (RunFailed, NothingToLearn, checkpoint_files.BrokenCheckpoint) as error:
        _end(run, RunStatus.FAILED, str(error))
    except Exception as error:
        _end(run, RunStatus.FAILED, f"{type(error).__name__}: {error}")
        raise
    else:
        _end(run, RunStatus.FINISHED)
        for part in ("snapshot", "cache"):
            shutil.rmtree(folder / part, ignore_errors=True)
        return version
    return None


def _end(run: TrainingRun, status: str, error: str = "") -> bool:
    """End the run and queue the one after it, once.

    Also after a failed run, then with the encoder in use.
    """
    return patiently(lambda: _end_now(run, status, error))


def _end_now(run: TrainingRun, status: str, error: str) -> bool:
    with transaction.atomic():
        ended = run.finish(status, error)
        if ended:
            _tell_webhooks(run, status, error)
        if ended and status != RunStatus.CANCELLED and run.then and not run.followers.exists():
            encoder = newest_encoder(run.shop)
            start_run(
                run.shop,
                **run.then,
                overrides={"served_encoder": str(encoder)} if encoder else {},
                promote=run.promote,
                by=run.created_by,
                follows=run,
            )
    if ended:
        task_queue.enqueue("watch_trainings", run.shop_id)
    return ended


def _tell_webhooks(run: TrainingRun, status: str, error: str) -> None:
    version = ModelVersion.objects.filter(run=run).select_related("run").first()
    data = {
        "job_id": f"job-{run.pk}",
        "recipe": run.recipe,
        "status": status,
        "error": error,
        "model_version": version.label if version else None,
        "promoted": version is not None and version.is_champion,
    }
    emit(run.shop, TRAINING_ENDED, data)


@contextlib.contextmanager
def _only_one(folder: Path):
    """Lock the run's folder against a second worker. Raises RunFailed where it is locked."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailed(
                "another worker still holds this run's folder; it was not started twice"
            ) from None
        yield


def _train(run: TrainingRun, folder: Path) -> ModelVersion:
    beat(run, stage="Snapshot", progress=0)
    manifest = patiently(lambda: _frozen(run, folder))
    patiently(
        lambda: TrainingRun.objects.filter(pk=run.pk).update(
            snapshot_digest=manifest["digest"], counts=manifest["counts"]
        )
    )
    follow(run, patiently(lambda: start_process(run, folder)), folder)
    checkpoint = f"{run.folder_name}/checkpoint"
    purpose = training_options.purpose_of(run.recipe)
    verification.verify(checkpoint, purpose)
    report = json.loads((folder / "checkpoint" / "report.json").read_text(encoding="utf-8"))
    version = patiently(lambda: ModelVersion.objects.register(run, checkpoint, report, purpose))
    patiently(lambda: decide(version, run.promote, run.created_by))
    return version


def _frozen(run: TrainingRun, folder: Path) -> dict:
    """Reuse the snapshot of an interrupted attempt if its training state exists.

    Otherwise delete the run folder's contents and export a new snapshot.
    """
    manifest = folder / "snapshot" / "manifest.json"
    if manifest.exists() and (folder / "state").exists():
        return json.loads(manifest.read_text(encoding="utf-8"))
    for part in folder.iterdir():
        if part.name != "lock":
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    run.points.all().delete()
    return snapshot_shop(
        run.shop,
        folder / "snapshot",
        run.data_from,
        run.data_to,
        tick=lambda: beat(run),
        recipe=run.recipe,
    )


def tend_silent_runs() -> int:
    """Recover runs whose worker died; returns the number of failed ones.

    Runs with a state are queued for another worker, up to MOST_TRIES; others fail with the end of
    their log. Runs whose task was lost are queued again.
    """
    failed = 0
    for run in TrainingRun.objects.forgotten():
        task_queue.enqueue("train", run.pk)
    for run in TrainingRun.objects.silent():
        if run.cancel_requested:
            _end(run, RunStatus.CANCELLED)
            continue
        if run.tries < MOST_TRIES and (run.folder / "state").exists() and run.requeue():
            task_queue.enqueue("train", run.pk)
            continue
        tail = tail_of(run.folder / "log.txt")
        run.log_tail = tail or run.log_tail
        TrainingRun.objects.filter(pk=run.pk).update(log_tail=run.log_tail)
        seen = timezone.localtime(run.heartbeat_at).strftime("%H:%M:%S")
        failed += _end(
            run,
            RunStatus.FAILED,
            f"The worker stopped during “{run.stage or 'start'}” (last heard of at {seen} "
            "UTC). Nothing live has changed.",
        )
    return failed
