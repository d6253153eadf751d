"""Exact codes: 300 codes, sizes and part numbers of the catalog, each typed as shoppers type it.

Rule: a code is a word of a title that has letters and digits, or digits with a separator, has at
least five characters, and stands in the texts of one product alone, however it is separated. A dot
between digits is a decimal point, no separator. The forms, in turn: as written, in lower case,
without its separators, with blanks for separators, its end from the second part on (where no other
product has it), and with the two words before it in the title.
"""

import random
import re

import polars as pl

from bench.__main__ import measure
from bench.fits import crowdflower
from training.data.snapshot import read_snapshot
from training.recipes.search_ranking import lexical_index
from training.search.engine import retrieve
from training.search.query_plan import plan_query

CODES = 300
SEPARATORS = re.compile(r"[-/_]+|(?<!\d)\.+|\.+(?!\d)")
CODE = re.compile(r"(?=.*\d)(?=.*[A-Za-z\-/._])[A-Za-z0-9][A-Za-z0-9\-/._]{3,}[A-Za-z0-9]")


def run() -> dict[str, dict]:
    snapshot = read_snapshot(crowdflower())
    right, asked = 0, _queries(snapshot.products)
    with lexical_index(snapshot) as index:
        for query, row in asked:
            found = retrieve(index, plan_query(index, query)).keys
            right += len(found) > 0 and int(found[0]) == row
    return {
        "codes_first": measure(right / len(asked), "share"),
        "codes_asked": measure(len(asked), "queries"),
    }


def _queries(products: pl.DataFrame) -> list[tuple[str, int]]:
    """(query, row of the right product)."""
    titles = products["title"].fill_null("").to_list()
    rows: dict[str, set[int]] = {}
    for row, title in enumerate(titles):
        for word in re.split(r"[\s,;()\[\]]+", title):
            if CODE.fullmatch(word):
                rows.setdefault(_joined(word), set()).add(row)
    texts = products["description"].fill_null("").to_list()
    whole = (f"{title}\n{text}" for title, text in zip(titles, texts, strict=True))
    joined = [_joined(re.sub(r"\s+", "", text)) for text in whole]
    unique = sorted(
        (code, *found)
        for code, found in rows.items()
        if len(found) == 1 and sum(code in title for title in joined) == 1
    )
    written = {_joined(w): w for t in titles for w in re.split(r"[\s,;()\[\]]+", t)}
    draw, out = random.Random(0), []
    for i, (code, row) in enumerate(draw.sample(unique, min(CODES, len(unique)))):
        word = written[code]
        parts = [part for part in SEPARATORS.split(word) if part]
        end = "".join(parts[1:])
        ends_alone = len(end) >= 4 and sum(end.lower() in title for title in joined) == 1
        before = titles[row].split(word)[0].split()[-2:]
        forms = [
            word,
            word.lower(),
            "".join(parts),
            " ".join(parts),
            end if ends_alone else word,
            " ".join([*before, word]),
        ]
        out.append((forms[i % len(forms)], row))
    return out


def _joined(word: str) -> str:
    return SEPARATORS.sub("", word).lower()
