"""Text analysis: the terms of documents and of queries, made by the same steps.

Words are folded (case, width, accents) and stemmed by language. Codes and sizes ("AB-123/45",
"3.5mm" or "128 GB") give their parts and the joined form. Chinese is segmented, and runs of Han and
kana also give character bigrams. The search engine sees these terms alone, joined by blanks.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

LONGEST_TERM = 60
"""Characters of a term; longer ones are cut, because nobody types them."""
MOST_CHARACTERS = 20_000
"""Characters of one text that are analyzed."""

SHORTEST_NUMERIC_CODE = 4
CACHED_WORDS, CACHED_TITLES = 50_000, 5_000
"""Words whose pieces are cached, and titles whose chunks are: the same ones are met again."""

HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
THAI_LIKE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
UNSPACED = f"[{HAN}{KANA}{THAI_LIKE}]+"
"""Runs of scripts that are written without blanks between words."""
_WORD = f"[^\\W_{HAN}{KANA}{THAI_LIKE}]"
_MARK = "[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f]"
_PIECE = f"(?:{_WORD}|{_MARK})+"
CHUNK = re.compile(
    f"{UNSPACED}|{_PIECE}(?:(?:[-./_+&'\u2019\u00b7:*#](?={_WORD})|,(?=\\d)|(?<=\\d)\u00d7(?=\\d))"
    f"{_PIECE})*[+#]{{0,2}}"
)
"""A chunk: characters without a blank between them that may be one code, size or word."""
PART = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
NUMBER = re.compile(r"\d+(?:\.\d+)?\Z")
_UNSPACED = re.compile(UNSPACED)
_TIMES = re.compile(r"(?<=\d)\u00d7(?=\d)")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+\Z")
_QUOTE = re.compile("['\u2019]s?\\Z|['\u2019](?=s\\b)")

UNITS = {
    **dict.fromkeys(("inch", "inches", "in", "zoll", "pouces", "pulgadas"), "inch"),
    **dict.fromkeys(("ft", "foot", "feet"), "ft"),
    **dict.fromkeys(("ounce", "ounces", "oz"), "oz"),
    **dict.fromkeys(("pound", "pounds", "lb", "lbs"), "lb"),
    **dict.fromkeys(("gram", "grams", "gramm", "g", "gr"), "g"),
    **dict.fromkeys(("kilogram", "kilograms", "kilo", "kg", "kgs"), "kg"),
    **dict.fromkeys(("liter", "liters", "litre", "litres", "l", "ltr"), "l"),
    **dict.fromkeys(("milliliter", "milliliters", "millilitre", "ml"), "ml"),
    **dict.fromkeys(("gallon", "gallons", "gal"), "gal"),
    **dict.fromkeys(("quart", "quarts", "qt"), "qt"),
    **dict.fromkeys(("meter", "meters", "metre", "metres", "m"), "m"),
    **dict.fromkeys(("watt", "watts", "w"), "w"),
    **dict.fromkeys(("volt", "volts", "v"), "v"),
    **dict.fromkeys(("piece", "pieces", "pc", "pcs"), "pc"),
    **dict.fromkeys(("gigabyte", "gigabytes", "gb"), "gb"),
    **dict.fromkeys(("terabyte", "terabytes", "tb"), "tb"),
    **{unit: unit for unit in ("mm", "cm", "km", "mg", "cl", "mb", "kb", "hz", "mhz", "ghz")},
    **{unit: unit for unit in ("mah", "ah", "kw", "ma", "mp", "fps", "rpm", "psi", "ct", "pk")},
}
"""Spellings of units, by the form that sizes are joined with."""

_IRREGULAR = {
    "english": {
        **{"men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth"},
        **{"mice": "mouse", "geese": "goose", "knives": "knife", "wives": "wife", "wolves": "wolf"},
        **{"shelves": "shelf", "scarves": "scarf", "leaves": "leaf", "halves": "half"},
        **{"mens": "man", "womens": "woman", "childrens": "child", "loaves": "loaf"},
        **{"calves": "calf", "thieves": "thief", "oxen": "ox", "people": "person"},
    }
}
"""Plurals that the stemmer of a language does not bring to their singular."""

LANGUAGES = {
    **{"ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "cs": "czech"},
    **{"da": "danish", "nl": "dutch", "en": "english", "et": "estonian", "fi": "finnish"},
    **{"fr": "french", "de": "german", "el": "greek", "hi": "hindi", "hu": "hungarian"},
    **{"id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian", "ne": "nepali"},
    **{"no": "norwegian", "nb": "norwegian", "fa": "persian", "pl": "polish", "pt": "portuguese"},
    **{"ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish"},
    **{"ta": "tamil", "tr": "turkish"},
}
"""Snowball stemmers by language code (ISO 639-1). Chinese, Japanese and Thai have none."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One word, code or size of a text.

    begin, end: character offsets in the text
    terms: its parts in order, stemmed; usually one
    words: the same, folded but not stemmed
    joined: the parts without what separates them, of a chunk with several parts; else empty
    unspaced: part of a run of Han, kana or the like
    """

    begin: int
    end: int
    terms: tuple[str, ...]
    words: tuple[str, ...]
    joined: str = ""
    unspaced: bool = False

    @property
    def is_code(self) -> bool:
        """True for a chunk with a digit that is more than a number ("AB-1"), or for numbers with
        separators that are long enough together ("60-1412", not "1/2").
        """
        whole = self.joined or self.terms[0]
        if len(self.words) > 1 and whole.isdigit():
            return len(whole) >= SHORTEST_NUMERIC_CODE
        return any(c.isdigit() for c in whole) and not NUMBER.match(whole)


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Fold width, case and, of Latin, Greek and Cyrillic letters, accents."""
    word = unicodedata.normalize("NFKC", word).casefold()
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFD", word)
    plain = "".join(c for c in letters if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", plain)


class Analyzer:
    """Turns texts into terms, for shops in one language or in several.

    languages: ISO 639-1 codes. A word is stemmed by the first of them that has a stemmer.
    """

    def __init__(self, languages: Sequence[str] = ("en",)) -> None:
        import Stemmer

        known = [LANGUAGES[code] for code in languages if code in LANGUAGES]
        self.language = known[0] if known else None
        self._stem = Stemmer.Stemmer(self.language).stemWord if self.language else str
        self._irregular = _IRREGULAR.get(self.language, {})
        self._pieces = lru_cache(maxsize=CACHED_WORDS)(self._pieces_of)
        self.title_chunks = lru_cache(maxsize=CACHED_TITLES)(self.chunks)

    def stem(self, word: str) -> str:
        """The stem of a folded word; a word with digits is its own stem."""
        if len(word) < 3 or not word.isalpha():
            return word
        return self._stem(self._irregular.get(word, word))

    def chunks(self, text: str) -> list[Chunk]:
        """The chunks of a text in order."""
        out: list[Chunk] = []
        for match in CHUNK.finditer(text[:MOST_CHARACTERS]):
            begin, end = match.span()
            if _is_unspaced(match[0][0]):
                out += self._unspaced(match[0], begin)
            else:
                terms, words, joined = self._pieces(match[0])
                if terms:
                    out.append(Chunk(begin, end, terms, words, joined))
        return out

    def _pieces_of(self, raw: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """(terms, words, joined) of a chunk."""
        folded = _TIMES.sub("x", _QUOTE.sub("", fold(raw)))
        words = tuple(_number(part)[:LONGEST_TERM] for part in PART.findall(folded))
        suffix = folded[len(folded.rstrip("+#")) :]
        joined = ""
        if len(words) > 1 or suffix:
            joined = "".join(_units(words))[:LONGEST_TERM] + suffix
        return tuple(self.stem(word) for word in words), words, joined

    def _unspaced(self, raw: str, begin: int) -> Iterator[Chunk]:
        for word, start in segment(raw):
            term = fold(word)
            yield Chunk(begin + start, begin + start + len(word), (term,), (term,), unspaced=True)

    def document_terms(self, text: str) -> list[str]:
        """The terms of a text as the index holds them: parts in order, joined forms behind them."""
        chunks = self.chunks(text)
        out: list[str] = []
        for i, chunk in enumerate(chunks):
            out += chunk.terms
            if chunk.joined:
                out.append(chunk.joined)
            elif size := size_of(chunk, chunks[i + 1] if i + 1 < len(chunks) else None):
                out.append(size)
        return out + unspaced_bigrams(text)

    def document_words(self, text: str) -> list[str]:
        """The words of a text without stemming: for prefixes and the correction of typos."""
        return [
            word for chunk in self.chunks(text) for word in (*chunk.words, chunk.joined) if word
        ]


def size_of(chunk: Chunk, following: Chunk | None) -> str:
    """The joined form of a number and the unit that follows it ("128", "GB"); else empty."""
    if following is None or len(chunk.words) != 1 or len(following.words) != 1:
        return ""
    unit = UNITS.get(following.words[0])
    return chunk.words[0] + unit if unit and NUMBER.match(chunk.words[0]) else ""


def unspaced_bigrams(text: str) -> list[str]:
    """Character bigrams of the runs of Han and kana, which find words that were cut otherwise."""
    if text.isascii():
        return []
    runs = [fold(run) for run in _UNSPACED.findall(text[:MOST_CHARACTERS])]
    return [run[i : i + 2] for run in runs for i in range(len(run) - 1)]


def code_form(text: str) -> str:
    """A code as one term: folded, letters and digits alone ("AB-123/45" -> "ab12345")."""
    return "".join(c for c in fold(text) if c.isalnum())[:LONGEST_TERM]


def code_suffixes(text: str, least: int = 3) -> list[str]:
    """The code from each of its parts on, of at least `least` characters: prefixes of these find
    any part of the code ("AB-123/45" -> "ab12345", "12345").
    """
    parts = PART.findall(fold(text).replace(".", " ").replace(",", " "))
    joined = ["".join(parts[i:])[:LONGEST_TERM] for i in range(len(parts))]
    return [code for code in joined if len(code) >= least]


def segment(run: str) -> list[tuple[str, int]]:
    """Words of a run of an unspaced script, with their offsets."""
    import rjieba

    out, at = [], 0
    for word in rjieba.cut(run):
        out.append((word, at))
        at += len(word)
    return out


def _is_unspaced(character: str) -> bool:
    return character > "\u0e00" and _UNSPACED.match(character) is not None


def _number(part: str) -> str:
    """A number in its common form: "1,000" -> "1000", "3,5" -> "3.5"; a word as it is."""
    if not part[0].isdigit() or part.isdigit():
        return part
    if _THOUSANDS.match(part):
        return part.replace(",", "")
    return part.replace(",", ".")


def _units(words: Sequence[str]) -> Iterator[str]:
    """The parts of a code, with the common form of a unit behind a number."""
    for i, word in enumerate(words):
        behind_number = i > 0 and NUMBER.match(words[i - 1]) is not None
        yield UNITS.get(word, word) if behind_number else word
