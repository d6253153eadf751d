"""Product index: a shop's products by column in process memory, with masks of eligible products."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary, ref

import polars as pl
from django.db import connection
from django.utils import timezone

from recommender.catalog.eligibility import (
    EDITIONS,
    MOMENT,
    allowed,
    read_products,
    with_attributes,
)
from recommender.catalog.filter_expressions import ATTRIBUTES
from recommender.catalog.filter_language import EVERYTHING, Selection, select
from recommender.catalog.row_index import RowIndex
from recommender.infrastructure.prepared_statements import text_array
from recommender.models import Change

MOST_MASKS = 64
MOST_ATTRIBUTE_COLUMNS = 100
"""Columns of attributes, two each, beyond which those of earlier filters are dropped."""
MASK_SECONDS = 60
SALE_DATES = ("sale_from", "sale_until")
DELETED = -1
"""Edition of a product that was deleted since the index was read."""


def passing(frame: pl.DataFrame, text: str, params: Mapping[str, Any]) -> tuple[int, int]:
    """(products that may be shown and pass a filter, products that may be shown).

    frame: of `read_products`. Raises FilterError.
    """
    selection, now = select([text], params), timezone.now()
    return int(allowed(frame, selection, now).sum()), int(allowed(frame, EVERYTHING, now).sum())


class ProductIndex:
    """The products of one shop in memory; changed ones are read again before the next use."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self.frame: pl.DataFrame | None = None
        self.rows = RowIndex()
        self.stale: set[str] = set()
        self.generation = 0
        self.lock = threading.RLock()
        self.masks: OrderedDict[str, tuple[datetime, pl.Series]] = OrderedDict()
        self._key_order: tuple[pl.DataFrame, pl.Series, pl.Series] | None = None
        self.model_rows: WeakKeyDictionary = WeakKeyDictionary()
        self.model_masks: dict[str, tuple[pl.Series, ref, Any]] = {}
        self._sales_until: datetime | None = None
        """The next begin or end of a sale, at which prices change; None: there is none."""

    def load(self) -> None:
        self.products()

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.PRODUCT:
            self.changed(change.item_ids())

    def changed(self, item_ids: Iterable[str] | None) -> None:
        """Mark products as changed, to be read again; None: any product may have changed."""
        with self.lock:
            self.generation += 1
            self.masks.clear()
            if item_ids is None:
                self.frame = None
            else:
                self.stale |= set(item_ids)

    def products(self, attributes: Collection[str] = ()) -> pl.DataFrame:
        """All products, with columns for these attributes.

        Rows keep their positions until all products are read again.
        """
        with self.lock:
            self._renew_prices()
            now = timezone.now()
            if self.frame is None:
                self.frame = read_products(self.shop_id)
                self._sales_until = _next_sale(self.frame, now)
                self.model_rows = WeakKeyDictionary()
                self.rows = RowIndex()
            elif self.stale:
                fresh = read_products(self.shop_id, self.stale)
                self.frame = _renewed(self.frame, fresh, self.stale)
                self._sales_until = _next_sale(self.frame, now)
            self.stale = set()
            kept = [name for name in self.frame.columns if name.startswith(ATTRIBUTES)]
            if len(kept) > MOST_ATTRIBUTE_COLUMNS:  # anybody may filter by any attribute
                self.frame = self.frame.drop(kept)
            self.frame = with_attributes(self.frame, attributes)
            return self.frame

    def _renew_prices(self) -> None:
        """Mark products whose sale has begun or ended since their price was read."""
        now = timezone.now()
        if self.frame is None or self._sales_until is None or now < self._sales_until:
            return
        turned = pl.any_horizontal(
            pl.col(name).is_between(pl.lit(self._sales_until, MOMENT), pl.lit(now, MOMENT))
            for name in SALE_DATES
        )
        self.changed(self.frame.filter(turned.fill_null(False))["item_id"].to_list())

    def mask(self, selection: Selection, now: datetime) -> pl.Series:
        """(products,) bool: True of products that may be shown and pass the filters.

        Cached until the next date of a product, a minute at most, because ages pass.
        """
        with self.lock:
            frame = self.products(selection.attributes)
            generation = self.generation
            cached = self.masks.get(selection.key)
        if cached and now < cached[0]:
            return cached[1]
        mask, until = allowed(frame, selection, now), _true_until(frame, now)
        with self.lock:
            if generation == self.generation:
                self.masks[selection.key] = (until, mask)
                while len(self.masks) > MOST_MASKS:
                    self.masks.popitem(last=False)
        return mask

    def mask_of(self, model: Any, selection: Selection, now: datetime) -> Any:
        """(items,) bool array: the mask over the items of a model (anything with `item_ids`).

        False for products that the shop no longer has.
        """
        with self.lock:
            mask = self.mask(selection, now)
            cached = self.model_masks.get(selection.key)
            if cached and cached[0] is mask and cached[1]() is model:
                return cached[2]
            rows = self.model_rows.get(model)
            if rows is None or rows[0] != len(mask):
                rows = (len(mask), _rows_in(self.frame, model.item_ids))
                self.model_rows[model] = rows
            of_model = mask.gather(rows[1]).fill_null(False).to_numpy()
            if len(self.model_masks) > MOST_MASKS:
                self.model_masks.clear()
            self.model_masks[selection.key] = (mask, ref(model), of_model)
        return of_model

    def by_key(self, keys: list[int]) -> pl.DataFrame:
        """The rows of those of these products that the shop has, by primary key, in any order."""
        frame, rows = self._rows_by_key(keys)
        return frame[rows]

    def columns_by_key(self, keys: list[int], names: Sequence[str]) -> list[list[Any]]:
        """Values of these columns, of those of these products that the shop has, in any order.

        Several times quicker than `by_key` for a few columns.
        """
        frame, rows = self._rows_by_key(keys)
        chosen = pl.Series(rows, dtype=pl.UInt32)
        return [frame.get_column(name)[chosen].to_list() for name in names]

    def _rows_by_key(self, keys: list[int]) -> tuple[pl.DataFrame, Any]:
        """(the frame, positions (n,) in it of the products that exist)."""
        with self.lock:
            frame = self.products()
            if self._key_order is None or self._key_order[0] is not frame:
                present = (frame["edition"] != DELETED).to_numpy()
                numbers = frame["pk"].to_numpy()
                order = numbers.argsort(kind="stable")
                order = order[present[order]]
                self._key_order = (frame, order, numbers[order])
            _, order, sorted_keys = self._key_order
        if not keys or not len(sorted_keys):
            return frame, order[:0]
        at = sorted_keys.searchsorted(keys).clip(max=len(sorted_keys) - 1)
        return frame, order[at[sorted_keys[at] == keys]]

    def keys_of(self, model: Any) -> pl.Series:
        """(items,) int64: primary key of each item of a model; -1 where the shop lacks it."""
        with self.lock:
            self.mask_of(model, EVERYTHING, timezone.now())  # brings the rows of the model up
            of_model = self.frame[["pk", "edition"]].with_row_index("row")
            rows = self.model_rows[model][1].alias("row").to_frame()
        found = rows.join(of_model, on="row", how="left", maintain_order="left")
        present = pl.col("edition") != DELETED
        return found.select(pl.when(present).then("pk").fill_null(-1))["pk"]

    def among(self, item_ids: list[str], selection: Selection, now: datetime) -> list[str]:
        """Those of these products that may be shown and pass the filters, in their order."""
        with self.lock:
            mask = self.mask(selection, now)
            eligible = self.frame["item_id"].filter(mask)
        eligible = set(eligible.filter(eligible.is_in(item_ids)))
        return [item_id for item_id in item_ids if item_id in eligible]

    def titles_now(
        self, item_ids: list[str], selection: Selection, now: datetime
    ) -> dict[str, str]:
        """Titles of those of these products that are eligible by the database of this moment.

        A row whose edition (`xmin`) is the one in memory is judged by the mask; others are read.
        """
        with connection.cursor() as cursor:
            EDITIONS.execute(cursor, [self.shop_id, text_array(item_ids)])
            editions = cursor.fetchall()
        with self.lock:
            mask = self.mask(selection, now)
            rows = self._rows_of(item_ids)
            at = pl.Series(rows.values(), dtype=pl.UInt32)
            pairs = zip(self.frame["edition"].gather(at), mask.gather(at), strict=True)
            known = dict(zip(rows, pairs, strict=True))
        unchanged = {
            item_id: title
            for item_id, title, edition in editions
            if known.get(item_id, (None,))[0] == edition
        }
        titles = {item_id: title for item_id, title in unchanged.items() if known[item_id][1]}
        if changed := [item_id for item_id, _, _ in editions if item_id not in unchanged]:
            frame = read_products(self.shop_id, changed)
            frame = frame.filter(allowed(frame, selection, now))
            titles |= zip(frame["item_id"], frame["title"].fill_null(""), strict=True)
        return titles

    def _rows_of(self, item_ids: list[str]) -> dict[str, int]:
        """The rows of those of these products that the index has."""
        return self.rows.rows_of(self.frame["item_id"], item_ids)

    def known_among(self, item_ids: list[str]) -> set[str]:
        """Those of these ids that are ids of products."""
        with self.lock:
            self.products()
            return set(self._rows_of(item_ids))

    def passing_ids(
        self, selection: Selection, now: datetime, behind: str, most: int, showable: bool | None
    ) -> list[str]:
        """The first `most` ids behind one, in the order of code points, of products that pass.

        showable: only products that may (or may not) be shown now; None: all
        """
        frame = self._passing(selection, now, showable)
        ids = frame.filter(pl.col("item_id") > behind)["item_id"]
        return ids.bottom_k(most).sort().to_list()

    def count_passing(self, selection: Selection, now: datetime, showable: bool | None) -> int:
        """Number of products that pass."""
        return self._passing(selection, now, showable).height

    def _passing(self, selection: Selection, now: datetime, showable: bool | None) -> pl.DataFrame:
        frame = self.products(selection.attributes)
        present = frame["edition"] != DELETED
        return frame.filter(present & allowed(frame, selection, now, showable))

    def eligible_among(self, item_ids: list[str], selection: Selection, now: datetime) -> set[str]:
        """Those of these few products that may be shown and pass the filters, by the mask."""
        with self.lock:
            mask, rows = self.mask(selection, now), self._rows_of(item_ids)
        passes = mask.gather(list(rows.values())).to_list()
        return {item_id for item_id, passed in zip(rows, passes, strict=True) if passed}

    def titles(self, item_ids: list[str]) -> dict[str, str]:
        """Titles by id of those of the given products that the index holds."""
        frame = self.products()
        chosen = frame.filter(pl.col("item_id").is_in(item_ids))
        return dict(zip(chosen["item_id"], chosen["title"].fill_null(""), strict=True))

    def matching(self, words: list[str], most: int = 1000) -> list[str]:
        """Products whose title, brand or categories contain one of these lower-case words."""
        frame, words = self.products(), [word for word in words if len(word) > 2]
        if not words:
            return []
        columns = [pl.col("title"), pl.col("brand"), pl.col("categories").list.join(" ")]
        text = pl.concat_str(columns, separator=" ", ignore_nulls=True).str.to_lowercase()
        return frame.filter(text.str.contains_any(words)).head(most)["item_id"].to_list()

    def newest(self, selection: Selection, now: datetime, most: int) -> list[str]:
        """The latest products that are eligible: may be shown and pass the filters."""
        with self.lock:
            mask = self.mask(selection, now)
            eligible = self.frame.filter(mask).select("item_id", "since")
        ordered = eligible.sort(["since", "item_id"], descending=[True, False])
        return ordered.head(most)["item_id"].to_list()


def _next_sale(frame: pl.DataFrame, now: datetime) -> datetime | None:
    """When the next sale of a product begins or ends."""
    later = [pl.col(name).filter(pl.col(name) > pl.lit(now, MOMENT)).min() for name in SALE_DATES]
    dates = [date for date in frame.select(later).row(0) if date is not None]
    return min(dates, default=None)


def _true_until(frame: pl.DataFrame, now: datetime) -> datetime:
    """Until when a mask holds: the next date of a product, a minute at most."""
    moment = pl.lit(now, MOMENT)
    dates = [
        frame.select(pl.col(name).filter(pl.col(name) > moment).min()).item()
        for name in ("available_from", "available_until", *SALE_DATES)
    ]
    latest = now + timedelta(seconds=MASK_SECONDS)
    return min([latest, *(date for date in dates if date is not None)])


def _rows_in(frame: pl.DataFrame, item_ids: list[str]) -> pl.Series:
    """The row of each of these ids, null where there is none."""
    rows = frame.select("item_id").with_row_index("row")
    wanted = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String})
    return wanted.join(rows, on="item_id", how="left", maintain_order="left")["row"]


def _renewed(frame: pl.DataFrame, fresh: pl.DataFrame, item_ids: Collection[str]) -> pl.DataFrame:
    """The frame with fresh rows in their positions, new ones at the end, deleted ones hidden."""
    names = [name for name in frame.columns if name.startswith(ATTRIBUTES) and name[-2:] != " #"]
    fresh = with_attributes(fresh, [name.removeprefix(ATTRIBUTES) for name in names])
    deleted = set(item_ids) - set(fresh["item_id"])
    if deleted:
        is_deleted = pl.col("item_id").is_in(list(deleted))
        hidden = pl.when(is_deleted).then(pl.lit(1, pl.Int8)).otherwise("hidden")
        edition = pl.when(is_deleted).then(pl.lit(DELETED, pl.Int64)).otherwise("edition")
        frame = frame.with_columns(hidden=hidden, edition=edition)
    rows = _rows_in(frame, fresh["item_id"].to_list())
    order = pl.int_range(frame.height, eager=True, dtype=pl.UInt32)
    at = pl.int_range(frame.height, frame.height + fresh.height, eager=True, dtype=pl.UInt32)
    known = rows.is_not_null()
    order = pl.concat([order.scatter(rows.filter(known), at.filter(known)), at.filter(~known)])
    return pl.concat([frame, fresh.select(frame.columns)])[order]
