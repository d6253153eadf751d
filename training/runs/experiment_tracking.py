"""Experiment tracking: TensorBoard files of every run; Weights & Biases with VITRINE_WANDB."""

import os
from pathlib import Path

from training.configuration.fields import ConfigError

WANDB_MODES = ("offline", "online")


class Tracking:
    """Writers of metric curves: TensorBoard, Weights & Biases. They open at the first value;
    `close` flushes them.
    """

    def __init__(self, folder: Path, run_name: str = "", config: dict | None = None) -> None:
        self.folder, self.run_name, self.config = folder, run_name, config or {}
        self.board = self.wandb = None
        self.mode = os.environ.get("VITRINE_WANDB", "")
        if self.mode and self.mode not in WANDB_MODES:
            raise ConfigError(
                f"VITRINE_WANDB: {self.mode!r} is not one of {', '.join(WANDB_MODES)}"
            )

    def metric(self, name: str, step: int, value: float) -> None:
        if self.board is None:
            self._open()
        self.board.add_scalar(name.replace(".", "/", 1), value, step)
        if self.wandb is not None:
            self.wandb.log({name: value, "step": step})

    def _open(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(str(self.folder / "tensorboard"))
        if self.mode:
            try:
                import wandb
            except ImportError:
                raise ConfigError("VITRINE_WANDB: the package wandb is not installed") from None
            self.wandb = wandb.init(
                project="vitrine",
                name=self.run_name,
                dir=str(self.folder),
                mode=self.mode,
                config=self.config,
            )

    def close(self) -> None:
        if self.board is not None:
            self.board.close()
        if self.wandb is not None:
            self.wandb.finish()
