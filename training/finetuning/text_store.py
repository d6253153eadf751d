"""TextStore: the texts of a run, tokenized once, with cached output of frozen layers."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.data.product_text import length_batches
from training.encoders.bert import BATCH_TOKENS, TextEncoder, pad
from training.finetuning.adversarial import fgm

log = logging.getLogger(__name__)

LENGTH_GROUPS = 4
CACHED_STATES = 6
LARGEST_STATES = 8 * 2**30
"""Maximum size of cached states in bytes. Larger stores compute them at each use."""


@dataclass
class TextBatch:
    """Texts in groups of similar length. `inputs` holds token ids or frozen states of each group,
    (group, longest, …).

    order: (n,) puts the groups' rows into the requested order.
    """

    inputs: list[torch.Tensor]
    masks: list[torch.Tensor]
    types: list[torch.Tensor | None]
    order: torch.Tensor
    watched: list[torch.Tensor] | None = None
    shift: list[torch.Tensor] | None = None

    def encode(self, encoder: TextEncoder) -> torch.Tensor:
        """Unit vectors with gradients: (n, dim)."""
        groups = [
            encoder(self.entering(encoder, i), mask, self.types[i])
            for i, mask in enumerate(self.masks)
        ]
        return torch.cat(groups)[self.order]

    def watch(self) -> None:
        """Keep the input of the trained part in the next pass, so that `perturb` can read its
        gradient.
        """
        self.watched = []

    def perturb(self, epsilon: float) -> None:
        """Shift the trained part's input in the next pass along the last gradient (FGM)."""
        self.shift, self.watched = [fgm(x.grad, epsilon) for x in self.watched], None

    def entering(self, encoder: TextEncoder, i: int) -> torch.Tensor:
        """Token ids (texts, tokens) or frozen states (texts, tokens, dim) of a group; embedded
        where they are watched or perturbed.
        """
        x = self.inputs[i]
        if self.watched is None and self.shift is None:
            return x
        if not x.is_floating_point():
            with torch.set_grad_enabled(not encoder.frozen_layers):
                x = encoder.lower(x, self.masks[i], self.types[i])
        if self.shift is not None:
            return x + self.shift[i]
        if x.requires_grad:
            x.retain_grad()
        else:
            x = x.detach().requires_grad_(True)
        self.watched.append(x)
        return x


class TextStore:
    """Texts (or text pairs), their tokens, and the output of the frozen layers.

    number: (texts,) row of each text among the distinct ones, which `tokens` and `states` hold
    states: (tokens, dim) float16, memory-mapped; distinct text d has rows start[d] to start[d + 1].
        None without frozen layers, with `keep` off, or above LARGEST_STATES
    tell: called with the computed share, 0 to 1
    """

    def __init__(
        self,
        encoder: TextEncoder,
        texts: Sequence[str],
        device: torch.device,
        cache: Path | None = None,
        pairs: Sequence[str] | None = None,
        keep: bool = True,
        tell: Callable[[float], None] | None = None,
    ) -> None:
        self.tell = tell or (lambda part: None)
        self.encoder = encoder
        self.device = device
        self.texts = list(texts)
        self.pairs = None if pairs is None else list(pairs)
        different: dict = {}
        written = (
            self.texts if self.pairs is None else list(zip(self.texts, self.pairs, strict=True))
        )
        self.number = np.array(
            [different.setdefault(text, len(different)) for text in written], dtype=np.int64
        )
        self.tokens = (
            encoder.tokenize(list(different))
            if self.pairs is None
            else encoder.tokenize(*_columns(different))
        )
        self.start = np.concatenate([[0], np.cumsum([len(t) for t in self.tokens])]).astype(
            np.int64
        )
        self.lengths = np.diff(self.start)[self.number]
        size = int(self.start[-1]) * encoder.dim * 2
        wanted = keep and encoder.frozen_layers and 0 < size <= LARGEST_STATES
        self.states = self._frozen_states(cache, size) if wanted else None

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(
        self, rows: np.ndarray, augment: Callable[[list[str]], list[str]] | None = None
    ) -> TextBatch:
        """The texts at these positions (n,) as a batch; with `augment`, an augmented copy of
        them.
        """
        if augment is not None:
            tokens = self.encoder.tokenize(
                augment([self.texts[r] for r in rows]),
                None if self.pairs is None else [self.pairs[r] for r in rows],
            )
            return self._grouped(
                np.array([len(t) for t in tokens]),
                lambda group: self._padded([tokens[i] for i in group]),
            )
        rows = np.asarray(rows, dtype=np.int64)
        return self._grouped(self.lengths[rows], lambda group: self._inputs(rows[group]))

    def _grouped(self, lengths: np.ndarray, inputs_of: Callable[[np.ndarray], tuple]) -> TextBatch:
        order = np.argsort(lengths, kind="stable")
        groups = [g for g in np.array_split(order, LENGTH_GROUPS) if len(g)]
        inputs, masks, types = zip(*(inputs_of(g) for g in groups), strict=True)
        return TextBatch(
            list(inputs),
            list(masks),
            list(types),
            torch.from_numpy(np.argsort(np.concatenate(groups))).to(self.device),
        )

    def _inputs(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        if self.states is None:
            return self._padded([self.tokens[n] for n in self.number[rows]])
        longest = int(self.lengths[rows].max())
        offset = np.arange(longest)[None, :]
        mask = offset < self.lengths[rows][:, None]
        index = np.where(mask, self.start[self.number[rows]][:, None] + offset, 0)
        hidden = (
            torch.from_numpy(self.states[index.ravel()])
            .view(*index.shape, -1)
            .to(self.device)
            .float()
        )
        return hidden, torch.from_numpy(mask).to(self.device), None

    def _padded(
        self, tokens: list[list[int]]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        ids, mask = pad(tokens, self.encoder.pad_id)
        types = None
        if self.pairs is not None and self.encoder.bert.config.type_vocab_size > 1:
            ends = (ids == self.encoder.tokenizer.sep_token_id).long()
            types = ((ends.cumsum(1) - ends) > 0).long().to(self.device)
        return ids.to(self.device), mask.to(self.device), types

    def vectors(self, wanted: np.ndarray | None = None) -> np.ndarray:
        """Unit vectors of all texts, or of those at these positions (n,): (n, dim) float32."""
        if wanted is not None:
            return self._vectors(np.asarray(wanted, dtype=np.int64))
        first = np.unique(self.number, return_index=True)[1]
        return self._vectors(first)[self.number]

    def _vectors(self, first: np.ndarray) -> np.ndarray:
        out = np.zeros((len(first), self.encoder.dim), dtype=np.float32)
        was_training = self.encoder.training
        self.encoder.eval()
        with torch.inference_mode():
            for rows in length_batches(self.lengths[first], BATCH_TOKENS):
                out[rows] = self.encoder(*self._inputs(first[rows])).float().cpu().numpy()
        self.encoder.train(was_training)
        return out

    def _frozen_states(self, cache: Path | None, size: int) -> np.ndarray:
        """Output of the frozen layers, from the cache where it exists."""
        shape = (int(self.start[-1]), self.encoder.dim)
        if cache is None or shutil.disk_usage(_existing(cache)).free < size + 2**30:
            states = np.zeros(shape, dtype=np.float16)
            self._compute(states)
            return states
        path = cache / f"{self._key()}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(f".{os.getpid()}.part")
            states = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float16, shape=shape)
            self._compute(states)
            states.flush()
            aside.rename(path)
            _prune(cache)
        path.touch()
        return np.load(path, mmap_mode="r")

    def _key(self) -> str:
        digest = hashlib.sha256(self.encoder.digest().encode())
        digest.update(
            np.concatenate([np.asarray(t, dtype=np.int32) for t in self.tokens]).data
            if self.tokens
            else b""
        )
        digest.update(self.start.data)
        digest.update(b"pairs" if self.pairs is not None else b"")
        return digest.hexdigest()[:32]

    def _compute(self, states: np.ndarray) -> None:
        self.encoder.eval()
        done, lengths = 0, np.diff(self.start)
        with torch.inference_mode():
            for rows in length_batches(lengths, BATCH_TOKENS):
                ids, mask, types = self._padded([self.tokens[r] for r in rows])
                hidden = self.encoder.lower(ids, mask, types).half().cpu().numpy()
                for i, row in enumerate(rows):
                    states[self.start[row] : self.start[row + 1]] = hidden[i, : lengths[row]]
                done += int(lengths[rows].sum())
                self.tell(done / len(states))


def _columns(pairs: Collection[tuple[str, str]]) -> tuple[list[str], list[str]]:
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return list(first), list(second)


def _existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return folder if folder.exists() else _existing(folder.parent)


def _prune(cache: Path) -> None:
    """Delete the least recently used states."""
    for old in sorted(cache.glob("*.npy"), key=lambda p: p.stat().st_mtime)[:-CACHED_STATES]:
        old.unlink(missing_ok=True)
