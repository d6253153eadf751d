"""Size, speed and NDCG@10 of each way to make the text model smaller, on the sample's last
month: int8, half-precision vectors, a student.
"""

import time
from pathlib import Path

import numpy as np

from bench.__main__ import measure
from bench.fits import KEPT, fit, sources
from bench.online_retail import snapshot as sample
from training.configuration.recipes import make_config
from training.data.product_text import product_texts
from training.data.snapshot import DAY, read_snapshot
from training.data.splits import discovery, time_window
from training.encoders.bert import TextEncoder
from training.encoders.onnx import DATA, OnnxEncoder
from training.evaluation.ranking import rank_by_source


def run() -> dict:
    folder = sample(KEPT / "snapshots" / "online_retail")
    fit("retrieval", folder, "teacher", {})
    teacher = KEPT / sources() / "teacher" / "out"
    fit("distil", folder, "student", {"teacher": str(teacher)})
    student = KEPT / sources() / "student" / "out"
    data, config = read_snapshot(folder), make_config("retrieval")
    cut = int(data.events.time[-1]) + 1 - 31 * DAY
    window = discovery(time_window(data.events, data.n_items, config.event_weights, cut, 31))
    texts = product_texts(data.products)
    encoders = {}
    for name, folder in (("", teacher), ("student_", student)):
        encoders[f"{name}fp32"] = (
            TextEncoder.load(str(folder / "encoder")),
            folder / "encoder" / "model.safetensors",
        )
        encoders[f"{name}int8"] = OnnxEncoder(folder / "onnx"), folder / "onnx" / DATA
    result, whole = {}, None
    for name, (encoder, path) in encoders.items():
        vectors, speed = _encode(encoder, texts)
        ndcg = _ndcg(window, vectors, config)
        whole = whole or (ndcg, speed)
        result |= _rows(name, ndcg, speed, path, whole)
        half = _ndcg(window, vectors.astype(np.float16).astype(np.float32), config)
        result[f"{name}.half_vectors.ndcg@10"] = measure(half, "NDCG@10", whole[0])
    result["vectors.fp32_mb"] = measure(len(texts) * vectors.shape[1] * 4 / 1e6, "MB")
    result["vectors.half_mb"] = measure(
        len(texts) * vectors.shape[1] * 2 / 1e6, "MB", len(texts) * vectors.shape[1] * 4 / 1e6
    )
    return result


def _rows(name: str, ndcg: float, speed: float, path: Path, whole: tuple[float, float]) -> dict:
    return {
        f"{name}.ndcg@10": measure(ndcg, "NDCG@10", whole[0]),
        f"{name}.texts_per_s": measure(speed, "texts/s", whole[1]),
        f"{name}.mb": measure(path.stat().st_size / 1e6, "MB"),
    }


def _encode(encoder, texts: list[str]) -> tuple[np.ndarray, float]:
    encoder.encode(texts[:64])
    begun = time.perf_counter()
    vectors = encoder.encode(texts)
    return vectors, len(texts) / (time.perf_counter() - begun)


def _ndcg(window, vectors: np.ndarray, config) -> float:
    return float(np.nanmean(rank_by_source(window, "text", config, vectors=vectors).ndcg()))
