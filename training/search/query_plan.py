"""Query plan: the parts of a shopper's query, each with the terms that may stand for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from training.search.analysis import (
    NUMBER,
    Analyzer,
    Chunk,
    code_form,
    fold,
    size_of,
    unspaced_bigrams,
)
from training.search.lexical import Alternative, LexicalIndex
from training.search.spelling import corrections, weight_of

MOST_CHARACTERS = 512
"""Characters of a query that are read; the rest is left out."""
MOST_SLOTS = 24
MOST_CHUNKS_OF_A_CODE = 4
SHORTEST_CODE = 3
EXACT, JOINED, PHRASE, SYNONYM, COMPOUND, CORRECTED, PREFIX = 1.0, 1.0, 0.9, 0.8, 0.7, 0.7, 0.6
CODE_EQUAL, CODE_PREFIX = 3.0, 1.5

STOP_WORDS = {
    "en": "a an and any at by for from in is it of on or the to with",
    "de": "am an auf aus das dem den der des die ein eine einen einer für im in mit oder und von "
    "zu",
    "fr": "a au aux avec de des du en et la le les ou pour sur un une",
    "es": "a al con de del el en la las los o para por un una y",
    "it": "a al con da del della di e i il in la le lo per un una",
    "pt": "a ao com da das de do dos e em o os ou para por um uma",
    "nl": "de een en het in met of op te van voor",
    "sv": "av en ett för i med och på till",
}
"""Words without meaning of their own, by language; a shop may have its own list."""


@dataclass(frozen=True)
class Slot:
    """A part of the query that a product should match.

    begin, end: character offsets in the query; text: the folded words
    alternatives: terms that match it; the first is what was typed
    stop_word: it need not match
    """

    begin: int
    end: int
    text: str
    terms: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    stop_word: bool = False
    correction: str = ""

    @property
    def all_terms(self) -> tuple[str, ...]:
        """Every single term that stands for it, for features and highlights."""
        singles = [term for one in self.alternatives if not one.is_code for term in one.terms]
        return tuple(dict.fromkeys(singles))


@dataclass(frozen=True)
class QueryPlan:
    """text: as typed; slots: its parts in order; corrected: the query with its typos corrected,
    empty without any; codes: forms that a product code may equal; bigrams: of unspaced scripts.
    """

    text: str
    slots: tuple[Slot, ...]
    corrected: str = ""
    codes: tuple[str, ...] = ()
    bigrams: tuple[str, ...] = ()

    @cached_property
    def highlighted(self) -> tuple[frozenset[str], frozenset[str]]:
        """(terms, codes) that are highlighted in a text."""
        terms = (term for slot in self.slots if not slot.stop_word for term in slot.all_terms)
        alternatives = (one for slot in self.slots for one in slot.alternatives if one.is_code)
        codes = (term for one in alternatives for term in one.terms)
        return frozenset(terms), frozenset(codes)

    @property
    def required(self) -> tuple[Slot, ...]:
        """The slots without stop words; all where there are only stop words."""
        return tuple(slot for slot in self.slots if not slot.stop_word) or self.slots

    @property
    def meant(self) -> str:
        """The query as the encoder reads it: corrected where it had typos."""
        return self.corrected or self.text


@dataclass(frozen=True)
class Wording:
    """A shop's own words for its search.

    synonyms: by a phrase of terms, the phrases that may stand for it
    stop_words: folded words
    """

    synonyms: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    stop_words: frozenset[str] = frozenset()

    @property
    def longest(self) -> int:
        return max((len(phrase) for phrase in self.synonyms), default=0)


def default_stop_words(languages: Iterable[str]) -> frozenset[str]:
    """The stop words of these languages, folded."""
    lists = (STOP_WORDS.get(code, "") for code in languages)
    return frozenset(fold(word) for words in lists for word in words.split())


def phrase_terms(analyzer: Analyzer, phrase: str) -> tuple[str, ...]:
    """The terms of a phrase as the slots of a query have them, for synonyms."""
    return tuple(slot.terms[0] for slot in slots_of(analyzer, phrase, frozenset()))


def plan_query(
    index: LexicalIndex, text: str, wording: Wording | None = None, as_you_type: bool = False
) -> QueryPlan:
    """The plan of a query. as_you_type: its last word may be the beginning of one."""
    wording = wording or Wording(stop_words=default_stop_words(index.languages))
    text = "".join(c if c.isprintable() else " " for c in text[:MOST_CHARACTERS])
    slots = slots_of(index.analyzer, text, wording.stop_words)[:MOST_SLOTS]
    slots = _with_synonyms(slots, wording)
    slots = _with_compounds(index, slots)
    slots = _with_codes(index, slots)
    slots = _with_corrections(index, slots, as_you_type)
    return QueryPlan(
        text,
        tuple(slots),
        corrected=_corrected(text, slots),
        codes=_codes(slots),
        bigrams=tuple(dict.fromkeys(unspaced_bigrams(text))),
    )


def slots_of(analyzer: Analyzer, text: str, stop_words: frozenset[str]) -> list[Slot]:
    """The slots of a text with their own terms alone; a number and its unit are one slot."""
    chunks, out, i = analyzer.chunks(text), [], 0
    while i < len(chunks):
        chunk, following = chunks[i], chunks[i + 1] if i + 1 < len(chunks) else None
        size = "" if chunk.joined else size_of(chunk, following)
        if size:
            out.append(_size_slot(chunk, following, size))
        else:
            out.append(_slot(chunk, stop_words))
        i += 2 if size else 1
    return out


def _slot(chunk: Chunk, stop_words: frozenset[str]) -> Slot:
    alternatives = []
    if chunk.joined:
        alternatives.append(Alternative((chunk.joined,), JOINED))
        if len(chunk.terms) > 1:
            alternatives.append(Alternative(chunk.terms, PHRASE))
        elif len(chunk.terms[0]) > 1:
            alternatives.append(Alternative(chunk.terms, COMPOUND))
    else:
        alternatives.append(Alternative(chunk.terms, EXACT))
    text = chunk.joined or chunk.words[0]
    terms = (chunk.joined,) if chunk.joined else chunk.terms
    is_stop_word = text in stop_words
    return Slot(chunk.begin, chunk.end, text, terms, tuple(alternatives), is_stop_word)


def _size_slot(chunk: Chunk, unit: Chunk, size: str) -> Slot:
    terms = (chunk.terms[0], unit.terms[0])
    alternatives = (Alternative((size,), JOINED), Alternative(terms, PHRASE))
    text = f"{chunk.words[0]} {unit.words[0]}"
    return Slot(chunk.begin, unit.end, text, (size,), alternatives)


def _added(slot: Slot, *alternatives: Alternative) -> Slot:
    known = {(one.terms, one.is_code) for one in slot.alternatives}
    new = [one for one in alternatives if (one.terms, one.is_code) not in known]
    return replace(slot, alternatives=(*slot.alternatives, *new))


def _with_synonyms(slots: list[Slot], wording: Wording) -> list[Slot]:
    """The slots with the synonyms of every phrase of them; a phrase's slots share each synonym."""
    out = list(slots)
    for begin in range(len(slots)):
        for length in range(1, min(wording.longest, len(slots) - begin) + 1):
            phrase = tuple(slot.terms[0] for slot in slots[begin : begin + length])
            for synonym in wording.synonyms.get(phrase, ()):
                for i in range(begin, begin + length):
                    out[i] = _added(out[i], Alternative(synonym, SYNONYM))
    return out


def _with_compounds(index: LexicalIndex, slots: list[Slot]) -> list[Slot]:
    """The slots with compounds: two words written as one ("mac book"), or one as two."""
    out = list(slots)
    for i, (one, two) in enumerate(pairwise(slots)):
        joined = one.text + two.text
        if one.text.isalpha() and two.text.isalpha() and len(joined) > 4:
            stem = index.analyzer.stem(joined)
            # The stem has part of both words: that of "lantern" and "ed" is "lantern".
            if len(stem) > len(one.text) and index.document_frequency(stem):
                for k in (i, i + 1):
                    out[k] = _added(out[k], Alternative((stem,), COMPOUND))
    for i, slot in enumerate(slots):
        if halves := _halves(index, slot.text):
            out[i] = _added(out[i], Alternative(halves, COMPOUND))
    return out


def _halves(index: LexicalIndex, word: str) -> tuple[str, str] | None:
    """The two words that stand next to each other in most documents and give this one joined."""
    if len(word) < 6 or not word.isalpha() or not word.isascii():
        return None
    best, halves = 0, None
    for at in range(3, len(word) - 2):
        one, two = index.analyzer.stem(word[:at]), index.analyzer.stem(word[at:])
        if index.document_frequency(one) and index.document_frequency(two):
            both = index.search([index.phrase((one, two))], 1, count=True).total
            if both > best:
                best, halves = both, (one, two)
    return halves


def _with_codes(index: LexicalIndex, slots: list[Slot]) -> list[Slot]:
    """The slots with the product codes that they are, or begin."""
    out = list(slots)
    spans = [
        (i, i + length)
        for length in range(1, MOST_CHUNKS_OF_A_CODE + 1)
        for i in range(len(slots) - length + 1)
    ]
    for begin, end in spans:
        code = code_form("".join(slot.text for slot in slots[begin:end]))
        if len(code) < SHORTEST_CODE or not any(c.isdigit() for c in code):
            continue
        found = index.codes_with_prefix(code)
        alternatives = [
            Alternative((one,), CODE_EQUAL if one == code else CODE_PREFIX, is_code=True)
            for one in found
        ]
        for i in range(begin, end):
            out[i] = _added(out[i], *alternatives)
    return out


def _with_corrections(index: LexicalIndex, slots: list[Slot], as_you_type: bool) -> list[Slot]:
    """The slots with likely corrections of typos, and of the last word with its completions."""
    out = []
    for i, slot in enumerate(slots):
        is_word = len(slot.terms) == 1 and slot.text.isalpha() and not slot.stop_word
        has_others = len(slot.alternatives) > 1
        if not is_word:
            out.append(slot)
            continue
        is_last = i == len(slots) - 1
        unknown = not has_others and weight_of(index, slot.text) == 0
        completions = (
            index.words_with_prefix(slot.text, 5)
            if is_last and (as_you_type or unknown) and len(slot.text) >= 2
            else []
        )
        if completions:
            stems = dict.fromkeys(index.analyzer.stem(word) for word, _ in completions)
            out.append(_added(slot, *(Alternative((stem,), PREFIX) for stem in stems)))
            continue
        others = [other.terms[0] for j, other in enumerate(slots) if j != i and not other.stop_word]
        is_unknown, found = [False, []] if has_others else corrections(index, slot.text, others)
        stems = [(index.analyzer.stem(one.word), one.share) for one in found]
        weights = EXACT if is_unknown else CORRECTED
        slot = _added(slot, *(Alternative((stem,), weights * share) for stem, share in stems))
        if is_unknown and found:
            slot = replace(slot, correction=found[0].word)
        out.append(slot)
    return out


def _corrected(text: str, slots: Sequence[Slot]) -> str:
    out, at = [], 0
    for slot in slots:
        if slot.correction:
            out += [text[at : slot.begin], slot.correction]
            at = slot.end
    return "".join([*out, text[at:]]).strip() if out else ""


def _codes(slots: Sequence[Slot]) -> tuple[str, ...]:
    """What a product's code may equal: the whole query, where it is short enough."""
    code = code_form("".join(slot.text for slot in slots))
    known = 0 < len(slots) <= MOST_CHUNKS_OF_A_CODE and len(code) >= SHORTEST_CODE
    return (code,) if known and any(c.isdigit() for c in code) else ()


def is_number(slot: Slot) -> bool:
    """True for a slot that is a number alone."""
    return NUMBER.match(slot.text) is not None
