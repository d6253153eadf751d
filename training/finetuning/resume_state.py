"""Resumable state of a run: one safetensors and one JSON file in a folder that is replaced
atomically.
"""

import json
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.errors import TrainingError


def save_state(folder: Path, tensors: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write the state to a temporary folder and swap: a kill at any moment leaves this state or the
    previous one. Raises TrainingError where the disk is full.
    """
    aside, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    shutil.rmtree(aside, ignore_errors=True)
    flat, plain = _flatten(tensors)
    try:
        aside.mkdir(parents=True)
        save_file(flat, aside / "tensors.safetensors")
        (aside / "facts.json").write_text(
            json.dumps({"facts": facts, "plain": plain}), encoding="utf-8"
        )
    except Exception as error:  # safetensors raises a class of its own for a full disk
        shutil.rmtree(aside, ignore_errors=True)
        if (
            isinstance(error, OSError)
            or "space" in str(error).lower()
            or type(error).__name__ == "SafetensorError"
        ):
            raise TrainingError(
                f"the training state could not be written to {folder}: {error}; the last "
                "good state is kept"
            ) from None
        raise
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    aside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Load the saved state: (tensors, JSON metadata). After an interrupted save, the state before
    it; None without any.
    """
    for place in (folder, folder.with_name(folder.name + ".old")):
        if (place / "facts.json").exists():
            read = json.loads((place / "facts.json").read_text(encoding="utf-8"))
            return _unflatten(load_file(place / "tensors.safetensors"), read["plain"]), read[
                "facts"
            ]
    return None


def remove_state(folder: Path) -> None:
    for place in (
        folder,
        folder.with_name(folder.name + ".old"),
        folder.with_name(folder.name + ".part"),
    ):
        shutil.rmtree(place, ignore_errors=True)


def _flatten(
    value: dict[str, Any], prefix: str = ""
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Nested dictionaries and lists as {"a/b/0": tensor}, and other values in the same form."""
    tensors, plain = {}, {}
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        name = f"{prefix}{'i' if isinstance(key, int) else 's'}:{key}"
        if isinstance(inner, torch.Tensor):
            tensors[name] = inner.detach().cpu().clone().contiguous()
        elif isinstance(inner, dict | list):
            plain[name] = "list" if isinstance(inner, list) else "dict"
            more, others = _flatten(inner, name + "\x1f")
            tensors |= more
            plain |= others
        else:
            plain[name] = [inner]
    return tensors, plain


def _unflatten(tensors: dict[str, torch.Tensor], plain: dict[str, Any]) -> dict[str, Any]:
    root: dict[Any, Any] = {}
    kinds = {name: kind for name, kind in plain.items() if isinstance(kind, str)}
    for name in kinds:
        _place(root, name, {})
    for name, value in tensors.items():
        _place(root, name, value)
    for name, value in plain.items():
        if not isinstance(value, str):
            _place(root, name, value[0])
    return _listed(root, "", kinds)


def _place(root: dict, name: str, value: Any) -> None:
    *path, last = name.split("\x1f")
    for key in path:
        root = root.setdefault(_key(key), {})
    if not (isinstance(value, dict) and _key(last) in root):
        root[_key(last)] = value


def _key(text: str) -> Any:
    kind, _, name = text.partition(":")
    return int(name) if kind == "i" else name


def _listed(node: Any, prefix: str, kinds: dict[str, str]) -> Any:
    if not isinstance(node, dict):
        return node
    out = {}
    for key, inner in node.items():
        name = f"{prefix}{'i' if isinstance(key, int) else 's'}:{key}"
        out[key] = _listed(inner, name + "\x1f", kinds)
        if kinds.get(name) == "list":
            out[key] = [out[key][i] for i in sorted(out[key])]
    return out


SAVE_SECONDS = 30.0
"""Seconds between two saves of the state."""


@dataclass
class ResumableState:
    """State of a training that survives a kill: its folder, and what is saved and restored."""

    folder: Path | None = None
    resume: bool = False
    facts: dict = field(default_factory=dict)
    """Identity of the training. A saved state with another identity is rejected."""
    saved_at: float = field(default_factory=time.monotonic)

    def read(self) -> tuple[dict, dict] | None:
        """The saved (tensors, facts); None without a state. Raises TrainingError where it belongs
        to another run.
        """
        saved = load_state(self.folder) if self.folder and self.resume else None
        if saved and saved[1]["belongs"] != self.facts:
            theirs = saved[1]["belongs"]
            wrong = next(k for k in {**theirs, **self.facts} if theirs.get(k) != self.facts.get(k))
            raise TrainingError(
                f"the state in {self.folder} belongs to another run: its {wrong} is "
                f"{theirs.get(wrong)!r}, not {self.facts.get(wrong)!r}"
            )
        return saved

    def due(self) -> bool:
        return self.folder is not None and time.monotonic() - self.saved_at >= SAVE_SECONDS

    def write(self, tensors: dict, facts: dict) -> None:
        save_state(self.folder, tensors, facts | {"belongs": self.facts})
        self.saved_at = time.monotonic()

    def child(self, name: str) -> "ResumableState":
        """Resumable state of a stage of the run, in a folder of its own."""
        return replace(
            self, folder=self.folder / name if self.folder else None, saved_at=time.monotonic()
        )

    def clear(self) -> None:
        if self.folder:
            remove_state(self.folder)
