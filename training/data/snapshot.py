"""Immutable input of training: a folder of Parquet files and a manifest with a digest (format
1).
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

FORMAT = 1
EVENT_TYPES = (
    "impression",
    "view",
    "click",
    "add_to_cart",
    "remove_from_cart",
    "purchase",
    "return",
    "rating",
    "review",
    "share",
    "search",
    "dislike",
)
TYPE_CODE = {name: code for code, name in enumerate(EVENT_TYPES)}
DAY = 86_400

PRODUCT_COLUMNS = {
    "item_id": pl.String,
    "title": pl.String,
    "description": pl.String,
    "brand": pl.String,
    "categories": pl.List(pl.String),
    "price": pl.Float64,
    "attributes": pl.String,
    "available_from": pl.Datetime("us", "UTC"),
    "hidden": pl.Boolean,
}
EVENT_COLUMNS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "type": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "quantity": pl.Float64,
    "value": pl.Float64,
    "rating": pl.Float64,
    "session_id": pl.String,
    "query": pl.String,
}
MORE_COLUMNS = {
    "reviews": {
        "review_id": pl.String,
        "item_id": pl.String,
        "user_id": pl.String,
        "rating": pl.Float64,
        "title": pl.String,
        "text": pl.String,
        "label": pl.String,
        "topic": pl.String,
        "split": pl.String,
        "created_at": pl.Datetime("us", "UTC"),
    },
    "judgements": {"query": pl.String, "item_id": pl.String, "grade": pl.Float64, "fold": pl.Int64},
    "dialogues": {"text": pl.String, "intent": pl.String, "answer": pl.String, "split": pl.String},
    "opinions": {
        "text": pl.String,
        "topic": pl.String,
        "polarity": pl.String,
        "origin": pl.String,
        "split": pl.String,
    },
    "search_lists": {
        "list_id": pl.String,
        "query": pl.String,
        "item_id": pl.String,
        "position": pl.Int64,
        "clicked": pl.Boolean,
    },
}
SHOPPER_COLUMNS = {
    "user_id": pl.String,
    "attributes": pl.String,
    "first_seen": pl.Datetime("us", "UTC"),
}
REQUIRED = {
    "products": ("item_id", "title"),
    "events": ("type", "occurred_at"),
    "shoppers": ("user_id",),
    "reviews": ("review_id", "text"),
    "judgements": ("query", "item_id", "grade"),
    "dialogues": ("text",),
    "opinions": ("text", "topic", "polarity"),
    "search_lists": ("query", "item_id", "position", "clicked"),
}


class SnapshotError(ValueError):
    """The folder is not a valid snapshot. The message names the file, the column and the row."""


@dataclass(frozen=True)
class Events:
    """Events as parallel arrays in time order. Events with equal times keep the order of the file.

    user: (n,) int32 row of the shopper, -1 where anonymous
    item: (n,) int32 row of the product, -1 for a search
    type: (n,) int8 index into EVENT_TYPES
    time: (n,) int64 seconds since 1970, UTC
    quantity: (n,) float32, 1 where unknown
    session: (n,) int64 number of the session or basket, -1 where unknown
    """

    user: np.ndarray
    item: np.ndarray
    type: np.ndarray
    time: np.ndarray
    quantity: np.ndarray
    session: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> "Events":
        """The events at these positions (n,) or under this mask (events,)."""
        return Events(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def before(self, cut: int) -> "Events":
        return self.take(self.time < cut)

    def between(self, start: int, end: int) -> "Events":
        return self.take((self.time >= start) & (self.time < end))


@dataclass(frozen=True)
class Snapshot:
    """Data of one shop, with ids mapped to row numbers. Products are sorted by id.

    tables: reviews, judgments, dialogues and shown search results, where the folder has them
    queries: products taken after a query: query, item (row), occurred_at (seconds), in time order
    shopper_attributes: JSON objects as text, by shopper row; None where the folder has no shoppers
    """

    manifest: dict
    products: pl.DataFrame
    user_ids: list[str]
    events: Events
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    queries: pl.DataFrame | None = None
    shopper_attributes: pl.Series | None = None

    @cached_property
    def item_ids(self) -> list[str]:
        return self.products["item_id"].to_list()

    @property
    def n_items(self) -> int:
        return len(self.products)

    def with_events(self, events: Events) -> "Snapshot":
        return replace(self, events=events)


def digest_of(folder: Path) -> str:
    """Digest of a snapshot's Parquet files, in the order of their names: `sha256:…`."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return "sha256:" + digest.hexdigest()


def read_snapshot(folder: Path) -> Snapshot:
    """Read and validate a snapshot folder. Raises SnapshotError with the file, column and row."""
    folder = Path(folder)
    manifest = _read_manifest(folder)
    products = _read_table(folder, "products", PRODUCT_COLUMNS).with_row_index("line")
    events = _read_table(folder, "events", EVENT_COLUMNS)
    _check_products(products)
    products = products.sort("item_id").drop("line")
    item_row = pl.DataFrame(
        {"item_id": products["item_id"], "item": np.arange(len(products), dtype=np.int32)}
    )
    users, shoppers = events["user_id"].drop_nulls().unique().sort(), None
    if (folder / "shoppers.parquet").exists():
        shoppers = _read_table(folder, "shoppers", SHOPPER_COLUMNS)
        _refuse_rows("shoppers", "user_id", shoppers["user_id"].is_null(), "is empty")
        users = pl.concat([users, shoppers["user_id"]]).unique().sort()
    user_row = pl.DataFrame({"user_id": users, "user": np.arange(len(users), dtype=np.int32)})
    tables = {
        name: _read_more(folder, name, products)
        for name in MORE_COLUMNS
        if (folder / f"{name}.parquet").exists()
    }
    attributes = None
    if shoppers is not None:
        attributes = user_row.join(
            shoppers.unique("user_id", keep="last"), on="user_id", how="left", maintain_order="left"
        )["attributes"]
    read_events = _read_events(events, item_row, user_row)
    return Snapshot(
        manifest,
        products,
        users.to_list(),
        read_events,
        tables,
        _queries(events, item_row),
        attributes,
    )


def _read_more(folder: Path, name: str, products: pl.DataFrame) -> pl.DataFrame:
    frame = _read_table(folder, name, MORE_COLUMNS[name])
    for column in REQUIRED[name]:
        _refuse_rows(name, column, frame[column].is_null(), "is empty")
    if name == "reviews":
        _refuse_rows(
            name, "review_id", ~frame["review_id"].is_first_distinct(), "repeats an earlier review"
        )
        _refuse_rows(name, "rating", ~frame["rating"].fill_null(0.0).is_finite(), "is not a number")
    if name == "dialogues":
        neither = frame["intent"].is_null() & frame["answer"].is_null()
        _refuse_rows(name, "intent", neither, "is empty, and so is answer")
    if "split" in frame.columns:
        _refuse_rows(
            name,
            "split",
            ~frame["split"].fill_null("train").is_in(["train", "test"]),
            "is neither train nor test",
        )
    if name in ("judgements", "search_lists"):
        _refuse_rows(
            name,
            "item_id",
            ~frame["item_id"].is_in(products["item_id"].implode()),
            "is not a known product",
        )
    if name == "search_lists":
        _refuse_rows(name, "position", frame["position"] < 1, "is less than 1")
    if name == "judgements":
        _refuse_rows(
            name,
            "grade",
            ~(frame["grade"].is_finite() & (frame["grade"] >= 0)),
            "is not a number of at least 0",
        )
    return frame


def _queries(events: pl.DataFrame, item_row: pl.DataFrame) -> pl.DataFrame:
    actions = events.filter(
        pl.col("query").is_not_null()
        & (pl.col("query").str.strip_chars() != "")
        & pl.col("item_id").is_not_null()
    )
    actions = actions.filter(pl.col("type").is_in(["click", "add_to_cart", "purchase"])).sort(
        "occurred_at", maintain_order=True
    )
    return actions.join(item_row, on="item_id").select(
        pl.col("query").str.strip_chars(), "item", pl.col("occurred_at").dt.epoch("s")
    )


def _read_manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    if not path.exists():
        raise SnapshotError(f"{folder}: no manifest.json; is this a snapshot folder?")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SnapshotError(f"manifest.json is not JSON: {error}") from None
    if manifest.get("format") != FORMAT:
        raise SnapshotError(
            f"manifest.json: format is {manifest.get('format')!r}, this version reads {FORMAT}"
        )
    digest = digest_of(folder)
    if manifest.get("digest") != digest:
        raise SnapshotError(
            f"digest: the files give {digest}, manifest.json says {manifest.get('digest')}: "
            "a file was changed"
        )
    return manifest


def _converted(frame: pl.DataFrame, column: str, kind: pl.DataType) -> pl.Expr:
    """The column in its type; nulls where the frame lacks it."""
    if column not in frame.columns:
        return pl.lit(None, dtype=kind).alias(column)
    if isinstance(kind, pl.Datetime) and frame.schema[column] == pl.Datetime("us"):
        return pl.col(column).dt.replace_time_zone("UTC")
    return pl.col(column).cast(kind, strict=True)


def _read_table(folder: Path, name: str, columns: dict) -> pl.DataFrame:
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise SnapshotError(f"{name}.parquet is missing")
    try:
        frame = pl.read_parquet(path)
    except Exception as error:  # polars raises several unrelated classes for a damaged file
        raise SnapshotError(f"{name}.parquet cannot be read: {error}") from None
    for column in REQUIRED[name]:
        if column not in frame.columns:
            raise SnapshotError(f"{name}.parquet: column {column} is missing")
    try:
        return frame.select(_converted(frame, column, kind) for column, kind in columns.items())
    except pl.exceptions.PolarsError as error:
        raise SnapshotError(f"{name}.parquet: {error}") from None


def _refuse_rows(name: str, column: str, bad: pl.Series, what: str) -> None:
    first = bad.fill_null(True).arg_true()
    if len(first):
        raise SnapshotError(
            f"{name}.parquet: column {column}, row {first[0] + 1}: {what} ({len(first)} such rows)"
        )


def _check_products(products: pl.DataFrame) -> None:
    _refuse_rows("products", "item_id", products["item_id"].is_null(), "is empty")
    _refuse_rows(
        "products",
        "item_id",
        ~products["item_id"].is_first_distinct(),
        "repeats an earlier product",
    )


def _read_events(frame: pl.DataFrame, item_row: pl.DataFrame, user_row: pl.DataFrame) -> Events:
    _refuse_rows(
        "events",
        "type",
        ~frame["type"].is_in(EVENT_TYPES),
        f"is not one of {', '.join(EVENT_TYPES)}",
    )
    _refuse_rows("events", "occurred_at", frame["occurred_at"].is_null(), "is empty")
    no_item = frame["item_id"].is_null() & (frame["type"] != "search")
    _refuse_rows("events", "item_id", no_item, "is empty, which only a search may be")
    nobody = frame["user_id"].is_null() & frame["session_id"].is_null()
    _refuse_rows("events", "session_id", nobody, "is empty although user_id is, too")
    frame = frame.join(item_row, on="item_id", how="left", maintain_order="left")
    _refuse_rows(
        "events",
        "item_id",
        frame["item"].is_null() & frame["item_id"].is_not_null(),
        "is not a known product",
    )
    frame = frame.join(user_row, on="user_id", how="left", maintain_order="left").sort(
        "occurred_at", maintain_order=True
    )
    codes = frame["type"].replace_strict(TYPE_CODE, return_dtype=pl.Int8)
    session = (
        frame["session_id"].rank("dense").cast(pl.Int64).fill_null(-1)
        if len(frame)
        else frame["session_id"].cast(pl.Int64)
    )
    return Events(
        user=frame["user"].fill_null(-1).cast(pl.Int32).to_numpy(),
        item=frame["item"].fill_null(-1).cast(pl.Int32).to_numpy(),
        type=codes.to_numpy(),
        time=frame["occurred_at"].dt.epoch("s").to_numpy(),
        quantity=frame["quantity"].fill_null(1.0).cast(pl.Float32).to_numpy(),
        session=session.to_numpy(),
    )


def write_snapshot(
    folder: Path,
    shop: str,
    tables: dict[str, pl.DataFrame],
    currency: str = "",
    clock: str = "real",
) -> dict:
    """Write tables as a snapshot folder. Returns its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    manifest = {
        "format": FORMAT,
        "clock": clock,
        "created_at": datetime.now(UTC).isoformat(),
        "shop": shop,
        "currency": currency,
        "counts": {name: len(frame) for name, frame in tables.items()},
        "digest": digest_of(folder),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return manifest
