"""Patterns of opinions: phrases with alternatives, expanded to examples of a topic and polarity.

"$PARCEL arrived (late|$VERY late)": parentheses hold alternatives with | between, an empty one
leaves the part out, and $NAME stands for the alternatives of a word. Of each pattern, a sample is
drawn.
"""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FILES = ("opinion_patterns.json", "opinion_patterns_zh.json")
"""Patterns in English, and in Chinese."""
EACH = 20
"""Most phrases of a pattern."""
TRIES = 3
"""Draws per phrase: the same phrase may be drawn several times."""
_WORD = re.compile(r"\$([A-Z]+)")
Tree = list[list["str | Tree"]]
"""Alternatives, each a sequence of texts and of further alternatives."""


def pattern_phrases(seed: int = 0) -> Iterator[tuple[str, str, str]]:
    """(phrase, topic, polarity) of all patterns; a phrase of several patterns once, as of the
    first.
    """
    draw, seen = random.Random(seed), set()
    for topic, polarity, pattern in _patterns():
        for phrase in phrases(pattern, EACH, draw):
            if phrase not in seen:
                seen.add(phrase)
                yield phrase, topic, polarity


def phrases(pattern: str, most: int, draw: random.Random) -> list[str]:
    """Different phrases of a pattern, at most so many. Raises ValueError where parentheses do not
    match, KeyError for an unknown word.
    """
    tree = _parsed(pattern)
    most = min(most, _size(tree))
    found: dict[str, None] = {}
    for _ in range(TRIES * most):
        found[" ".join(_drawn(tree, draw).split())] = None
        if len(found) == most:
            break
    return list(found)


def _patterns() -> Iterator[tuple[str, str, str]]:
    for file in _files():
        for topic, of_topic in file["topics"].items():
            for polarity, patterns in of_topic.items():
                yield from ((topic, polarity, pattern) for pattern in patterns)


@cache
def words() -> dict[str, str]:
    """Alternatives of each word that patterns name."""
    return {name: text for file in _files() for name, text in file["words"].items()}


@cache
def _files() -> list[dict]:
    folder = Path(__file__).parent
    return [json.loads((folder / name).read_text(encoding="utf-8")) for name in FILES]


@cache
def _parsed(pattern: str) -> Tree:
    whole = _WORD.sub(lambda found: f"({words()[found[1]]})", pattern)
    if "$" in whole:  # words of words
        return _parsed(whole)
    tree, end = _alternatives(whole, 0)
    if end != len(whole):
        raise ValueError(f"“{pattern}”: a parenthesis is closed that was not opened")
    return tree


def _alternatives(text: str, at: int) -> tuple[Tree, int]:
    """The alternatives that begin here, and where they end."""
    tree: Tree = [[]]
    while at < len(text) and text[at] != ")":
        if text[at] == "(":
            inner, at = _alternatives(text, at + 1)
            if at >= len(text):
                raise ValueError(f"“{text}”: a parenthesis is not closed")
            tree[-1].append(inner)
        elif text[at] == "|":
            tree.append([])
        else:
            tree[-1].append(text[at])
        at += 1
    return tree, at


def _drawn(tree: Tree, draw: random.Random) -> str:
    parts = draw.choice(tree)
    return "".join(part if isinstance(part, str) else _drawn(part, draw) for part in parts)


def _size(tree: Tree) -> int:
    """Number of phrases, the same words counted as often as they can be written."""
    total = 0
    for parts in tree:
        product = 1
        for part in parts:
            product *= 1 if isinstance(part, str) else _size(part)
        total += product
    return total
