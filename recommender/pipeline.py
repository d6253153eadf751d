"""One training run: snapshot, train in a child process, follow its progress, register its version."""

import contextlib
import ctypes
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from recommender import engine
from recommender.models import AuditEntry, MetricPoint, ModelVersion, Shop, TrainingRun
from recommender.models.audit import person_of
from recommender.models.registry import USUAL_PRESET, RunStatus
from recommender.monitoring import note_trainings
from recommender.promotion import decide
from recommender.reach import patiently, while_reachable
from recommender.snapshot import NothingToLearn, snapshot_shop

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
STOP_SECONDS = 20
TAIL_LINES = 200
MOST_TRIES = 3


class RunFailed(RuntimeError):
    """The run cannot go on; the message is for the merchandiser."""


class RunCancelled(Exception):
    """Someone asked to stop the run."""


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
    """Queue a run, and what is to come after it (`then`: recipe, preset); raises engine.InvalidConfig where it could not be configured so."""
    from recommender.tasks import later, train

    engine.check_config(recipe, preset, overrides or {})
    check_names(shop, overrides or {})
    run = TrainingRun.objects.create(
        shop=shop, recipe=recipe, preset=preset, overrides=overrides or {}, promote=promote, created_by=person_of(by),
        data_from=data_from, data_to=data_to, then=then or {}, follows=follows,
    )  # fmt: skip
    AuditEntry.objects.note(shop, by, AuditEntry.STARTED, f"run {run.pk}", detail=f"{recipe}, {preset}, promote: {promote}")
    later(train, run.pk)
    return run


def check_names(shop: Shop, overrides: dict) -> None:
    """Fields that name folders, files or code may hold the shop's own versions (`v12`) and what the operator's settings allow.

    Several shops share a deployment: a key or a form must not reach another shop's models, the host's files, or code. Raises engine.InvalidConfig.
    """
    for field, (kind, name) in engine.names_outside(flat(overrides)).items():
        if name in settings.VITRINE_TRAINING_NAMES or (kind == "encoder" and name in (engine.MULTILINGUAL, settings.VITRINE_ENCODER)):
            continue
        if kind in ("encoder", "checkpoint") and (number := version_number(name)) is not None:
            if shop.versions.filter(number=number).exists():
                continue
            raise engine.InvalidConfig(f"{field}: there is no version {name} in this shop")
        raise engine.InvalidConfig(f"{field}: {name[:60]!r} is not allowed; the operator's setting VITRINE_TRAINING_NAMES lists what may be named")


def version_number(name: str) -> int | None:
    """12 of `v12`; None of anything else."""
    digits = name.removeprefix("v")
    return int(digits) if name.startswith("v") and digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def learn_on(shop: Shop) -> TrainingRun:
    """What a night brings: the champion's encoder goes on from new events and a replay of old ones, then the ranking is made with it.

    Where there is no champion with an encoder, the ranking alone.
    """
    ranking = {"recipe": "fusion", "preset": "quick"}
    if _newest_encoder(shop) is None:
        return start_run(shop, **ranking, promote="if-not-worse")
    return start_run(shop, "incremental", overrides={"compare_full": False}, then=ranking, promote="if-not-worse")


def resume_run(run: TrainingRun, by=None) -> bool:
    """Queue a cancelled or failed run again; it goes on from its state. False when it had finished or is under way."""
    from recommender.tasks import later, train

    queued = run.request_resume()
    if queued:
        AuditEntry.objects.note(run.shop, by, AuditEntry.RESUMED, f"run {run.pk}")
        later(train, run.pk)
    return queued


def run_training(run: TrainingRun) -> ModelVersion | None:
    """Carry out a claimed run to its end, from its state where it left one; how it ended stands in its row."""
    folder = run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _only_one(folder):
            version = _train(run, folder)
    except RunCancelled:
        patiently(lambda: run.finish(RunStatus.CANCELLED))
    except (RunFailed, NothingToLearn, engine.BrokenCheckpoint) as error:
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
    """End the run and queue what comes after it, once. It comes after a failed run as well, then with the encoder that serves already."""
    return patiently(lambda: _end_now(run, status, error))


def _end_now(run: TrainingRun, status: str, error: str) -> bool:
    with transaction.atomic():
        ended = run.finish(status, error)
        if ended and run.then and not run.followers.exists():
            encoder = _newest_encoder(run.shop)
            start_run(
                run.shop,
                **run.then,
                overrides={"served_encoder": str(encoder)} if encoder else {},
                promote=run.promote,
                by=run.created_by,
                follows=run,
            )
    if ended:
        note_trainings(run.shop)
    return ended


@contextlib.contextmanager
def _only_one(folder: Path):
    """Hold the run's folder: a second worker that was given the same run must not write beside the first."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailed("another worker still holds this run's folder; it was not started twice") from None
        yield


def run_folder(run: TrainingRun) -> Path:
    return settings.VITRINE_CHECKPOINTS / f"shop-{run.shop_id}" / run.folder_name


def _train(run: TrainingRun, folder: Path) -> ModelVersion:
    _beat(run, stage="Snapshot", progress=0)
    manifest = patiently(lambda: _frozen(run, folder))
    patiently(lambda: TrainingRun.objects.filter(pk=run.pk).update(snapshot_digest=manifest["digest"], counts=manifest["counts"]))
    _follow(run, patiently(lambda: _child(run, folder)), folder)
    checkpoint = f"shop-{run.shop_id}/{run.folder_name}/checkpoint"
    engine.verify(checkpoint, run.purpose)
    report = json.loads((folder / "checkpoint" / "report.json").read_text(encoding="utf-8"))
    version = patiently(lambda: ModelVersion.objects.register(run, checkpoint, report))
    patiently(lambda: decide(version, run.promote, run.created_by))
    return version


def _frozen(run: TrainingRun, folder: Path) -> dict:
    """The run's snapshot: the one that a stopped try left, else a new one, with which everything of the run begins anew."""
    manifest = folder / "snapshot" / "manifest.json"
    if manifest.exists() and (folder / "state").exists():
        return json.loads(manifest.read_text(encoding="utf-8"))
    for part in folder.iterdir():
        if part.name != "lock":
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    run.points.all().delete()
    return snapshot_shop(run.shop, folder / "snapshot", run.data_from, run.data_to, tick=lambda: _beat(run), recipe=run.recipe)


def _beat(run: TrainingRun, **fields) -> None:
    """Note progress. While the database is away the training goes on: its process knows nothing of it."""
    if patiently(lambda: run.beat(**fields)):
        raise RunCancelled


def _child(run: TrainingRun, folder: Path) -> subprocess.Popen:
    """`python -m training fit`, which dies with this worker."""
    champion = _starts_from(run)
    overrides = _overrides(run, champion)
    command = [
        sys.executable, "-m", "training", "fit", folder / "snapshot", folder / "checkpoint", "--recipe", run.recipe, "--preset", run.preset,
        "--progress", folder / "progress.jsonl",
    ]  # fmt: skip
    if overrides:
        command += ["--set", *(f"{name}={value}" for name, value in overrides.items())]
    if champion:
        command += ["--champion", engine.checkpoint_path(champion.folder)]
    if (folder / "state").exists():
        command += ["--resume"]
    with (folder / "log.txt").open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=settings.BASE_DIR,
            env={**os.environ, "VITRINE_HOME": str(settings.VITRINE_HOME)},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )


def _starts_from(run: TrainingRun) -> ModelVersion | None:
    """What the run is compared with, or goes on from."""
    return _newest_encoder(run.shop) if run.recipe in ("incremental", "distil") else run.shop.champion(run.purpose)


def _newest_encoder(shop: Shop) -> ModelVersion | None:
    """The encoder of what is bought next that was promoted last, as such or with the ranking that it serves."""
    champions = [version for purpose in ("encoder", "ranking") if (version := shop.champion(purpose)) and version.run.recipe != "mlm"]
    with_one = [version for version in champions if (engine.checkpoint_path(version.folder) / "encoder").exists()]
    return max(with_one, key=lambda version: version.promoted_at or version.created_at, default=None)


def _overrides(run: TrainingRun, champion: ModelVersion | None) -> dict:
    """The run's fields, with the shop's encoder; `v12` as an encoder or a teacher is that version's."""
    fields = flat(run.overrides)
    if settings.VITRINE_ENCODER and run.recipe not in ("incremental", "distil"):
        fields.setdefault("text.encoder", settings.VITRINE_ENCODER)
    if run.recipe == "distil" and champion:
        fields.setdefault("teacher", str(champion))
    for name in ("text.encoder", "encoder", "served_encoder", "teacher"):
        if (number := version_number(str(fields.get(name, "")))) is not None:
            version = run.shop.versions.filter(number=number).first()
            if version is None:
                raise RunFailed(f"{name}: there is no version v{number} in this shop")
            fields[name] = str(engine.checkpoint_path(version.folder) / ("" if name == "teacher" else "encoder"))
    return fields


def flat(overrides: dict, prefix: str = "") -> dict:
    """{"text": {"steps": 5}} as {"text.steps": 5}."""
    out = {}
    for name, value in overrides.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return out


def _die_with_parent() -> None:
    """In the child, before it becomes the training process: be killed when the worker dies, and leave the shop its share of the machine."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.nice(5)


def _follow(run: TrainingRun, child: subprocess.Popen, folder: Path) -> None:
    """Bring the child's progress into rows until it ends; raises RunCancelled or RunFailed."""
    progress = folder / "progress.jsonl"
    position = 0
    try:
        while child.poll() is None:
            position = _take_progress(run, progress, position)
            _beat(run, log_tail=tail_of(folder / "log.txt"))
            time.sleep(POLL_SECONDS)
        _take_progress(run, progress, position)
    except RunCancelled:
        _stop(child)
        raise
    finally:
        if child.poll() is None:
            _stop(child)
        with while_reachable():
            TrainingRun.objects.filter(pk=run.pk).update(log_tail=tail_of(folder / "log.txt"))
    if child.returncode:
        raise RunFailed(_why(child.returncode, tail_of(folder / "log.txt")))


def _stop(child: subprocess.Popen) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _why(code: int, tail: str) -> str:
    """The reason in one sentence, from the exit status and the log."""
    if code == -signal.SIGKILL:
        return "The training process was killed, most likely because the machine ran out of memory."
    errors = [line.removeprefix("error: ") for line in tail.splitlines() if line.startswith("error: ")]
    if errors:
        return errors[-1]
    lines = tail.strip().splitlines()
    return f"The training process ended with status {code}" + (f": {lines[-1]}" if lines else ".")


def _take_progress(run: TrainingRun, path: Path, position: int) -> int:
    """Read whole new lines from `position`; returns where to go on."""
    if not path.exists():
        return position
    with path.open("rb") as file:
        file.seek(position)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = [json.loads(line) for line in whole.splitlines()]
    points = [MetricPoint(run=run, name=x["metric"], step=x["step"], value=x["value"]) for x in lines if "metric" in x]
    patiently(lambda: MetricPoint.objects.bulk_create(points, ignore_conflicts=True))
    stages = [x for x in lines if "stage" in x]
    if stages:
        last = stages[-1]
        _beat(run, stage=last["stage"], progress=last["done"], seconds_left=last["seconds_left"])
    return position + len(whole)


def tail_of(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 64_000))
        text = file.read().decode("utf-8", "replace").replace("\x00", "")
    kept = deque((line.rstrip() for line in text.split("\n")), maxlen=lines)
    return "\n".join(line for line in kept if line)


def tend_silent_runs() -> int:
    """Runs whose worker fell silent: those with a state go on with another worker, up to MOST_TRIES; the others end with what their log last said.

    Runs whose task was lost are queued again; of two tasks for one run, one claims it.

    Returns how many ended.
    """
    from recommender.tasks import later, train

    failed = 0
    for run in TrainingRun.objects.forgotten():
        later(train, run.pk)
    for run in TrainingRun.objects.silent():
        if run.cancel_requested:
            run.finish(RunStatus.CANCELLED)
            continue
        if run.tries < MOST_TRIES and (run_folder(run) / "state").exists() and run.requeue():
            later(train, run.pk)
            continue
        tail = tail_of(run_folder(run) / "log.txt")
        run.log_tail = tail or run.log_tail
        TrainingRun.objects.filter(pk=run.pk).update(log_tail=run.log_tail)
        seen = timezone.localtime(run.heartbeat_at).strftime("%H:%M:%S")
        failed += _end(
            run, RunStatus.FAILED, f"The worker stopped during “{run.stage or 'start'}” (last heard of at {seen} UTC). Nothing live has changed."
        )
    return failed
