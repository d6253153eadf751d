"""Checkpoints of text recipes: the encoder, its ONNX version, and the head."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from training.candidates.ivf_index import build_ivf_index
from training.data.product_text import product_texts, text_digest
from training.encoders.bert import TextEncoder
from training.inference.checkpoint import (
    new_checkpoint,
    write_arrays_of_ivf,
    write_encoder,
    write_items,
)
from training.recipes.ensembles import LabeledModel
from training.runs.run import Run

if TYPE_CHECKING:
    from training.recipes.search import SearchFit


SEARCHED_WITHOUT_INDEX = 20_000
"""Products whose vectors a search compares one by one; more get an IVF index."""


def _new_checkpoint(
    run: Run, out: Path, kind: str, report: dict
) -> contextlib.AbstractContextManager[Path]:
    """A checkpoint folder to write to; the recipe's additions to `run.json` leave the report."""
    about = {
        "snapshot_digest": run.snapshot.manifest["digest"],
        "kind": kind,
        **report.pop("about", {}),
    }
    return new_checkpoint(out, run.recipe, run.config, about, report)


def save_encoder(
    run: Run, out: Path, encoder: TextEncoder, report: dict, vectors: np.ndarray | None = None
) -> None:
    """Write an encoder checkpoint: encoder, ONNX version where configured, report; with `vectors`
    (items, dim) also these, in half precision, and the product ids.
    """
    with _new_checkpoint(run, out, "encoder", report) as aside:
        write_encoder(aside, encoder, run.config.onnx)
        if vectors is not None:
            np.save(aside / "vectors.npy", vectors.astype(np.float16))
            write_items(aside, run.snapshot.item_ids)


def save_search(run: Run, out: Path, fitted: "SearchFit", report: dict) -> None:
    """Write a search model: encoder, vectors of products and of their titles (items, dim) in half
    precision, with digests of the texts, the ranker, and the cross-encoder, if any.
    """
    products = run.snapshot.products
    with _new_checkpoint(run, out, "search", report) as aside:
        write_encoder(aside, fitted.encoder, run.config.onnx)
        np.save(aside / "vectors.npy", fitted.vectors.products.astype(np.float16))
        np.save(aside / "title_vectors.npy", fitted.vectors.titles.astype(np.float16))
        digests = [text_digest(text) for text in product_texts(products)]
        np.save(aside / "text_digests.npy", np.array(digests, dtype=np.uint64))
        write_items(aside, run.snapshot.item_ids)
        if len(products) > SEARCHED_WITHOUT_INDEX:
            write_arrays_of_ivf(aside, build_ivf_index(fitted.vectors.products))
        fitted.ranker.save(aside)
        if fitted.cross is not None:
            fitted.cross.save(aside)


def save_head(
    run: Run, out: Path, fitted: LabeledModel, report: dict, more: dict | None = None
) -> None:
    """Write ensemble members: encoder, linear head, voting training rows. `head.json` holds the
    calibration.
    """
    with _new_checkpoint(run, out, "head", report) as aside:
        for i, member in enumerate(fitted.members):
            folder = aside if i == 0 else aside / f"member-{i}"
            folder.mkdir(exist_ok=True)
            write_encoder(folder, member.encoder, run.config.onnx)
            save_file(
                {
                    "weight": member.weight.astype(np.float32),
                    "bias": member.bias.astype(np.float32),
                },
                folder / "head.safetensors",
            )
            if member.neighbours:
                remembered = {
                    "vectors": member.neighbours.vectors.astype(np.float16),
                    "label": member.neighbours.label.astype(np.int32),
                }
                save_file(remembered, folder / "neighbours.safetensors")
        facts = {
            "recipe": run.recipe,
            "classes": fitted.classes,
            "members": len(fitted.members),
            **asdict(fitted.answer),
            "voters": fitted.members[0].neighbours.k if fitted.members[0].neighbours else 0,
            **(more or {}),
        }
        (aside / "head.json").write_text(
            json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8"
        )
