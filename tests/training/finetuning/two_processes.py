"""What `torch.distributed.run` runs in test_distributed: a few steps of each kind of task on
its share of the batch; rank 0 writes the weights.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from safetensors.torch import save_file

from training.configuration.tuning import TextConfig, TuningConfig
from training.encoders.bert import TextEncoder
from training.finetuning import devices, loop
from training.finetuning.devices import is_main_process, weights_of
from training.finetuning.heads import Regressor
from training.finetuning.loop import train
from training.finetuning.methods import TuningMethod
from training.finetuning.pairs import Pairs, PairTask, Source
from training.finetuning.resume_state import ResumableState
from training.finetuning.text_store import TextStore
from training.recipes.classification import LabelTask

KINDS = ["rating", "retrieval", "rating-sharded", "retrieval-sharded"]
TEXTS = [
    f"{a} {b} {c}"
    for a in ("red", "blue", "small", "large")
    for b in ("vintage", "glass", "wooden")
    for c in ("lantern", "teapot")
]


def task_of(kind: str, encoder: TextEncoder, config: TuningConfig):
    store = TextStore(encoder, TEXTS, torch.device("cpu"))
    if kind == "rating":
        target = np.linspace(1, 5, len(TEXTS)).astype(np.float32)
        return LabelTask(
            store,
            target,
            np.arange(len(TEXTS)),
            np.zeros(0, dtype=np.int64),
            Regressor(encoder, 0.0),
            7,
        )
    item = np.arange(len(TEXTS), dtype=np.int32)
    pairs = Pairs(
        item,
        item,
        np.zeros(len(TEXTS), dtype=np.int64),
        item.astype(np.int64),
        np.zeros(len(TEXTS)),
        item[2:].astype(np.int64),
    )
    text = replace(
        TextConfig(),
        **{f: getattr(config, f) for f in TuningConfig.__dataclass_fields__},
        anchors=2,
    )
    return PairTask(store, Source(pairs), text, lambda vectors: 0.0)


def learn(kind: str, folder: str, out: Path) -> None:
    task_kind, _, sharded = kind.partition("-")
    config = TuningConfig(
        shard_weights=bool(sharded),
        steps=3,
        batch_size=8,
        evaluate_every=3,
        dropout=0.0,
        frozen_layers=1,
        learning_rate=1e-3,
        max_tokens=8,
        optimiser="sgd",
    )
    torch.manual_seed(1)
    encoder = TextEncoder.load(folder, config.max_tokens, config.frozen_layers)
    tuned = TuningMethod(encoder, config)
    torch.manual_seed(2)
    task = task_of(task_kind, encoder, config)
    train(task, tuned, config, 7, ResumableState(), keep_last=True)
    weights = weights_of(task.model)
    if is_main_process():
        save_file({name: p.contiguous() for name, p in weights.items()}, out / kind)


def main(folder: str, out: str) -> None:
    spread, calls = loop.spread, []
    loop.spread = lambda model: calls.append(1) or spread(model)
    for kind in KINDS:
        learn(kind, folder, Path(out))
    rank = PartialState().process_index
    state = {"rank": rank, "of": devices.number_of_processes(), "spread": len(calls)}
    (Path(out) / f"process-{rank}.json").write_text(json.dumps(state))
    devices.end_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
