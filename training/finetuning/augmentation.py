"""Text augmentation (word dropout, synonyms, reordered parts, back-translation) and typing errors
for robustness tests.
"""

import importlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from training.configuration.fields import ConfigError
from training.configuration.tuning import TuningConfig

PART = re.compile(r"(?<=\.) ")
NEAR, NEAREST = 0.6, 5
"""Minimum cosine of near words in the vocabulary, and their maximum number."""
Augment = Callable[[list[str], np.random.Generator], list[str]]


def make_augment(config: TuningConfig, encoder=None) -> Augment | None:
    """The configured augmentation as one function of texts and a random generator. None where none
    is configured.
    """
    steps: list[Augment] = []
    if config.back_translation and config.back_translation_share:
        steps.append(
            _back_translation(
                load_translator(config.back_translation), config.back_translation_share
            )
        )
    if config.attribute_shuffle:
        steps.append(
            lambda texts, rng: [
                shuffle_parts(t, rng) if rng.random() < config.attribute_shuffle else t
                for t in texts
            ]
        )
    if config.synonyms:
        near = (
            read_synonyms(Path(config.synonym_file)) if config.synonym_file else _NearWords(encoder)
        )
        steps.append(
            lambda texts, rng: [replace_words(t, near, config.synonyms, rng) for t in texts]
        )
    if config.word_dropout:
        steps.append(lambda texts, rng: [drop_words(t, config.word_dropout, rng) for t in texts])
    if not steps:
        return None

    def augment(texts: list[str], rng: np.random.Generator) -> list[str]:
        for step in steps:
            texts = step(texts, rng)
        return texts

    return augment


def drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    """Drop each word with this probability. At least one word stays."""
    words = text.split()
    if len(words) < 2:
        return text
    keep = rng.random(len(words)) >= share
    keep[rng.integers(len(words))] = True
    return " ".join(w for w, k in zip(words, keep, strict=True) if k)


def shuffle_parts(text: str, rng: np.random.Generator) -> str:
    """Shuffle the parts of a product text (title, brand, categories, description), or the sentences
    of other texts.
    """
    parts = PART.split(text)
    return " ".join(parts[i] for i in rng.permutation(len(parts)))


def replace_words(text: str, near, share: float, rng: np.random.Generator) -> str:
    """Replace each word that has synonyms with this probability."""
    words = text.split()
    for i in np.flatnonzero(rng.random(len(words)) < share):
        others = near.get(words[i].lower(), ())
        if others:
            words[i] = others[rng.integers(len(others))]
    return " ".join(words)


def read_synonyms(path: Path) -> dict[str, tuple[str, ...]]:
    """Read groups of synonyms: one per line, separated by commas. Raises ConfigError where the file
    cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"text.synonym_file: {error}") from None
    near: dict[str, tuple[str, ...]] = {}
    for line in lines:
        group = [word.strip().lower() for word in line.split(",") if word.strip()]
        near |= {word: tuple(w for w in group if w != word) for word in group}
    return near


class _NearWords:
    """Nearest words in the encoder's vocabulary by cosine of their input embeddings, with a
    cache.
    """

    def __init__(self, encoder) -> None:
        vocabulary = encoder.tokenizer.get_vocab()
        words = sorted(w for w in vocabulary if w.isalpha() and len(w) > 2)
        self.row = {w: i for i, w in enumerate(words)}
        self.words, self.neighbors = words, {}
        table = (
            encoder.bert.embeddings.word_embeddings.weight.detach()
            .cpu()
            .numpy()[[vocabulary[w] for w in words]]
        )
        self.table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)

    def get(self, word: str, default: tuple = ()) -> tuple[str, ...]:
        if word not in self.row:
            return default
        if word not in self.neighbors:
            cosine = self.table @ self.table[self.row[word]]
            best = np.argsort(-cosine)[1 : NEAREST + 1]
            self.neighbors[word] = tuple(self.words[i] for i in best if cosine[i] >= NEAR)
        return self.neighbors[word]


def load_translator(name: str) -> Callable[[list[str]], list[str]]:
    """The back-translation plug-in `module:function`: list of texts -> list of as many texts.
    Raises ConfigError.
    """
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"text.back_translation: {name!r} cannot be loaded: {error}; it must be module:function"
        ) from None


def _back_translation(translate: Callable[[list[str]], list[str]], share: float) -> Augment:
    def step(texts: list[str], rng: np.random.Generator) -> list[str]:
        """Raises ConfigError."""
        chosen = np.flatnonzero(rng.random(len(texts)) < share)
        round_trip = translate([texts[i] for i in chosen]) if len(chosen) else []
        if len(round_trip) != len(chosen):
            raise ConfigError(
                f"text.back_translation: gave {len(round_trip)} texts for {len(chosen)}"
            )
        out = list(texts)
        for i, text in zip(chosen, round_trip, strict=True):
            out[i] = text
        return out

    return step


def typos(text: str, rng: np.random.Generator, share: float = 0.1) -> str:
    """Swap two letters or drop one in this share of the words of four letters or more."""
    words = text.split()
    for i, word in enumerate(words):
        if len(word) >= 4 and rng.random() < share:
            at = int(rng.integers(1, len(word) - 2))
            swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            words[i] = swapped if rng.random() < 0.5 else word[:at] + word[at + 1 :]
    return " ".join(words)


DISTURBANCES: dict[str, Callable[[str, np.random.Generator], str]] = {
    "typos": typos,
    "dropped_words": lambda text, rng: drop_words(text, 0.1, rng),
    "case": lambda text, rng: text.upper(),
}
"""Disturbances of the test texts in the robustness part of a report."""


def disturbed(texts: Sequence[str], kind: str, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [DISTURBANCES[kind](text, rng) for text in texts]
