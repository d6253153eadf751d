"""Patterns of opinions: expansion, and errors of a pattern."""

import random

import pytest

from training.data.opinion_patterns import EACH, pattern_phrases, phrases, words
from training.data.opinions import POLARITIES


def all_of(pattern: str) -> set[str]:
    return set(phrases(pattern, 1000, random.Random(0)))


def test_alternatives_may_be_empty_and_nested():
    assert all_of("came (very |)late") == {"came late", "came very late"}
    assert all_of("a|b (c|d (e|f))") == {"a", "b c", "b d e", "b d f"}
    assert all_of("plain") == {"plain"}


def test_words_stand_for_their_alternatives():
    hues = set(words()["HUE"].split("|"))
    drawn = all_of("it is $HUE")
    assert drawn <= {f"it is {hue}" for hue in hues} and len(drawn) > len(hues) / 2
    assert len(phrases("$PARCEL arrived after $TIME", 5, random.Random(0))) == 5
    with pytest.raises(KeyError):
        all_of("$NOSUCH")


@pytest.mark.parametrize("pattern", ["(a|b", "a)", "((a)"])
def test_parentheses_have_to_match(pattern):
    with pytest.raises(ValueError, match="parenthesis"):
        all_of(pattern)


def test_every_phrase_has_one_topic_and_polarity():
    rows = list(pattern_phrases())
    texts = [text for text, _, _ in rows]
    assert len(texts) == len(set(texts)) and {polarity for _, _, polarity in rows} == {*POLARITIES}
    assert rows == list(pattern_phrases()), "the same in every process"
    assert not any(mark in text for text in texts for mark in "()|$（）")
    assert all(text == " ".join(text.split()) and text for text in texts) and len(rows) >= EACH
