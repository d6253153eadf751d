"""A shop's products by column, as a process keeps them: which of them may be shown, and which a
filter lets through.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
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
from recommender.catalog.filter_language import ATTRIBUTES, EVERYTHING, Selection, select
from recommender.infrastructure.prepared_statements import text_array

MASKS_KEPT = 64
MASK_SECONDS = 60


def _true_until(frame: pl.DataFrame, now: datetime) -> datetime:
    """Until when a mask made now holds: to the next moment at which a product comes or goes, a
    minute at most.
    """
    moment = pl.lit(now, MOMENT)
    dates = [
        frame.select(pl.col(name).filter(pl.col(name) > moment).min()).item()
        for name in ("available_from", "available_until")
    ]
    return min(
        [now + timedelta(seconds=MASK_SECONDS), *(date for date in dates if date is not None)]
    )


def passing(frame: pl.DataFrame, text: str, params: Mapping[str, Any]) -> tuple[int, int]:
    """How many of these products (of `read_products`) pass a filter and may be shown, and how
    many may be shown. Raises FilterError.
    """
    selection, now = select([text], params), timezone.now()
    return int(allowed(frame, selection, now).sum()), int(allowed(frame, EVERYTHING, now).sum())


class Catalogue:
    """The products of one shop in memory.

    What has changed is read again before the next question.
    """

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self.frame: pl.DataFrame | None = None
        self.rows: dict[str, int] = {}
        self.stale: set[str] = set()
        self.generation = 0
        self.lock = threading.RLock()
        self.masks: OrderedDict[str, tuple[datetime, pl.Series]] = OrderedDict()
        self.places: WeakKeyDictionary = WeakKeyDictionary()
        self.rows_shown: dict[str, tuple[pl.Series, ref, Any]] = {}

    def changed(self, item_ids: Iterable[str] | None) -> None:
        """These products have changed; None: any may have."""
        with self.lock:
            self.generation += 1
            self.masks.clear()
            if item_ids is None:
                self.frame = None
            else:
                self.stale |= set(item_ids)

    def products(self, attributes: Collection[str] = ()) -> pl.DataFrame:
        """All products, as far as the news goes. Rows keep their places until all are read anew."""
        with self.lock:
            if self.frame is None:
                self.frame = read_products(self.shop_id)
                self.places = WeakKeyDictionary()
                self.rows = {}
            elif self.stale:
                self.frame = _renewed(
                    self.frame, read_products(self.shop_id, self.stale), self.stale
                )
            self.stale = set()
            self.frame = with_attributes(self.frame, attributes)
            return self.frame

    def mask(self, selection: Selection, now: datetime) -> pl.Series:
        """(products,) bool: which may be shown and are selected; kept until the next date of a
        product comes, a minute at most (ages pass).
        """
        with self.lock:
            frame = self.products(selection.attributes)
            generation = self.generation
            kept = self.masks.get(selection.key)
        if kept and now < kept[0]:
            return kept[1]
        found, until = allowed(frame, selection, now), _true_until(frame, now)
        with self.lock:
            if generation == self.generation:
                self.masks[selection.key] = (until, found)
                while len(self.masks) > MASKS_KEPT:
                    self.masks.popitem(last=False)
        return found

    def mask_of(self, model: Any, selection: Selection, now: datetime) -> Any:
        """(items,) bool array over the items of a model (anything with item_ids); those that
        the shop no longer has are not shown.
        """
        with self.lock:
            found = self.mask(selection, now)
            kept = self.rows_shown.get(selection.key)
            if kept and kept[0] is found and kept[1]() is model:
                return kept[2]
            places = self.places.get(model)
            if places is None or places[0] != len(found):
                places = self.places[model] = (len(found), _places(self.frame, model.item_ids))
            shown = found.gather(places[1]).fill_null(False).to_numpy()
            if len(self.rows_shown) > MASKS_KEPT:
                self.rows_shown.clear()
            self.rows_shown[selection.key] = (found, ref(model), shown)
        return shown

    def among(self, item_ids: list[str], selection: Selection, now: datetime) -> list[str]:
        """Those of these products that may be shown and are selected, in their order."""
        with self.lock:
            shown = self.mask(selection, now)
            found = self.frame["item_id"].filter(shown)
        found = set(found.filter(found.is_in(item_ids)))
        return [item_id for item_id in item_ids if item_id in found]

    def titles_now(
        self, item_ids: list[str], selection: Selection, now: datetime
    ) -> dict[str, str]:
        """Titles of those of these products that may be shown and are selected by what the database
        says at this moment.

        A row that the database has in the edition in memory (its `xmin`) needs no second look; the
        others are read and judged again.
        """
        with connection.cursor() as cursor:
            EDITIONS.ask(cursor, [self.shop_id, text_array(item_ids)])
            there = cursor.fetchall()
        with self.lock:
            shown = self.mask(selection, now)
            editions = self.frame["edition"]
            known = {
                item_id: (editions[row], shown[row])
                for item_id, row in self._rows_of(item_ids).items()
            }  # few: quicker than to gather them
        same = {
            item_id: title
            for item_id, title, edition in there
            if known.get(item_id, (None,))[0] == edition
        }
        titles = {item_id: title for item_id, title in same.items() if known[item_id][1]}
        if other := [item_id for item_id, _, _ in there if item_id not in same]:
            frame = read_products(self.shop_id, other)
            frame = frame.filter(allowed(frame, selection, now))
            titles |= zip(frame["item_id"], frame["title"].fill_null(""), strict=True)
        return titles

    def _rows_of(self, item_ids: list[str]) -> dict[str, int]:
        """The rows of those of these products that are known."""
        if len(self.rows) < self.frame.height:
            fresh = self.frame["item_id"][len(self.rows) :]
            self.rows |= zip(fresh, range(len(self.rows), self.frame.height), strict=True)
        return {item_id: row for item_id in item_ids if (row := self.rows.get(item_id)) is not None}

    def titles(self, item_ids: list[str]) -> dict[str, str]:
        """Titles of those of these products that are known, by id."""
        frame = self.products()
        found = frame.filter(pl.col("item_id").is_in(item_ids))
        return dict(zip(found["item_id"], found["title"].fill_null(""), strict=True))

    def naming(self, words: list[str], most: int = 1000) -> list[str]:
        """Products whose title, brand or categories name one of these words (in small letters)."""
        frame, words = self.products(), [word for word in words if len(word) > 2]
        if not words:
            return []
        text = pl.concat_str(
            [pl.col("title"), pl.col("brand"), pl.col("categories").list.join(" ")],
            separator=" ",
            ignore_nulls=True,
        )
        return (
            frame.filter(text.str.to_lowercase().str.contains_any(words))
            .head(most)["item_id"]
            .to_list()
        )

    def newest(self, selection: Selection, now: datetime, most: int) -> list[str]:
        """The latest products that may be shown and are selected."""
        with self.lock:
            shown = self.mask(selection, now)
            found = self.frame.filter(shown).select("item_id", "since")
        return (
            found.sort(["since", "item_id"], descending=[True, False])
            .head(most)["item_id"]
            .to_list()
        )


def _places(frame: pl.DataFrame, item_ids: list[str]) -> pl.Series:
    """The row of each of these ids, null where there is none."""
    rows = frame.select("item_id").with_row_index("row")
    return pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String}).join(
        rows, on="item_id", how="left", maintain_order="left"
    )["row"]


def _renewed(frame: pl.DataFrame, fresh: pl.DataFrame, item_ids: Collection[str]) -> pl.DataFrame:
    """The frame with fresh rows in their places, new ones at the end, vanished ones hidden."""
    fresh = with_attributes(
        fresh,
        [
            name.removeprefix(ATTRIBUTES)
            for name in frame.columns
            if name.startswith(ATTRIBUTES) and name[-2:] != " #"
        ],
    )
    gone = set(item_ids) - set(fresh["item_id"])
    kept = (
        frame.with_columns(
            hidden=pl.when(pl.col("item_id").is_in(list(gone)))
            .then(pl.lit(1, pl.Int8))
            .otherwise("hidden")
        )
        if gone
        else frame
    )
    places = _places(kept, fresh["item_id"].to_list())
    order = pl.int_range(kept.height, eager=True, dtype=pl.UInt32)
    at = pl.int_range(kept.height, kept.height + fresh.height, eager=True, dtype=pl.UInt32)
    known = places.is_not_null()
    order = pl.concat([order.scatter(places.filter(known), at.filter(known)), at.filter(~known)])
    return pl.concat([kept, fresh.select(kept.columns)])[order]
