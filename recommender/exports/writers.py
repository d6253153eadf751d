"""Files of an export: CSV, JSON lines, Parquet, and Google feeds; written whole or not at all."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator

import orjson

CHUNK = 10_000
Row = Mapping[str, Any]
GOOGLE = "http://base.google.com/ns/1.0"
AVAILABLE = {"out_of_stock": "out_of_stock", "in_stock": "in_stock", "": "in_stock"}


def write(path: Path, form: str, columns: dict[str, str], rows: Iterator[Row], **more: Any) -> int:
    """Write an export; returns the number of rows. form: one of FORMATS; columns: with their types.

    The file appears when it is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        count = FORMATS[form](part, columns, rows, **more)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _csv(path: Path, columns: dict[str, str], rows: Iterator[Row]) -> int:
    """Lists and objects are JSON in a cell."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in columns])
            count += 1
    return count


def _cell(value: Any) -> Any:
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _json_lines(path: Path, columns: dict[str, str], rows: Iterator[Row]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps({name: row.get(name) for name in columns}) + b"\n")
            count += 1
    return count


def _parquet(path: Path, columns: dict[str, str], rows: Iterator[Row]) -> int:
    """Row groups of CHUNK rows; objects are JSON."""
    import polars as pl

    kinds = {
        "number": pl.Float64,
        "money": pl.Float64,
        "integer": pl.Int64,
        "boolean": pl.Boolean,
        "published": pl.Boolean,
        "moment": pl.Datetime("us", "UTC"),
        "texts": pl.List(pl.String),
        "vector": pl.List(pl.Float32),
    }
    schema = {name: kinds.get(kind, pl.String) for name, kind in columns.items()}
    count = 0
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        parts = []
        while chunk := list(islice(rows, CHUNK)):
            frame = pl.DataFrame([_typed(row, columns) for row in chunk], schema=schema)
            parts.append(Path(folder) / f"{count:012}.parquet")
            frame.write_parquet(parts[-1])
            count += len(chunk)
        if parts:
            pl.scan_parquet(parts).sink_parquet(path)
        else:
            pl.DataFrame(schema=schema).write_parquet(path)
    return count


def _typed(row: Row, columns: dict[str, str]) -> dict[str, Any]:
    objects = ("mapping", "variants")
    return {
        name: orjson.dumps(row.get(name)).decode() if kind in objects else row.get(name)
        for name, kind in columns.items()
    }


def _google(path: Path, columns: dict[str, str], rows: Iterator[Row], currency: str) -> int:
    """A Google Merchant feed (RSS): a variant is an item, and its product their group."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement("rss", {"version": "2.0", "xmlns:g": GOOGLE})
        xml.startElement("channel", {})
        for row in rows:
            for item in _items(row, currency):
                xml.startElement("item", {})
                for name, value in item:
                    xml.startElement(f"g:{name}", {})
                    xml.characters(str(value))
                    xml.endElement(f"g:{name}")
                xml.endElement("item")
                file.write("\n")
                count += 1
        xml.endElement("channel")
        xml.endElement("rss")
        xml.endDocument()
    return count


def _items(row: Row, currency: str) -> Iterator[list[tuple[str, Any]]]:
    variants = row["variants"] or [{}]
    for variant in variants:
        fields = {
            "id": variant.get("sku") or variant.get("id") or row["item_id"],
            "item_group_id": row["item_id"] if variant else row["item_group_id"],
            "title": " ".join([row["title"], *map(str, variant.get("options", {}).values())]),
            "description": row["description"][:5000],
            "link": variant.get("url") or row["url"],
            "brand": row["brand"],
            "gtin": variant.get("gtin") or row["gtin"],
            "condition": row["condition"] or "new",
            "price": _amount(variant.get("price", row["price"]), currency),
            "sale_price": _amount(variant.get("sale_price", row["sale_price"]), currency),
            "availability": AVAILABLE[_state(variant) or row["stock_state"]],
        }
        images = [variant["image"]] if variant.get("image") else []
        images += [image for image in row["images"] if image not in images]
        item = [(name, value) for name, value in fields.items() if value not in (None, "")]
        item += [("image_link", image) for image in images[:1]]
        item += [("additional_image_link", image) for image in images[1:11]]
        item += [("product_type", category) for category in row["categories"][:1]]
        yield item + [(name, v) for name, v in _options(variant).items()]


def _state(variant: Row) -> str:
    if "stock_state" in variant:
        return variant["stock_state"]
    quantity = variant.get("stock_quantity")
    return "" if quantity is None else "in_stock" if quantity > 0 else "out_of_stock"


def _options(variant: Row) -> dict[str, str]:
    names = {"color": "color", "colour": "color", "size": "size", "material": "material"}
    given = variant.get("options", {})
    return {names[n.casefold()]: v for n, v in given.items() if n.casefold() in names}


def _amount(value: Any, currency: str) -> str | None:
    return None if value is None else f"{value:.2f} {currency}"


FORMATS: dict[str, Callable[..., int]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
    "google": _google,
}
