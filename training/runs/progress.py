"""Progress of a run: a bar on stderr, and `progress.jsonl` for programs."""

import json
import logging
import math
import sys
import time
from pathlib import Path

from tqdm import tqdm

log = logging.getLogger("training")


class Progress:
    """Reports stages and metrics. `stages` has their names in order, with their usual share of the
    time.

    Each line is JSON: {"stage", "done", "seconds_left"} or {"metric", "step", "value"}. The bar
    appears where stderr is a terminal; log files contain only messages.
    """

    def __init__(
        self,
        path: Path | None = None,
        stages: dict[str, float] | None = None,
        quiet: bool = False,
        tracking=None,
    ) -> None:
        self.file = path.open("a", encoding="utf-8") if path else None
        self.stages = stages or {}
        self.tracking = tracking
        self.begun = time.monotonic()
        self.bar = tqdm(
            total=100,
            file=sys.stderr,
            disable=quiet or None,
            bar_format="{desc:<12} {percentage:3.0f}%|{bar}| {elapsed}",
        )
        self.prefix = 0.0
        self.scale = 1.0
        self.stage_name = ""
        self.last_stage = next(iter(self.stages), "")
        self.done = 0.0

    def stage(self, name: str, part: float = 0.0, message: str = "") -> None:
        """Set the progress to `part` (0 to 1) of stage `name`. The total never decreases."""
        self.last_stage = name
        self.done = done = max(
            self.done,
            self.prefix
            + self.scale * self._before(name)
            + self.scale * self.stages.get(name, 0) * part,
        )
        elapsed = time.monotonic() - self.begun
        left = elapsed * (1 - done) / done if done > 0.1 else None
        self.bar.n = round(100 * done)
        self.bar.set_description_str(self.stage_name or name)
        line = {
            "stage": self.stage_name or name,
            "done": round(done, 4),
            "seconds": round(elapsed, 1),
            "seconds_left": left and round(left, 1),
        }
        self._write(line | ({"message": message} if message else {}))
        if message:
            log.info("%s: %s", self.stage_name or name, message)

    def within(self, name: str) -> "Progress":
        """Progress of a nested run: its stages are parts of stage `name`."""
        self.prefix, self.scale, self.stage_name = self._before(name), self.stages[name], name
        return self

    def metric(self, name: str, step: int, value: float) -> None:
        """Report a measured value. Refits report none, because they have no validation data."""
        if not self.stage_name and math.isfinite(value):
            self._write({"metric": name, "step": step, "value": round(float(value), 6)})
            if self.tracking:
                self.tracking.metric(name, step, float(value))

    def close(self) -> None:
        self.bar.close()
        if self.tracking:
            self.tracking.close()
        if self.file:
            self.file.close()

    def _before(self, name: str) -> float:
        names = list(self.stages)
        return (
            sum(self.stages[n] for n in names[: names.index(name)]) if name in self.stages else 0.0
        )

    def _write(self, line: dict) -> None:
        if self.file:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
