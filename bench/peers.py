"""Other libraries on the same splits: implicit's ALS, BPR and item-kNN, RecTools' SASRec,
our ranking with its defaults.

They live in an environment of their own below bench/results/tmp. Each chooses among a few settings
on each question's validation days (see `peers_rank.py`), then trains again on everything before
the test; its lists are kept as long as code and questions stay the same. Our seconds hold the whole
benchmark: fine-tuning, every baseline, judging.
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.__main__ import ROOT, measure
from bench.fits import KEPT, beauty, ranked
from bench.online_retail import snapshot as sample
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.snapshot import DAY, Snapshot, read_snapshot
from training.data.splits import Window, discovery, leave_last_out, shuffle_ties, time_window
from training.evaluation.ranking import Ranked, summary
from training.metrics.ranking import K

REQUIREMENTS = Path(__file__).parent / "requirements-peers.txt"
PEERS = ("als", "bpr", "item_knn", "sasrec")
CUT, DAYS = "2011-11-09", 31


def run() -> dict:
    python = environment()
    shop = read_snapshot(beauty())
    validation, test = leave_last_out(shuffle_ties(shop.events, 0), shop.n_items, EVENT_WEIGHTS)
    ours = ranked(
        "fusion",
        beauty(),
        "fusion-beauty",
        {},
        "--protocol",
        "leave-last-out",
        "--shuffle-ties",
        "0",
        "--ablate",
        "language",
    )
    result = _compared(python, "beauty", {"": (validation, test)}, ours)
    folder = sample(KEPT / "snapshots" / "online_retail")
    shop, cut = read_snapshot(folder), int(np.datetime64(CUT, "s").astype(np.int64))
    validation, test = _window(shop, cut - DAYS * DAY), _window(shop, cut)
    ours = ranked(
        "fusion",
        folder,
        "fusion-retail",
        {},
        "--protocol",
        "time",
        "--cut",
        CUT,
        "--days",
        str(DAYS),
    )
    questions = {"all": (validation, test), "discovery": (discovery(validation), discovery(test))}
    return result | _compared(python, "online_retail", questions, ours)


def _window(shop: Snapshot, cut: int) -> Window:
    return time_window(shop.events, shop.n_items, EVENT_WEIGHTS, cut, DAYS)


def environment(requirements: Path = REQUIREMENTS, name: str = "peers") -> Path:
    """The peers' Python; made where it is not there."""
    home = KEPT / name
    python, done = home / "bin" / "python", home / requirements.name
    if not done.exists() or done.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "uv",
                "pip",
                "install",
                "--quiet",
                "--python",
                str(python),
                "-r",
                str(requirements),
            ],
            check=True,
        )
        done.write_text(requirements.read_text())
    return python


def _compared(
    python: Path, shop: str, questions: dict[str, tuple[Window, Window]], ours: dict
) -> dict:
    """NDCG@10 and seconds of each peer on each question (validation, test), with ours
    with the same interval.
    """
    folder = KEPT / "peers-data" / shop
    folder.mkdir(parents=True, exist_ok=True)
    for name, (validation, test) in questions.items():
        _hand_over(folder / f"{name or 'test'}-validation.npz", validation)
        _hand_over(folder / f"{name or 'test'}.npz", test)
    parts = {name: ours[name]["systems"] if name else ours["systems"] for name in questions}
    result = {f"{shop}.vitrine.seconds": measure(ours["seconds"]["total"], "s")}
    result |= {
        key: row
        for name, systems in parts.items()
        for key, row in _rows(shop, name, "vitrine", systems["vitrine"], systems["vitrine"]).items()
    }
    for peer in PEERS:
        seconds = _rank(python, peer, folder, [name or "test" for name in questions])
        result[f"{shop}.{peer}.seconds"] = measure(seconds, "s", ours["seconds"]["total"])
        print(shop, peer, json.loads((folder / f"{peer}.json").read_text()), file=sys.stderr)
        for name, (_, test) in questions.items():
            lists = np.load(folder / f"{peer}-{name or 'test'}.npy")
            result |= _rows(shop, name, peer, summary(Ranked(test, lists)), parts[name]["vitrine"])
    return result


def _rank(python: Path, peer: str, folder: Path, questions: list[str]) -> float:
    """Let a peer rank the questions, unless the same code has ranked the same ones already
    (SASRec takes hours); the seconds it took.
    """
    read = [
        ROOT / "bench" / "peers_rank.py",
        REQUIREMENTS,
        *(folder / f"{name}{end}.npz" for name in questions for end in ("-validation", "")),
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in read)).hexdigest()
    stored = folder / f"{peer}-kept.json"
    if stored.exists() and (before := json.loads(stored.read_text()))["digest"] == digest:
        return before["seconds"]
    begun = time.perf_counter()
    subprocess.run(
        [str(python), "-m", "bench.peers_rank", peer, str(folder), *questions], check=True, cwd=ROOT
    )
    seconds = time.perf_counter() - begun
    stored.write_text(json.dumps({"digest": digest, "seconds": seconds}))
    return seconds


def _rows(shop: str, part: str, system: str, measures: dict, ours: dict) -> dict:
    """A system's NDCG@10 and the ends of its interval, each against ours."""
    ndcg, reference = measures[f"ndcg@{K}"], ours[f"ndcg@{K}"]["value"]
    key = ".".join(name for name in (shop, part, system, f"ndcg@{K}") if name)
    return {
        key if end == "value" else f"{key}.{end}": measure(ndcg[end], "NDCG@10", reference)
        for end in ("value", "low", "high")
    }


def _hand_over(path: Path, window: Window) -> None:
    """A question for a process that knows only numpy: what may be learned, who is asked, and
    the targets.
    """
    past = window.past
    if (
        window.exclude == "seen"
    ):  # leave-last-out: the histories are all that is known before the targets
        known = {
            "user": window.users[past.user],
            "item": past.item,
            "time": past.last + np.arange(len(past.item)) * 1e-6,
        }
    else:
        fit = window.fit.take(window.fit.user >= 0)
        known = {"user": fit.user, "item": fit.item, "time": fit.time.astype(float)}
    np.savez(
        path,
        **known,
        asked=window.users,
        start=window.start,
        target=window.target,
        rankable=window.rankable,
        new_only=window.exclude != "nothing",
    )
