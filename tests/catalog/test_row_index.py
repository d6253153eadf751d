"""Rows of products by id."""

import polars as pl
import pytest

from recommender.catalog import row_index
from recommender.catalog.row_index import RowIndex


def test_rows_of_a_growing_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_index, "MOST_NEWER", 3)
    index, names = RowIndex(), ["b", "a", "ü", "", "x" * 40]
    for more in ([], ["new"], ["c", "d"], ["e", "f", "g"]):
        names += more
        wanted = ["gone", *reversed(names)]
        found = index.rows_of(pl.Series(names), wanted)
        assert found == {name: row for row, name in enumerate(names)}
    assert index.rows_of(pl.Series(names), []) == {}


def test_ids_with_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda ids: pl.Series([7] * len(ids), dtype=pl.UInt64))
    assert RowIndex().rows_of(pl.Series(["a", "b", "c"]), ["c", "d", "a"]) == {"c": 2, "a": 0}


def test_no_rows() -> None:
    assert RowIndex().rows_of(pl.Series([], dtype=pl.String), ["a"]) == {}
