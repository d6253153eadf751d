"""A run of a recipe: its inputs, progress, the head of its report, and common helpers."""

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.configuration.fields import to_dict
from training.configuration.tuning import TuningConfig
from training.data.snapshot import Snapshot
from training.encoders.bert import TextEncoder
from training.finetuning.loop import Evaluation
from training.finetuning.resume_state import ResumableState
from training.runs.progress import Progress

NO_CHAMPION = "there is no champion"
LOSSES = frozenset({"mse", "masked_word_loss"})
"""Validation metrics of which less is better."""
UNKNOWN_MUCH = 0.1
"""Share of unknown tokens above which another encoder is suggested."""


@dataclass
class Run:
    """One run of a recipe.

    champion: checkpoint of the serving model, which is evaluated on the same data
    keeper: resumable state
    cache: folder of frozen states, which several runs may share
    """

    snapshot: Snapshot
    recipe: str
    config: Any
    progress: Progress
    champion: Path | None = None
    keeper: ResumableState = field(default_factory=ResumableState)
    cache: Path | None = None
    begun: float = field(default_factory=time.monotonic)
    warnings: list[str] = field(default_factory=list)
    trial: Callable[[int, float], None] | None = None
    """Called at each evaluation of a hyperparameter search. It may end the training by an
    exception.
    """

    def report_head(self, protocol: dict) -> dict:
        return {
            "recipe": self.recipe,
            "protocol": {**protocol, "seed": self.config.seed},
            "data": {
                "digest": self.snapshot.manifest["digest"],
                "counts": self.snapshot.manifest["counts"],
            },
        }

    def finish_report(self, report: dict) -> dict:
        report["seconds"] = {
            "total": round(time.monotonic() - self.begun, 1),
            **report.get("seconds", {}),
        }
        report["peak_memory_mb"] = peak_memory_mb()
        report["config"] = to_dict(self.config)
        report["warnings"] = self.warnings
        return report

    def reading(self, stage: str, end: float = 1.0) -> Callable[[float], None]:
        """Report the progress of tokenization, from the stage's beginning to its part `end`, in
        steps of a tenth.
        """
        tenths = 0

        def on_read(part: float) -> None:
            nonlocal tenths
            if int(10 * part) > tenths:
                tenths = int(10 * part)
                self.progress.stage(stage, end * part, f"{part:.0%} of the texts read")

        return on_read

    def look(
        self,
        stage: str,
        steps: int,
        measure: str,
        curve: str = "text",
        begin: float = 0.0,
        end: float = 1.0,
    ) -> Callable[[Evaluation, float], None]:
        """Report each evaluation of a training, from part `begin` to `end` of the stage. measure:
        name of the validation metric; a loss is reported as it is, while tasks return its negative.
        """

        def on_evaluation(look: Evaluation, value: float) -> None:
            if look.step:
                self.progress.metric(f"{curve}.loss", look.step, look.loss)
            shown = -value if measure in LOSSES else value
            self.progress.metric(f"{curve}.{measure}", look.step, shown)
            judged = "" if math.isnan(value) else f" {measure} {shown:.4f}"
            text = (
                f" loss {look.loss:.3f} ({look.steps_per_second:.2f} steps/s)" if look.step else ""
            )
            message = f"step {look.step}/{steps}{judged}{text}"
            self.progress.stage(stage, begin + (end - begin) * look.step / steps, message)
            if self.trial:
                self.trial(look.step, value)

        return on_evaluation


def peak_memory_mb() -> int:
    """Peak memory of this process in MB. On Linux it excludes the memory of the parent process,
    which getrusage includes.
    """
    status = Path("/proc/self/status")
    lines = (
        [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if status.exists()
        else []
    )
    return round(
        (int(lines[0].split()[1]) if lines else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        / 1024
    )


def load_encoder(
    config: TuningConfig, seed: int, run: Run | None = None, texts: list[str] = ()
) -> TextEncoder:
    """Load the configured encoder with its frozen layers. Logs a warning where many tokens of the
    texts are unknown. Raises ConfigError.
    """
    torch.manual_seed(seed)
    encoder = TextEncoder.load(config.encoder, config.max_tokens, config.frozen_layers)
    if run is not None and len(texts):
        some = [
            texts[i]
            for i in np.random.default_rng(seed).choice(
                len(texts), min(500, len(texts)), replace=False
            )
        ]
        share = encoder.unknown_share(some)
        if share >= UNKNOWN_MUCH:
            texts_read = (
                f"{share:.0%} of the texts' tokens are unknown to this encoder; text.encoder = "
                "multilingual may know them"
            )
            if texts_read not in run.warnings:
                run.warnings.append(texts_read)
            run.progress.stage(run.progress.last_stage, message=f"warning: {texts_read}")
    return encoder


def steps_for(config: TuningConfig, examples: int) -> TuningConfig:
    """Configuration with epochs converted to steps, the batch size limited to the data, and at
    least one evaluation.
    """
    from dataclasses import replace

    size = max(2, min(config.batch_size, examples))
    steps = config.steps if not config.epochs else max(1, round(config.epochs * examples / size))
    return replace(
        config, steps=steps, batch_size=size, evaluate_every=min(config.evaluate_every, steps)
    )


def compared(why_not: str = "") -> dict:
    """Report entry of the champion: its metrics on the same data, or why it cannot be compared."""
    return {"compared": not why_not, "reason": why_not}
