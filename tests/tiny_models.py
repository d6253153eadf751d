"""A pytest plugin: the tiny shop's snapshot, a tiny encoder, and a checkpoint trained on both.

They stay in pytest's cache between runs, in a folder named by the digest of the sources that make
them. A change of `training/`, of the tiny shop or of a pinned version makes them again.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DESK = ROOT / "recommender" / "support" / "default_desk.json"
UNUSED_SECONDS = 24 * 3600
"""Folders of other digests are deleted after so long without use."""


def _digest() -> str:
    sources = [*sorted((ROOT / "training").rglob("*.py")), ROOT / "requirements.txt"]
    sources += [DESK]
    sources += [
        ROOT / "tests" / name for name in ("tinyshop.py", "judged_shop.py", "tiny_models.py")
    ]
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


DIGEST = _digest()
"""Of the sources as this process imports them, so it is computed first."""
CONFIG = {
    "text.steps": 20,
    "text.evaluate_every": 10,
    "text.batch_size": 32,
    "text.frozen_layers": 1,
    "text.projection_steps": 20,
    "sequence.steps": 20,
    "sequence.evaluate_every": 10,
    "sequence.batch_size": 64,
    "rounds": 30,
    "candidates_per_source": 20,
    "onnx": False,
}

SEARCH_CONFIG = (
    "text.steps=4",
    "text.evaluate_every=2",
    "text.batch_size=8",
    "text.frozen_layers=1",
    "rounds=20",
    "cross_encoder=false",
)


@pytest.fixture(scope="session")
def tiny_snapshot(pytestconfig) -> Path:
    from tests import tinyshop

    return _cached(pytestconfig, "snapshot", tinyshop.write)


@pytest.fixture(scope="session")
def tiny_encoder(pytestconfig) -> Path:
    from tests import tinyshop

    return _cached(pytestconfig, "encoder", tinyshop.write_encoder)


@pytest.fixture(scope="session")
def tiny_config(tiny_encoder):
    from training.configuration.recipes import make_config

    return make_config("fusion", {**CONFIG, "text.encoder": str(tiny_encoder)})


@pytest.fixture(scope="session")
def tiny_checkpoint(pytestconfig, tiny_snapshot, tiny_config) -> Path:
    def train(folder: Path) -> None:
        from training.data.snapshot import read_snapshot
        from training.fit import fit, new_progress
        from training.runs.run import Run

        folder.mkdir()
        progress = new_progress(folder / "progress.jsonl", "fusion", quiet=True)
        fit(
            Run(read_snapshot(tiny_snapshot), "fusion", tiny_config, progress),
            folder / "checkpoint",
        )
        progress.close()

    return _cached(pytestconfig, "fit", train) / "checkpoint"


@pytest.fixture(scope="session")
def served_encoder(pytestconfig, tiny_checkpoint) -> Path:
    """The int8 encoder of the tiny checkpoint."""

    def export(folder: Path) -> None:
        from training.encoders.bert import TextEncoder
        from training.encoders.onnx import export_onnx

        export_onnx(TextEncoder.load(str(tiny_checkpoint / "encoder")), folder)

    return _cached(pytestconfig, "onnx", export)


@pytest.fixture(scope="session")
def packaged_encoder(pytestconfig) -> Path:
    """The int8 encoder of the embedded default, with its real weights."""

    def export(folder: Path) -> None:
        from training.encoders.bert import TextEncoder
        from training.encoders.onnx import export_onnx

        export_onnx(TextEncoder.load(), folder)

    return _cached(pytestconfig, "packaged", export)


@pytest.fixture(scope="session")
def judged_snapshot(pytestconfig) -> Path:
    from tests import judged_shop

    return _cached(pytestconfig, "judged", judged_shop.write)


@pytest.fixture(scope="session")
def search_checkpoint(pytestconfig, judged_snapshot, tiny_encoder) -> Path:
    def train(folder: Path) -> None:
        from tests.training.command_line import run_fit

        fields = (*SEARCH_CONFIG, f"text.encoder={tiny_encoder}")
        folder.mkdir()
        out = folder / "checkpoint"
        assert run_fit(judged_snapshot, out, "search", "--set", *fields) == 0

    return _cached(pytestconfig, "search", train) / "checkpoint"


@pytest.fixture(scope="session")
def cross_checkpoint(pytestconfig, search_checkpoint, tiny_encoder) -> Path:
    """The search checkpoint with a cross-encoder of random weights."""

    def make(folder: Path) -> None:
        import numpy as np

        from training.encoders.bert import TextEncoder
        from training.recipes.search_cross_encoder import PairModel
        from training.search.cross_encoder import CrossHead

        shutil.copytree(search_checkpoint, folder)
        encoder = TextEncoder.load(str(tiny_encoder))
        head = np.random.default_rng(0).normal(size=encoder.dim).astype(np.float32)
        PairModel(encoder, CrossHead(head, 0.0, 2.0)).save(folder)

    return _cached(pytestconfig, "cross", make)


@pytest.fixture(scope="session")
def opinion_checkpoint(pytestconfig, packaged_encoder) -> Path:
    """An opinion checkpoint: the packaged encoder, and a linear model on the default examples."""

    def make(folder: Path) -> None:
        from training.data.opinions import class_of, default_table

        rows = default_table().to_dicts()
        names = [class_of(row["topic"], row["polarity"]) for row in rows]
        _linear_head(folder, packaged_encoder, "opinion", [row["text"] for row in rows], names)

    return _cached(pytestconfig, "opinion", make)


@pytest.fixture(scope="session")
def intent_checkpoint(pytestconfig, packaged_encoder) -> Path:
    """An intent checkpoint: the packaged encoder, and a linear model on the examples of the
    intents that a service desk starts with.
    """

    def make(folder: Path) -> None:
        examples = [
            (text, intent["key"])
            for intent in json.loads(DESK.read_text(encoding="utf-8"))["intents"]
            for text in intent["examples"]["en"]
        ]
        texts, names = zip(*examples, strict=True)
        _linear_head(folder, packaged_encoder, "intent", list(texts), list(names))

    return _cached(pytestconfig, "intent", make)


@pytest.fixture(scope="session")
def answers_checkpoint(pytestconfig, packaged_encoder) -> Path:
    """A checkpoint of the recipe `answers`: the packaged encoder as it is."""

    def make(folder: Path) -> None:
        folder.mkdir()
        shutil.copytree(packaged_encoder, folder / "onnx")
        _write_json(folder, run=_run_of("answers", "encoder"), report={})

    return _cached(pytestconfig, "answers", make)


def _linear_head(
    folder: Path, encoder: Path, recipe: str, texts: list[str], names: list[str]
) -> None:
    """Write a checkpoint with a head: logistic regression of the classes on frozen vectors."""
    import numpy as np
    from safetensors.numpy import save_file
    from sklearn.linear_model import LogisticRegression

    from training.encoders.onnx import OnnxEncoder

    classes = sorted(set(names))
    vectors = OnnxEncoder(encoder).encode(texts)
    fit = LogisticRegression(C=10, max_iter=1000).fit(vectors, [*map(classes.index, names)])
    folder.mkdir()
    shutil.copytree(encoder, folder / "onnx")
    head = {"weight": fit.coef_, "bias": fit.intercept_}
    head = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in head.items()}
    save_file(head, folder / "head.safetensors")
    facts = {"recipe": recipe, "classes": classes, "members": 1, "voters": 0}
    answer = {"temperature": 1.0, "low": 0.0, "high": 0.0, "vote_share": 0.0}
    _write_json(folder, head=facts | answer, run=_run_of(recipe, "head"), report={})


def _run_of(recipe: str, kind: str) -> dict:
    from training.inference.checkpoint import FORMAT

    return {"format": FORMAT, "recipe": recipe, "kind": kind, "files": {}}


def _write_json(folder: Path, **values: dict) -> None:
    for name, value in values.items():
        (folder / f"{name}.json").write_text(json.dumps(value))


def _cached(config: pytest.Config, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this digest. `make(folder)` writes it where it does not exist; a second
    process waits for it.
    """
    models = config.cache.mkdir("tiny-models")
    folder = models / DIGEST / name
    with (models / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _delete_unused(models)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            folder.parent.mkdir(exist_ok=True)
            make(unfinished)
            unfinished.rename(folder)
        os.utime(folder.parent)
    return folder


def _delete_unused(models: Path) -> None:
    for folder in models.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - UNUSED_SECONDS:
            shutil.rmtree(folder)
