"""Words that matched: each share is the fall of the cosine without the word."""

import numpy as np
import pytest

from training.encoders.bert import TextEncoder
from training.inference.text_attribution import WORD, matched_words


def bag(texts: list[str]) -> np.ndarray:
    """A vector that counts four words."""
    counts = np.array(
        [
            [text.lower().split().count(word) for word in ("red", "lantern", "paper", "blue")]
            for text in texts
        ],
        dtype=float,
    )
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def test_what_is_in_both_matched_and_what_is_not_did_not():
    (result,) = matched_words(bag, [("Red Lantern blue", "red lantern paper")])
    assert result == [("red", pytest.approx(0.5)), ("lantern", pytest.approx(0.5))]


def test_words_are_told_apart_in_latin_and_in_chinese_letters():
    assert WORD.findall("Mother's T-light 红灯LED 50cm") == [
        "Mother's",
        "T-light",
        "红",
        "灯",
        "LED",
        "50cm",
    ]


def test_shares_are_falls_of_the_cosine(tiny_encoder):
    encoder = TextEncoder.load(str(tiny_encoder), max_tokens=16)
    text, other = "small red paper lantern", "red lantern classic"
    (result,) = matched_words(encoder.encode, [(text, other)], most=10)
    whole, aim = encoder.encode([text, other])
    falls = {}
    for word in text.split():
        left = encoder.encode([" ".join(w for w in text.split() if w != word)])[0]
        falls |= {word: float((whole - left) @ aim)}
    total = sum(f for f in falls.values() if f > 0)
    assert dict(result) == pytest.approx(
        {w: f / total for w, f in falls.items() if f > 0}, abs=1e-3
    )
    assert [share for _, share in result] == sorted((share for _, share in result), reverse=True)


def test_only_the_strongest_are_told_and_several_pairs_are_kept_apart():
    pairs = [("red lantern", "red lantern"), ("blue", "red"), ("", "red")]
    first, second, third = matched_words(bag, pairs, most=1)
    assert [word for word, _ in first] == ["red"] and second == third == []
