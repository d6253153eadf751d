"""What a training step and an embedding cost, against the plain way; and what each way of tuning
trains, takes and reaches.

Texts and pairs are the sample's; the tuning table is BANKING77's, 20 messages a class, from the
folder that VITRINE_BENCH_DATA names.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bench.__main__ import measure
from bench.fits import dialogues, fit, value
from bench.online_retail import snapshot as sample
from training.configuration.recipes import make_config
from training.data.product_text import product_texts
from training.data.snapshot import DAY, read_snapshot
from training.data.splits import discovery, time_window
from training.encoders.bert import TextEncoder
from training.encoders.onnx import DATA, OnnxEncoder, export_onnx
from training.evaluation.ranking import rank_by_source
from training.finetuning.loop import train
from training.finetuning.losses import in_batch_softmax
from training.finetuning.methods import TuningMethod
from training.finetuning.pairs import PairTask, Source, history_pairs, log_popularity
from training.finetuning.resume_state import ResumableState
from training.finetuning.text_store import TextStore
from training.recipes.text_training import TextJudge

PADDED, PLAIN_BATCH, SEED = 128, 32, 7
STEPS, PAIRS = 20, 16
EMBEDDED = 1_000
MONTHS = 9
LIGHT = {"text.frozen_layers": 0, "text.learning_rate": 1e-3}
METHODS = {
    "all": {"text.frozen_layers": 0},
    "top2": {"text.frozen_layers": 4},
    "lora": LIGHT | {"text.train": "lora"},
    "adalora": LIGHT | {"text.train": "adalora"},
    "adapters": LIGHT | {"text.train": "adapters"},
    "head": {"text.train": "head", "text.frozen_layers": 5},
}


def run() -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        data = read_snapshot(sample(Path(scratch) / "snapshot"))
        cut = int(data.events.time[-1]) + 1 - 31 * DAY
        config = make_config(
            "retrieval",
            {"text.batch_size": PAIRS, "text.steps": STEPS, "text.evaluate_every": STEPS},
        )
        months = [
            time_window(data.events, data.n_items, config.event_weights, cut - i * 31 * DAY, 31)
            for i in range(MONTHS)
        ]
        texts = product_texts(data.products)
        return (
            _steps(data, months[0], texts, config, Path(scratch))
            | _embedding(months, texts, config, Path(scratch))
            | _tuning()
        )


def _steps(data, window, texts, config, scratch: Path) -> dict:
    """Steps a second of the plain loop and of ours on the same pairs, and what validation says
    after as many steps.
    """
    judge = TextJudge(window, config)
    source = Source(history_pairs(window.fit, data.n_items), config.text.pair_half_life_days)
    plain, plain_quality = _plain_loop(texts, source, config, judge)
    encoder = TextEncoder.load("", config.text.max_tokens, config.text.frozen_layers)
    store = TextStore(encoder, texts, torch.device("cpu"), scratch / "cache")
    tuned = TuningMethod(encoder, config.text)
    task = PairTask(store, source, config.text, judge)
    begun = time.perf_counter()
    train(task, tuned, config.text, SEED, ResumableState(), keep_last=True)
    ours, quality = STEPS / (time.perf_counter() - begun), judge(store.vectors())
    speedup = measure(ours / plain, "ratio", 1.0)
    return {
        "train_speedup": speedup,
        "train.steps_per_s": measure(ours, "steps/s", plain),
        "train.validation_ndcg@10": measure(quality, "NDCG@10", plain_quality),
    }


def _plain_loop(texts, source, config, judge) -> tuple[float, float]:
    """As a tutorial would: every text padded to 128, all weights in float32, AdamW without
    fusing.
    """
    torch.manual_seed(SEED)
    encoder = TextEncoder.load("", PADDED, 0)
    encoder.train()
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=config.text.learning_rate, fused=False)
    log_share = log_popularity(source, len(texts), config.text.popularity_correction)
    warmup = max(1, round(STEPS * config.text.warmup_ratio))
    begun = time.perf_counter()
    for step in range(1, STEPS + 1):
        for group in optimiser.param_groups:
            group["lr"] = config.text.learning_rate * min(
                step / warmup, (STEPS - step + 1) / (STEPS - warmup + 1)
            )
        anchor, target = source.draw(
            np.random.default_rng([SEED, step]), PAIRS, config.text.anchors
        )
        items = np.concatenate([anchor.ravel(), target])
        vectors = encoder(*_padded(encoder, [texts[i] for i in items]))
        query = torch.nn.functional.normalize(
            vectors[: anchor.size].view(*anchor.shape, -1).mean(1), dim=1
        )
        loss = in_batch_softmax(
            query,
            vectors[anchor.size :],
            torch.from_numpy(target),
            torch.from_numpy(log_share[target]),
            config.text.temperature,
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), config.text.clip_norm)
        optimiser.step()
    return STEPS / (time.perf_counter() - begun), judge(encoder.encode(texts))


def _padded(encoder: TextEncoder, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    result = encoder.tokenizer(
        texts, padding="max_length", truncation=True, max_length=PADDED, return_tensors="pt"
    )
    return result["input_ids"], result["attention_mask"].bool()


def _embedding(months, texts, config, scratch: Path) -> dict:
    """Texts a second of the plain loop and of the int8 encoder, and what int8 and half precision do
    to vectors and to the ranking by text.

    The encoder is as it comes, so that none of the months was learned: one month alone moves by two
    to four per cent either way.
    """
    encoder = TextEncoder.load("", config.text.max_tokens)
    encoder.eval()
    some = texts[:EMBEDDED]
    begun = time.perf_counter()
    with torch.inference_mode():
        for i in range(0, len(some), PLAIN_BATCH):
            encoder(*_padded(encoder, some[i : i + PLAIN_BATCH]))
    plain = len(some) / (time.perf_counter() - begun)
    begun = time.perf_counter()
    exact = encoder.encode(texts)
    batched = len(texts) / (time.perf_counter() - begun)
    path = export_onnx(encoder, scratch / "onnx").with_name(DATA)
    int8 = OnnxEncoder(scratch / "onnx")
    int8.encode(some[:64])
    begun = time.perf_counter()
    quick = int8.encode(texts)
    ours = len(texts) / (time.perf_counter() - begun)
    questions = [discovery(window) for window in months]

    def ndcg(vectors: np.ndarray) -> float:
        return float(
            np.mean(
                [
                    np.nanmean(rank_by_source(question, "text", config, vectors=vectors).ndcg())
                    for question in questions
                ]
            )
        )

    whole = ndcg(exact)
    size = sum(p.numel() for p in encoder.parameters()) * 4 / 1e6
    half = exact.astype(np.float16).astype(np.float32)
    return {
        "embed_speedup": measure(ours / plain, "ratio", 1.0),
        "embed.plain_per_s": measure(plain, "texts/s"),
        "embed.fp32_per_s": measure(batched, "texts/s", plain),
        "embed.int8_per_s": measure(ours, "texts/s", plain),
        "embed_cosine": measure(float((exact * quick).sum(axis=1).mean()), "cosine"),
        "int8_ndcg_loss": measure(1 - ndcg(quick) / whole, "share", 1.0),
        "half_ndcg_loss": measure(1 - ndcg(half) / whole, "share", 1.0),
        "embed.fp32_mb": measure(size, "MB"),
        "embed.int8_mb": measure(path.stat().st_size / 1e6, "MB", size),
    }


def _tuning() -> dict:
    """Each way of tuning for 120 steps from the same start on the same 1,540 messages; quality
    is the accuracy on the 3,080 test messages.
    """
    result: dict = {}
    for name, fields in METHODS.items():
        common = {
            "text.steps": 120,
            "text.epochs": 0,
            "text.evaluate_every": 120,
            "per_class": 20,
            "onnx": False,
        }
        report = fit("intent", dialogues("banking77"), f"tune-{name}", {**common, **fields})
        whole = result.get("tune.all.seconds", {}).get("value")
        result |= {
            f"tune.{name}.seconds": measure(report["seconds"]["training"], "s", whole),
            f"tune.{name}.quality": measure(value(report, "text_after", "accuracy"), "accuracy"),
            f"tune.{name}.trainable_share": measure(
                report["chosen"]["trainable_share"], "share", 1.0
            ),
            f"tune.{name}.peak_memory_mb": measure(report["peak_memory_mb"], "MB"),
        }
    return result
