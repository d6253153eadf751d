"""Attribution of text similarity to words, by occlusion."""

import re
from collections.abc import Callable, Sequence

import numpy as np

WORDS_READ = 24
"""Maximum number of distinct words that are left out in turn."""
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+(?:['’-][^\W\u3400-\u9fff]+)*")
"""A word, or one Chinese character."""


def matched_words(
    encode: Callable[[list[str]], np.ndarray], pairs: Sequence[tuple[str, str]], most: int = 3
) -> list[list[tuple[str, float]]]:
    """For each pair (text, other): the words of `text` that contribute most to the similarity,
    strongest first.

    A word's share is the decrease of the cosine without it, relative to the sum of all decreases:
    occlusion (Zeiler & Fergus 2014; for words Li, Monroe & Jurafsky 2016). Words without a decrease
    are left out; equal shares (to 1e-6) keep their order. `encode` maps texts to unit vectors (n,
    dim).
    """
    words = [
        list(dict.fromkeys(word.lower() for word in WORD.findall(text)))[:WORDS_READ]
        for text, _ in pairs
    ]
    variants = [
        [other, text, *(_without(text, word) for word in some)]
        for (text, other), some in zip(pairs, words, strict=True)
    ]
    vectors = encode([text for texts in variants for text in texts])
    matches, end = [], 0
    for some in words:
        other, whole, *without = vectors[end : end + len(some) + 2]
        end += len(some) + 2
        falls = {
            word: float((whole - one) @ other) for word, one in zip(some, without, strict=True)
        }
        total = sum(fall for fall in falls.values() if fall > 0)
        largest = sorted(
            (word for word in some if falls[word] > 0), key=lambda word: -round(falls[word], 6)
        )[:most]
        matches.append([(word, falls[word] / total) for word in largest])
    return matches


def _without(text: str, word: str) -> str:
    """The text without all occurrences of the word, in any case."""
    return " ".join(
        WORD.sub(lambda m: "" if m.group().lower() == word else m.group(), text).split()
    )
