"""Checkpoint folders, written atomically.

Arrays are npy files (item vectors in half precision), weights safetensors and ONNX, the ranker
LightGBM text. No pickle.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
import scipy.sparse as sp

import training
from training.candidates.covisitation import ITEM_STATS, Popularity
from training.candidates.ivf_index import IvfIndex
from training.candidates.sequence_model import SequenceModel
from training.candidates.sources import Signals
from training.configuration.fields import to_dict
from training.configuration.ranking_recipes import FusionConfig
from training.configuration.recipes import from_dict
from training.data.product_text import text_digest
from training.inference.recommender import Recommender
from training.ranking.features import ItemFacts, feature_names

FORMAT = 1
IVF_ARRAYS = {
    "basis": "cells.basis",
    "centroids": "cells.centroids",
    "vectors": "cells.outlines",
    "cell": "cells.number",
}
"""Fields of the IVF index, and the names of their files."""
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "onnxruntime",
    "scikit-learn",
    "lightgbm",
    "numpy",
    "scipy",
    "polars",
)


class CheckpointError(ValueError):
    """The folder is not a complete checkpoint. The message names the file."""


@contextlib.contextmanager
def new_checkpoint(folder: Path, recipe: str, config, about: dict, report: dict) -> Iterator[Path]:
    """A temporary folder to write to; at the end it gets report and digests, is flushed to disk and
    renamed.

    Raises CheckpointError where the disk is full; an older checkpoint of this name then remains.
    """
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        (aside / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        run = {
            "format": FORMAT,
            "recipe": recipe,
            "config": to_dict(config),
            "code_version": training.__version__,
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
            **about,
            "files": {
                str(p.relative_to(aside)): _sha256(p)
                for p in sorted(aside.rglob("*"))
                if p.is_file()
            },
        }
        (aside / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")
        _flush(aside)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise CheckpointError(
            f"{folder.name} could not be written: {error}; nothing else was changed"
        ) from None
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)
    _sync(folder.parent)


def save_checkpoint(
    folder: Path,
    production_fit: Recommender,
    evaluation_fit: Recommender,
    item_ids: list[str],
    encoder,
    recipe: str,
    about: dict,
    report: dict,
    onnx: bool = False,
    texts: list[str] | None = None,
) -> None:
    """Write the checkpoint of a ranking model, with digests of `texts`, its products' texts.

    `judged/` holds the evaluation fit, for comparison with a later challenger on days that neither
    was trained on. Raises CheckpointError where the disk is full.
    """
    with new_checkpoint(folder, recipe, production_fit.config, about, report) as aside:
        _write_model(aside, production_fit, recipe)
        _write_model(aside / "judged", evaluation_fit, recipe)
        write_items(aside, item_ids)
        if texts is not None:
            np.save(
                aside / "text_digests.npy",
                np.array([text_digest(text) for text in texts], dtype=np.uint64),
            )
        if encoder is not None:
            write_encoder(aside, encoder, onnx)


def write_items(folder: Path, item_ids: list[str]) -> None:
    (folder / "items.txt").write_text(
        "".join(_escape(i) + "\n" for i in item_ids), encoding="utf-8"
    )


def read_items(folder: Path) -> pl.Series:
    """(items,) String: the shop's ids of products by row; a column, because a million strings of
    Python take four times the memory.
    """
    lines = pl.Series([(folder / "items.txt").read_text(encoding="utf-8")]).str.split("\n")
    items = lines.explode().alias("item_id").head(-1)
    escaped = items.str.contains("\\", literal=True)
    if escaped.any():
        at = escaped.arg_true()
        items = items.scatter(at, [_unescape(line) for line in items[at]])
    return items


def write_encoder(folder: Path, encoder, onnx: bool) -> None:
    """Write `encoder/` as a Hugging Face folder and, where configured, `onnx/`, its int8
    version.
    """
    encoder.save(folder / "encoder")
    if onnx:
        from training.encoders.onnx import export_onnx

        export_onnx(encoder, folder / "onnx")


def _write_model(folder: Path, model: Recommender, recipe: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    signals, facts = model.signals, model.facts
    for name, matrix in signals.matrices.items():
        np.save(folder / f"{name}.data.npy", matrix.data.astype(np.float32))
        np.save(folder / f"{name}.indices.npy", matrix.indices.astype(np.int32))
        np.save(folder / f"{name}.indptr.npy", matrix.indptr.astype(np.int64))
    np.save(folder / "popularity.npy", signals.popularity.stats)
    if signals.vectors is not None:
        np.save(folder / "vectors.npy", signals.vectors.astype(np.float16))
    if signals.ivf is not None:
        write_arrays_of_ivf(folder, signals.ivf)
    if signals.sequence is not None:
        signals.sequence.save(folder / "sequence.safetensors")
    for name in ("price", "brand", "category"):
        np.save(folder / f"{name}.npy", getattr(facts, name))
    model.ranker.save_model(folder / "ranker.txt")
    facts_of_model = {
        "recipe": recipe,
        "config": to_dict(model.config),
        "matrices": sorted(signals.matrices),
        "off": signals.off,
        "now": signals.popularity.now,
        "half_life_days": signals.half_life_days,
        "item_stats": list(ITEM_STATS),
        "lift": model.boost,
        "features": feature_names(signals, model.config),
    }
    (folder / "model.json").write_text(json.dumps(facts_of_model, indent=1), encoding="utf-8")


def load_checkpoint(
    folder: Path, verify: bool = False, part: str = ""
) -> tuple[Recommender, list[str]]:
    """Load the recommender and its item ids. Arrays are memory-mapped.

    part: "judged" loads the evaluation fit
    verify: read every byte and compare digests

    Raises CheckpointError with the file's name.
    """
    verify_files(folder, digests=verify)
    try:
        item_ids = read_items(folder).to_list()
        return _read_model(folder / part, len(item_ids)), item_ids
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, lgb.basic.LightGBMError) as error:
        raise CheckpointError(f"{folder.name}: {error}") from None


def verify_files(folder: Path, digests: bool = True) -> None:
    """Check that every file exists and, with `digests`, is unchanged. Raises CheckpointError with
    the file's name.
    """
    for name, digest in read_run(folder)["files"].items():
        path = folder / name
        if not path.exists():
            raise CheckpointError(f"{folder.name}: {name} is missing")
        if digests and _sha256(path) != digest:
            raise CheckpointError(f"{folder.name}: {name} was changed or is damaged")


def read_run(folder: Path) -> dict:
    """The content of `run.json`. Raises CheckpointError where it is missing or invalid."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: no run.json; is this a checkpoint folder?") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder.name}: run.json cannot be read: {error}") from None
    if (
        not isinstance(run, dict)
        or run.get("format") != FORMAT
        or not isinstance(run.get("files"), dict)
    ):
        raise CheckpointError(f"{folder.name}: run.json is of an unknown format")
    return run


def _read_model(folder: Path, n: int) -> Recommender:
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))

    def array(name: str) -> np.ndarray:
        return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    matrices = {}
    for name in about["matrices"]:
        parts = (array(f"{name}.data"), array(f"{name}.indices"), array(f"{name}.indptr"))
        matrices[name] = sp.csr_matrix(parts, shape=(n, n), copy=False)
    ivf = read_arrays_of_ivf(folder)
    vectors = array("vectors") if (folder / "vectors.npy").exists() else None
    if vectors is not None and ivf is None:
        vectors = vectors.astype(np.float32)
    sequence = (
        SequenceModel.load(folder / "sequence.safetensors")
        if (folder / "sequence.safetensors").exists()
        else None
    )
    stats = array("popularity")
    held = (stats, vectors, sequence and sequence.items, ivf and ivf.cell)
    if any(part is not None and len(part) != n for part in held):
        raise CheckpointError(
            f"{folder.name}: items.txt names {n} products, the arrays hold another number"
        )
    signals = Signals(
        matrices,
        Popularity(stats, about["now"]),
        vectors,
        about["half_life_days"],
        sequence,
        about["off"],
        ivf,
    )
    facts = ItemFacts(
        np.array(array("price")), np.array(array("brand")), np.array(array("category"))
    )
    config: FusionConfig = from_dict(about["recipe"], about["config"])
    if about["features"] != feature_names(signals, config):
        raise CheckpointError(
            f"{folder.name}: was made by another version of the code; train again"
        )
    return Recommender(
        signals,
        facts,
        lgb.Booster(model_file=str(folder / "ranker.txt")),
        config,
        about.get("lift", 0.0),
    )


def read_arrays_of_ivf(folder: Path) -> IvfIndex | None:
    """The IVF index of a folder, memory-mapped; None without one."""
    if not (folder / f"{IVF_ARRAYS['cell']}.npy").exists():
        return None
    return IvfIndex(
        **{
            field: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for field, name in IVF_ARRAYS.items()
        }
    )


def write_arrays_of_ivf(folder: Path, ivf: IvfIndex) -> None:
    """Write an IVF index into a folder."""
    for field, name in IVF_ARRAYS.items():
        np.save(folder / f"{name}.npy", getattr(ivf, field))


def _escape(item_id: str) -> str:
    return item_id.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(line: str) -> str:
    if "\\" not in line:
        return line
    return (
        line.replace("\\\\", "\x00").replace("\\n", "\n").replace("\\r", "\r").replace("\x00", "\\")
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
