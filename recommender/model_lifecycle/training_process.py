"""The training process: starting it, following its progress, stopping it."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from django.conf import settings

from recommender.inference import checkpoint_files
from recommender.infrastructure.availability import patiently, while_reachable
from recommender.model_lifecycle.errors import RunCancelled, RunFailed
from recommender.model_lifecycle.run_options import overrides_of, starts_from
from recommender.models import MetricPoint, TrainingRun

POLL_SECONDS = 1.0
STOP_SECONDS = 20
TAIL_LINES = 200


def beat(run: TrainingRun, **fields) -> None:
    """Store progress and heartbeat. Raises RunCancelled.

    Training continues while the database is unreachable.
    """
    if patiently(lambda: run.beat(**fields)):
        raise RunCancelled


def start_process(run: TrainingRun, folder: Path) -> subprocess.Popen:
    """Start `python -m training fit`; it dies with this worker."""
    champion = starts_from(run)
    overrides = overrides_of(run, champion)
    command = [
        sys.executable,
        "-m",
        "training",
        "fit",
        folder / "snapshot",
        folder / "checkpoint",
        "--recipe",
        run.recipe,
        "--preset",
        run.preset,
        "--progress",
        folder / "progress.jsonl",
    ]
    if overrides:
        command += ["--set", *(f"{name}={value}" for name, value in overrides.items())]
    if champion:
        command += ["--champion", checkpoint_files.checkpoint_path(champion.folder)]
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


def _die_with_parent() -> None:
    """In the child process: be killed when the worker dies, and run at lower priority."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.nice(5)


def follow(run: TrainingRun, child: subprocess.Popen, folder: Path) -> None:
    """Store the child's progress until it ends. Raises RunCancelled or RunFailed."""
    progress = folder / "progress.jsonl"
    position = 0
    try:
        while child.poll() is None:
            position = _take_progress(run, progress, position)
            beat(run, log_tail=tail_of(folder / "log.txt"))
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
    """The reason of a failure in one sentence, from the exit status and the log."""
    if code == -signal.SIGKILL:
        return "The training process was killed, most likely because the machine ran out of memory."
    errors = [
        line.removeprefix("error: ") for line in tail.splitlines() if line.startswith("error: ")
    ]
    if errors:
        return errors[-1]
    lines = tail.strip().splitlines()
    return f"The training process ended with status {code}" + (f": {lines[-1]}" if lines else ".")


def _take_progress(run: TrainingRun, path: Path, position: int) -> int:
    """Store the complete new lines from `position`; returns the new position."""
    if not path.exists():
        return position
    with path.open("rb") as file:
        file.seek(position)
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    lines = [json.loads(line) for line in whole.splitlines()]
    points = [
        MetricPoint(run=run, name=x["metric"], step=x["step"], value=x["value"])
        for x in lines
        if "metric" in x
    ]
    patiently(lambda: MetricPoint.objects.bulk_create(points, ignore_conflicts=True))
    stages = [x for x in lines if "stage" in x]
    if stages:
        last = stages[-1]
        beat(run, stage=last["stage"], progress=last["done"], seconds_left=last["seconds_left"])
    return position + len(whole)


def tail_of(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 64_000))
        text = file.read().decode("utf-8", "replace").replace("\x00", "")
    last_lines = deque((line.rstrip() for line in text.split("\n")), maxlen=lines)
    return "\n".join(line for line in last_lines if line)
