"""Clauses of a text: the parts that can hold an opinion of their own."""

import re

MOST_CLAUSES = 200
"""Clauses of one text; what follows is one more."""

_CONTRAST = (
    r"but|however|although|though|even[ ]though|(?<!\ba[ ])while|whereas|"
    r"(?<!not[ ])(?<!n't[ ])yet|except|unfortunately|sadly|"
    "luckily|nevertheless|nonetheless|otherwise|"
    "aber|jedoch|allerdings|obwohl|leider|trotzdem|dennoch|sondern|"
    "mais|cependant|pourtant|toutefois|malheureusement|"
    "pero|sin[ ]embargo|aunque|lamentablemente|mas|porém|embora|infelizmente|"
    "però|tuttavia|purtroppo|maar|echter|helaas"
)
_AND = "and|und|et|y|e"
_SUBJECT = (
    "i|it|its|it's|they|their|we|he|she|this|that|these|those|the|my|our|there|you|your|a|an|"
    "ich|es|sie|wir|der|die|das|dieser|diese|mein|meine|er|"
    "je|il|elle|ils|elles|le|la|les|on|nous|ce|mon|ma|mes|"
    "yo|el|los|las|me|se|mi|"
    "ik|het|de|ze|mijn"
)
"""Words that begin a clause behind “and”: a subject, or its article."""
_HAN = "\u3400-\u9fff"
_HAN_CONTRAST = (
    "(?<![不非])但是?|不过(?!分)|然而|可是|可惜|(?<!不)只是|虽然|尽管|而且|另外|还有|"
    "(?<![这那不也都])就是"
)

_BREAK = re.compile(
    rf"""
    (?P<end> \n+ | [!?;。！？；…]+ | \.{{2,}}
        | (?<!\b[A-Za-z])\.(?=\s|$|["”’)\]])      # no initial, no decimal point
        | (?: (?<=\bsize\ [A-Za-z]) | (?<=\ban\ [A-Za-z]) | (?<=\ba\ [A-Za-z]) )\.(?=\s)
        | \s{{1,20}}[-–—]{{1,10}}\s | —
        | (?<=[{_HAN}])[ \u3000]+(?=[{_HAN}]) )   # a blank between Chinese parts
    | (?P<comma> [，] | [,:](?=\s) | (?<=[{_HAN}]),)
    | (?P<contrast> \b(?:{_CONTRAST})\b(?=\s|,) | (?:{_HAN_CONTRAST})(?=[{_HAN}]) )
    | (?P<and> \b(?:{_AND})\b(?=\s+(?:{_SUBJECT})\b) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LEADING = re.compile(rf"\s*(?:{_AND}|or|oder|ou|o)\b", re.IGNORECASE)
_WORD = re.compile(rf"[{_HAN}\u3040-\u30ff\uac00-\ud7a3]|[^\W_]+(?:['’][^\W_]+)*")
FEWEST_WORDS = 2
"""Words of a part between commas; a shorter one stays with the part before it. A Chinese character
counts as a word.
"""


def clauses(text: str) -> list[tuple[int, int]]:
    """(begin, end) of each clause by character offsets, in order. A text without words has none."""
    parts: list[tuple[int, int, bool]] = []  # begin, end, whether it may stay with the one before
    begin, joins = 0, False
    for found in _BREAK.finditer(text):
        if len(parts) >= MOST_CLAUSES:
            break
        if found.lastgroup in ("contrast", "and"):
            if _words(text, begin, found.start()):
                parts.append((begin, found.start(), joins))
                begin, joins = found.start(), found.lastgroup == "and"
        else:
            parts.append((begin, found.end(), joins))
            begin, joins = found.end(), found.lastgroup == "comma"
    parts.append((begin, len(text), joins))
    return _trimmed(text, _joined(text, parts))


def _joined(text: str, parts: list[tuple[int, int, bool]]) -> list[tuple[int, int]]:
    """Parts without words belong to the clause before; short ones between commas, too."""
    out: list[tuple[int, int]] = []
    short = False
    for begin, end, joins in parts:
        said = _words(text, begin, end)
        words = said - bool(_LEADING.match(text, begin, end))
        if out and (words <= 0 or (joins and (short or words < FEWEST_WORDS))):
            out[-1] = (out[-1][0], end)
            short = _words(text, *out[-1]) < FEWEST_WORDS
        elif said:
            out.append((begin, end))
            short = words < FEWEST_WORDS
    return out


def _trimmed(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out = []
    for begin, end in spans:
        part = text[begin:end]
        left = len(part) - len(part.lstrip(" \t\n\r\u3000,，;；.。"))
        out.append((begin + left, begin + len(part.rstrip(" \t\n\r\u3000,，;；、-–—"))))
    return out


def _words(text: str, begin: int, end: int) -> int:
    return len(_WORD.findall(text, begin, end))
