"""Rows of products by id."""

from typing import Any

import polars as pl

MOST_NEWER = 10_000
"""Rows since the hashes were sorted, which a dictionary holds; with more, all are sorted again."""


MOST_MET = 20_000
"""Rows that were wanted before, which are found without their hashes."""


class RowIndex:
    """Rows of a growing column of distinct ids, found by the sorted hashes of its ids.

    A million ids take 12 MB; a dictionary of them takes 170 MB.
    """

    def __init__(self) -> None:
        self._hashes: Any = None  # (n,) uint64, ascending, of the first n rows
        self._order: Any = None  # (n,) uint32: their rows
        self._newer: dict[str, int] = {}
        self._met: dict[str, int] = {}  # rows do not move, and the same few are wanted most

    def rows_of(self, ids: pl.Series, wanted: list[str]) -> dict[str, int]:
        """The rows of those of these ids that the column has.

        ids: the column, with the rows of earlier calls in their places, and perhaps more
        """
        self._extend(ids)
        rows = {one: self._met.get(one, self._newer.get(one)) for one in wanted}
        if unmet := [one for one, row in rows.items() if row is None]:
            if len(self._met) + len(unmet) > MOST_MET:
                self._met = {}
            found = self._sorted_rows(ids, unmet)
            self._met |= found
            rows |= found
        return {one: row for one, row in rows.items() if row is not None}

    def _sorted_rows(self, ids: pl.Series, wanted: list[str]) -> dict[str, int]:
        hashes = pl.Series(wanted, dtype=pl.String).hash().to_numpy()
        begin = self._hashes.searchsorted(hashes)
        end = self._hashes.searchsorted(hashes, side="right")
        found = {}
        while (has_more := begin < end).any():  # once, but for ids whose hashes are equal
            rows = self._order[begin[has_more]]
            named = ids.gather(rows).to_list()
            found |= zip(named, rows.tolist(), strict=True)
            begin = begin + 1
        return {one: found[one] for one in wanted if one in found}

    def _extend(self, ids: pl.Series) -> None:
        known = 0 if self._order is None else len(self._order)
        if self._order is None or len(ids) - known > MOST_NEWER:
            hashes = ids.hash().to_numpy()
            self._order = hashes.argsort().astype("uint32")
            self._hashes = hashes[self._order]
            self._newer = {}
        elif len(ids) > known + len(self._newer):
            first = known + len(self._newer)
            self._newer |= zip(ids[first:], range(first, len(ids)), strict=True)
