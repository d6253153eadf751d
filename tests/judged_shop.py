"""A small shop of colored things, with judgments of 48 queries, as a snapshot folder."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from training.data.snapshot import digest_of

COLOURS = ("red", "blue", "green", "white", "black", "yellow")
THINGS = ("lantern", "mug", "chair", "curtain", "basket", "clock", "candle", "pillow")


def products() -> list[dict]:
    """The products: each thing in each color, small and large."""
    return [
        {
            "item_id": f"{colour}-{thing}-{size}",
            "title": f"{size} {colour} {thing}",
            "description": f"A {thing} for the home",
            "price": float(5 + t + 10 * (size == "large")),
        }
        for colour in COLOURS
        for t, thing in enumerate(THINGS)
        for size in ("small", "large")
    ]


def judgements() -> list[dict]:
    """Per query the product itself, the thing in another color, and another thing."""
    out = []
    for c, colour in enumerate(COLOURS):
        for t, thing in enumerate(THINGS):
            graded = (
                (f"{colour}-{thing}-small", 3.0),
                (f"{COLOURS[(c + 1) % 6]}-{thing}-small", 1.0),
                (f"{colour}-{THINGS[(t + 1) % 8]}-small", 0.0),
            )
            query = f"{colour} {thing}"
            out += [{"query": query, "item_id": i, "grade": grade} for i, grade in graded]
    return out


def write(folder: Path) -> None:
    """Write the snapshot into a new folder."""
    folder.mkdir()
    pl.DataFrame(products()).sort("item_id").write_parquet(folder / "products.parquet")
    pl.DataFrame(judgements()).write_parquet(folder / "judgements.parquet")
    events = {"user_id": ["u"], "item_id": ["red-mug-small"], "type": ["purchase"]}
    events["occurred_at"] = [datetime(2026, 1, 5, tzinfo=UTC)]
    pl.DataFrame(events).write_parquet(folder / "events.parquet")
    manifest = {
        "format": 1,
        "created_at": "2026-01-06T00:00:00+00:00",
        "shop": "judged",
        "currency": "GBP",
        "clock": "real",
        "counts": {"products": 96, "judgements": 144, "events": 1},
        "digest": digest_of(folder),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
