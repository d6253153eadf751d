"""Sentences of a text, and parts of a text that are short enough to be quoted."""

import re

LONGEST_PASSAGE = 500
"""Characters of a passage; a longer sentence is cut at a blank."""
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[^\Wa-z_]|[\"'“‘(])|(?<=[。！？；])\s*|\s*\n\s*")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without blanks around."""
    text = _BLANKS.sub(" ", text)
    return [part.strip() for part in _END.split(text) if part and part.strip()]


def passages(text: str) -> list[str]:
    """The text in parts of whole sentences, each at most LONGEST_PASSAGE characters; paragraphs
    are not joined.
    """
    out: list[str] = []
    for paragraph in re.split(r"\n ?\n", _BLANKS.sub(" ", _LINES.sub("\n\n", text))):
        part = ""
        for sentence in sentences(paragraph):
            for piece in _pieces(sentence):
                if part and len(part) + 1 + len(piece) > LONGEST_PASSAGE:
                    out.append(part)
                    part = ""
                part = f"{part} {piece}" if part else piece
        if part:
            out.append(part)
    return out


def _pieces(sentence: str) -> list[str]:
    """A sentence cut at blanks where it is too long."""
    out = []
    while len(sentence) > LONGEST_PASSAGE:
        at = sentence.rfind(" ", LONGEST_PASSAGE // 2, LONGEST_PASSAGE)
        at = LONGEST_PASSAGE if at < 0 else at
        out.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*out, sentence] if sentence else out
