"""Exports: a file of products or events that is imported again changes nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from recommender.ingest import Parser, import_events, upsert_products
from recommender.ingest.products import COLUMNS
from recommender.ingest.shop_files import Wish, import_files
from recommender.models import Event, Product

ROWS = [
    {
        "item_id": "shirt",
        "title": 'Shirt, "fine"',
        "description": "Cotton\nand linen",
        "categories": ["Clothing > Tops", "Sale, now"],
        "brand": "Acme",
        "tags": ["a", "b;c"],
        "images": ["https://shop.example/1.jpg", "https://shop.example/2.jpg?x=1,2"],
        "attributes": {"Size": ["S", "M"], "weight_g": 120},
        "variants": [
            {
                "id": "SH-S",
                "sku": "SH-S",
                "price": 20,
                "stock_quantity": 0,
                "options": {"Size": "S"},
            },
            {"id": "SH-M", "sku": "SH-M", "gtin": "0012", "price": 25.5, "stock_quantity": 3},
        ],
        "sale_until": "2030-01-01T00:00:00Z",
        "url": "https://shop.example/shirt",
        "other_ids": ["842"],
    },
    {"item_id": "vase", "title": "Vase & pot", "price": "9.99", "published": False, "gtin": "0099"},
]
EVENTS = [
    {"event_id": "order-1", "user_id": "u", "item_id": "SH-M", "quantity": 2, "price": 25.5},
    {"event_id": "order-1", "user_id": "u", "item_id": "vase", "quantity": 1, "price": 9.99},
    {"event_id": "view-1", "session_id": "s", "item_id": "shirt", "type": "view"},
]


@pytest.fixture
def filled(shop):
    parser = Parser(ZoneInfo("UTC"))
    assert not upsert_products(shop, list(enumerate(ROWS)), COLUMNS, parser).errors
    at = datetime(2025, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
    report, _ = import_events(shop, enumerate({**e, "occurred_at": at} for e in EVENTS), parser)
    assert report.new == 3
    return shop


def exported(shop, tmp_path, what, form, *more) -> Path:
    path = tmp_path / f"{what}.{form}"
    options = ("--shop", shop.key, "--format", form, *more)
    call_command("export", what, *options, str(path), verbosity=0)
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_products_that_are_imported_again_are_the_same(filled, tmp_path, form):
    Product.objects.filter(item_id="vase").update(
        hidden=True
    )  # as the file says of what is a draft
    Product.objects.filter(item_id="shirt").update(stock_state="in_stock")
    path = exported(filled, tmp_path, "products", form)
    report = import_files(filled, [path], Parser(ZoneInfo("UTC"), currency=filled.currency), Wish())
    assert report.errors == []
    assert report.outcomes["products"] == {"same": 2}
    assert report.counts["variants"] == 2


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_events_that_are_imported_again_are_the_same(filled, tmp_path, form):
    path = exported(filled, tmp_path, "events", form)
    before = list(Event.objects.order_by("event_id", "line").values())
    report = import_files(filled, [path], Parser(ZoneInfo("UTC"), currency=filled.currency), Wish())
    assert report.errors == []
    assert report.outcomes["events"] == {"same": 3}
    Event.objects.all().delete()
    import_files(filled, [path], Parser(ZoneInfo("UTC"), currency=filled.currency), Wish())
    unlike = {"id", "received_at"}
    after = list(Event.objects.order_by("event_id", "line").values())
    assert [{k: v for k, v in row.items() if k not in unlike} for row in after] == [
        {k: v for k, v in row.items() if k not in unlike} for row in before
    ]


def test_a_draft_is_hidden_in_the_export(filled, tmp_path):
    rows = [json.loads(line) for line in exported(filled, tmp_path, "products", "jsonl").open()]
    assert {row["item_id"]: (row["hidden"], row["stock_state"]) for row in rows} == {
        "shirt": (False, "in_stock"),
        "vase": (True, ""),
    }


def test_a_google_feed_of_a_segment_is_read_again(filled, tmp_path):
    path = exported(filled, tmp_path, "products", "google", "--filter", "brand = 'Acme'")
    Product.objects.all().delete()
    report = import_files(filled, [path], Parser(ZoneInfo("UTC"), currency=filled.currency), Wish())
    assert (report.format, report.counts["products"], report.counts["variants"]) == (
        "google_feed",
        1,
        2,
    )
    shirt = Product.objects.get()
    assert (shirt.item_id, shirt.price, shirt.categories) == ("shirt", 25.5, ["Clothing > Tops"])
    assert {v["id"] for v in shirt.variants} == {"SH-S", "SH-M"}


def test_lists_and_vectors_of_a_model(live_shop, tmp_path):
    with pytest.raises(CommandError, match="are of products, not of events"):
        exported(live_shop, tmp_path, "events", "csv", "--vectors")
    path = exported(live_shop, tmp_path, "products", "parquet", "--vectors")
    vectors = pl.read_parquet(path)["vector"].drop_nulls()
    assert len(vectors) > 0
    assert sum(value**2 for value in vectors[0]) == pytest.approx(1, abs=0.01)
    call_command("score", "--shop", live_shop.key, verbosity=0)
    lists = pl.read_parquet(exported(live_shop, tmp_path, "lists", "parquet"))
    assert lists.columns == [
        "user_id",
        "position",
        "item_id",
        "score",
        "model_version",
        "created_at",
    ]
    assert set(lists["model_version"]) <= {"fusion@1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lists", "--format", "csv"), "no champion"),
        (("events", "--format", "google"), "holds products"),
        (("products", "--filter", "price <"), "filter: "),
        (("products", "--vectors"), "no model yet"),
    ],
)
def test_what_cannot_be_exported_says_why(filled, tmp_path, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("export", *arguments, "--shop", filled.key, str(tmp_path / "x"), verbosity=0)
    assert list(tmp_path.iterdir()) == []


def test_judgements_and_an_empty_export(filled, tmp_path):
    assert exported(filled, tmp_path, "judgements", "csv").read_text().splitlines() == [
        "judgement_id,query,item_id,grade,fold"
    ]
    assert pl.read_parquet(exported(filled, tmp_path, "judgements", "parquet")).height == 0
