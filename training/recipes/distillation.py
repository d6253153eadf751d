"""Recipe `distil`: a shallower student is trained on the vectors of its fine-tuned teacher; both
are evaluated on ranking by text.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from training.data.product_text import product_texts
from training.data.snapshot import DAY
from training.data.splits import discovery, time_window
from training.encoders.bert import TextEncoder
from training.errors import TrainingError, need
from training.evaluation.ranking import rank_by_source, summary
from training.finetuning.augmentation import Augment, make_augment
from training.finetuning.devices import device
from training.finetuning.heads import Batch, Distiller
from training.finetuning.loop import Task, train
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.recipes.mlm import shop_texts
from training.runs.run import Run, steps_for

FEWEST_TEXTS = 20


@dataclass
class DistilTask(Task):
    """Distillation task: texts of the shop with the teacher's vectors (texts, dim)."""

    store: TextStore
    teacher: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    augment: Augment | None = None
    model: Distiller = field(init=False)

    def __post_init__(self) -> None:
        self.model = Distiller(self.store.encoder).to(self.store.device)

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample the training texts of this step: indices (size,)."""
        return self.training[rng.integers(0, len(self.training), size)]

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of texts with the teacher's vectors. rows: (size,) indices, from `draw`."""
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(
            self.store.batch(rows, augment),
            torch.from_numpy(self.teacher[rows]).to(self.store.device),
            {},
        )

    def validate(self) -> float:
        """Mean cosine similarity to the teacher's vectors on validation texts."""
        held = TextStore(
            self.store.encoder,
            [self.store.texts[r] for r in self.validation],
            self.store.device,
            keep=False,
        )
        return float((held.vectors() * self.teacher[self.validation]).sum(axis=1).mean())


def teacher_encoder(source: str, max_tokens: int) -> TextEncoder:
    """Encoder of a checkpoint folder or a Hugging Face folder. Raises TrainingError."""
    folder = Path(source)
    if not source or not folder.exists():
        raise TrainingError(
            f"teacher: {source!r} is not a checkpoint folder; name the fine-tuned model that "
            "the student is to learn from"
        )
    return TextEncoder.load(
        str(folder / "encoder" if (folder / "encoder").exists() else folder), max_tokens
    )


def student_of(teacher: TextEncoder, layers: int) -> TextEncoder:
    """A copy of the teacher with this many of its layers, selected evenly, including the last (Sanh
    et al. 2019).
    """
    import copy

    student = copy.deepcopy(teacher)
    need(
        layers < len(teacher.layers),
        f"student_layers: {layers} is not fewer than the teacher's {len(teacher.layers)} layers",
    )
    chosen = np.unique(np.linspace(0, len(teacher.layers) - 1, layers + 1).round().astype(int)[1:])
    student.keep_layers(chosen.tolist())
    return student


def fit_distil(run: Run) -> tuple[TextEncoder, np.ndarray, dict]:
    """The student, the product vectors (items, dim), and a report with size, speed and quality of
    both.
    """
    config = run.config
    teacher = teacher_encoder(config.teacher, config.text.max_tokens).to(device())
    texts = shop_texts(run.snapshot)
    need(
        len(texts) >= FEWEST_TEXTS,
        f"only {len(texts)} texts: distillation needs at least {FEWEST_TEXTS}",
    )
    run.progress.stage("Fine-tuning", 0, f"{len(texts):,} texts")
    student = student_of(teacher, config.student_layers)
    order = np.random.default_rng(config.seed).permutation(len(texts))
    held = max(4, len(texts) // 10)
    tuned = TuningMethod(student, config.text)
    chosen = steps_for(config.text, len(texts) - held)
    store = TextStore(student, texts, device())
    task = DistilTask(
        store, teacher.encode(texts), order[held:], order[:held], make_augment(chosen, student)
    )
    outcome = train(
        task,
        tuned,
        chosen,
        config.seed,
        run.keeper.child("distil"),
        run.look("Fine-tuning", chosen.steps, "cosine"),
    )
    tuned.finish()
    run.progress.stage("Check", 0)
    report, vectors = _report(run, teacher, student)
    report["chosen"] = {"text.steps": outcome.best_step, "cosine": outcome.best}
    return student, vectors, run.finish_report(report)


def _report(run: Run, teacher: TextEncoder, student: TextEncoder) -> tuple[dict, np.ndarray]:
    texts = product_texts(run.snapshot.products)
    vectors, cost = {}, {}
    for name, encoder in (("teacher", teacher), ("student", student)):
        began = time.monotonic()
        vectors[name] = encoder.encode(texts)
        seconds = time.monotonic() - began
        megabytes = sum(p.numel() for p in encoder.parameters()) * 4 / 1e6
        cost[name] = {
            "texts_per_second": round(len(texts) / max(seconds, 1e-9), 1),
            "megabytes": round(megabytes, 1),
        }
    report = run.report_head({"kind": "distillation"})
    report["cost"] = cost
    window = _window(run)
    if window is not None:
        report["protocol"] |= {"days": run.config.window_days, "shoppers": len(window.users)}
        report["systems"] = {
            name: summary(rank_by_source(window, "text", run.config, vectors=v))
            for name, v in vectors.items()
        }
        report["primary"] = {
            "measure": "ndcg@10",
            "system": "student",
            "baseline": "teacher",
            "higher_is_better": True,
        }
    else:
        cosine = (vectors["teacher"] * vectors["student"]).sum(axis=1)
        report["systems"] = {
            "student": {"cosine": {"value": float(cosine.mean()) if len(cosine) else None}}
        }
        report["primary"] = {
            "measure": "cosine",
            "system": "student",
            "baseline": None,
            "higher_is_better": True,
        }
    return report, vectors["student"]


def _window(run: Run):
    events, config = run.snapshot.events, run.config
    if not len(events):
        return None
    cut = int(events.time[-1]) + 1 - config.window_days * DAY
    window = discovery(
        time_window(events, run.snapshot.n_items, config.event_weights, cut, config.window_days)
    )
    return window if len(window.target) else None
