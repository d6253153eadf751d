"""Columns of amounts with a decimal comma: a point in them separates thousands, so that 1.299
beside 3,50 is a thousand and not one.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from recommender.ingest.delimited import Rows

AMOUNT = re.compile(
    r"\D{0,4}-?\d{1,3}(?:[. \xa0]?\d{3})*(?:,\d+)?\D{0,5}|\D{0,4}-?\d+(?:,\d+)?\D{0,5}"
)
"""An amount whose decimals stand behind a comma, with a mark or a currency."""
DECIMALS = re.compile(r",\d{1,2}\D{0,5}")
NUMBER = re.compile(r"\d[\d. \xa0]*(?:,\d+)?")


def comma_columns(sample: Sequence[dict[str, Any]]) -> frozenset[str]:
    """The columns whose values are all amounts, of which one has a decimal comma."""
    values: dict[str, list[str]] = {}
    for row in sample:
        for name, value in row.items():
            if isinstance(value, str) and (text := value.strip()) and name is not None:
                values.setdefault(name, []).append(text)
    return frozenset(
        name
        for name, texts in values.items()
        if all(AMOUNT.fullmatch(text) for text in texts)
        and any(DECIMALS.search(text) for text in texts)
    )


def with_points(rows: Rows, columns: frozenset[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows whose amounts in these columns have a decimal point and no other separator."""
    for line, row in rows:
        changed = {
            name: NUMBER.sub(_plain, value)
            for name in columns
            if isinstance(value := row.get(name), str) and value
        }
        yield line, {**row, **changed}


def _plain(found: re.Match[str]) -> str:
    text = found[0]
    whole = text.rstrip(" \xa0")
    plain = re.sub(r"[. \xa0]", "", whole).replace(",", ".")
    return plain + text[len(whole) :]
