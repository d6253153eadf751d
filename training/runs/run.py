"""What every recipe is given, and what it leaves: the run, its progress, its report's head, its
checkpoint.
"""

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
from training.finetuning.loop import Evaluation, ResumableState
from training.runs.progress import Progress

NO_CHAMPION = "there is no champion"
UNKNOWN_MUCH = 0.1
"""Share of unknown tokens from which another encoder is proposed."""


@dataclass
class Run:
    """One run of a recipe.

    champion: checkpoint of the serving model, to be judged beside this one
    keeper: where the resumable state lies
    cache: folder of frozen states; several runs may share it
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
    """Told each look while hyper-parameters are searched; may stop the training by an exception."""

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
        """Tells progress of reading texts, from the stage's beginning to its part `end`, every
        tenth of it.
        """
        told = 0

        def on_read(part: float) -> None:
            nonlocal told
            if int(10 * part) > told:
                told = int(10 * part)
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
        """Tells progress of each look of a training, from part `begin` to `end` of the stage;
        `measure` is what validation gives.
        """

        def on_evaluation(look: Evaluation, value: float) -> None:
            if look.step:
                self.progress.metric(f"{curve}.loss", look.step, look.loss)
            self.progress.metric(f"{curve}.{measure}", look.step, value)
            judged = "" if math.isnan(value) else f" {measure} {value:.4f}"
            told = (
                f" loss {look.loss:.3f} ({look.steps_per_second:.2f} steps/s)" if look.step else ""
            )
            message = f"step {look.step}/{steps}{judged}{told}"
            self.progress.stage(stage, begin + (end - begin) * look.step / steps, message)
            if self.trial:
                self.trial(look.step, value)

        return on_evaluation


def peak_memory_mb() -> int:
    """Most memory that this process held.

    Where the kernel tells, without what the process that started it held: getrusage counts that,
    too.
    """
    status = Path("/proc/self/status")
    told = (
        [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if status.exists()
        else []
    )
    return round(
        (int(told[0].split()[1]) if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        / 1024
    )


def load_encoder(
    config: TuningConfig, seed: int, run: Run | None = None, texts: list[str] = ()
) -> TextEncoder:
    """The configured encoder, frozen as configured; warns where it does not know the language
    of the texts.
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
            told = (
                f"{share:.0%} of the texts' tokens are unknown to this encoder; text.encoder = "
                "multilingual may know them"
            )
            if told not in run.warnings:
                run.warnings.append(told)
            run.progress.stage(run.progress.last_stage, message=f"warning: {told}")
    return encoder


def steps_for(config: TuningConfig, examples: int) -> TuningConfig:
    """Epochs become steps, batches no larger than the data, and there is a look before the end."""
    from dataclasses import replace

    size = max(2, min(config.batch_size, examples))
    steps = config.steps if not config.epochs else max(1, round(config.epochs * examples / size))
    return replace(
        config, steps=steps, batch_size=size, evaluate_every=min(config.evaluate_every, steps)
    )


def compared(why_not: str = "") -> dict:
    """What a report says of the champion: judged beside this model, or why not."""
    return {"compared": not why_not, "reason": why_not}
