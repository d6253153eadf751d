"""Correction of typos: words of the shop that are near to an unknown word, the likeliest first.

Candidates come from the vocabulary within one edit, or two for long words, and are weighted by how
frequent they are and whether they occur together with the other words (a noisy channel, Kernighan
et al. 1990).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.search.documents import DESCRIPTION, TITLE
from training.search.lexical import LexicalIndex

SHORTEST = 4
"""Letters of the shortest word that is corrected."""
LONG = 7
"""Letters from which on two edits are corrected."""
EDIT_COST = 4.0
"""Cost of an edit, in units of the logarithm of the document frequency."""
FIRST_LETTER_COST = 1.5
TITLE_WEIGHT = 5.0
"""Weight of a document with the word in its title, against one in its description."""
TOGETHER_GAIN = 4.0
RARE = 30
"""A known word that is this many times rarer than one within an edit may be a typo, too."""
TRUSTED = 50.0
"""Weight from which a known word is never taken for a typo."""
MOST = 3
LOOKED_AT = 6


@dataclass(frozen=True, slots=True)
class Correction:
    """A word of the shop for a word of the query. share: (0, 1], of the likeliest one's score."""

    word: str
    share: float


def corrections(
    index: LexicalIndex, word: str, others: Sequence[str] = ()
) -> tuple[bool, list[Correction]]:
    """(whether the word itself is unknown, its corrections).

    others: stems of the other words of the query
    """
    if len(word) < SHORTEST or not word.isalpha() or _is_unspaced(word):
        return False, []
    own = weight_of(index, word)
    if own >= TRUSTED:
        return False, []
    near = index.similar_words(word, 1)
    if own == 0 and len(word) >= LONG and not near:
        near = index.similar_words(word, 2)
    scored = sorted(
        ((_score(index, word, other), other) for other in near if other != word), reverse=True
    )[:LOOKED_AT]
    if own > 0:
        scored = [(score, other) for score, other in scored if weight_of(index, other) > RARE * own]
    scored = [(score + _together(index, other, others), other) for score, other in scored]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    if not scored:
        return own == 0, []
    best = scored[0][0]
    kept = [Correction(other, math.exp((score - best) / 2)) for score, other in scored]
    return own == 0, [one for one in kept if one.share > 0.1][:MOST]


def weight_of(index: LexicalIndex, word: str) -> float:
    """How frequent a word is in the shop's texts; by its stem."""
    stem = index.analyzer.stem(word)
    shown = index.document_frequency(stem, (TITLE, "brand", "category", "attributes"))
    return TITLE_WEIGHT * shown + index.document_frequency(stem, (DESCRIPTION,))


def _score(index: LexicalIndex, typed: str, word: str) -> float:
    cost = EDIT_COST * distance(typed, word)
    cost += FIRST_LETTER_COST * (typed[0] != word[0])
    return math.log1p(weight_of(index, word)) - cost


def _together(index: LexicalIndex, word: str, others: Sequence[str]) -> float:
    """Gain of a word that occurs together with the other words of the query."""
    if not others:
        return 0.0
    stem = index.analyzer.stem(word)
    best = 0
    for other in others[:3]:
        both = [index.term(stem), index.term(other)]
        best = max(best, index.search(both, 1, at_least=2, count=True).total)
    return TOGETHER_GAIN * min(1.0, math.log1p(best) / math.log(50))


def distance(a: str, b: str) -> int:
    """Damerau-Levenshtein distance with adjacent transpositions (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _is_unspaced(word: str) -> bool:
    return any(character > "\u0e00" for character in word)
