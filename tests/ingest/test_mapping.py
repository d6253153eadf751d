"""Mapping of columns to fields."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from recommender.ingest.delimited import DAMAGE
from recommender.ingest.files import FileError
from recommender.ingest.mapping import mapped
from recommender.models import Event, Product

TRACKED = {
    "type": "track",
    "event": "Order Completed",
    "user": {"id": "u1"},
    "a.b": "whole",
    "properties": {
        "currency": "EUR",
        "products": [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 1}],
    },
}


def rows_of(rows, mapping, where=None, fields=(), words=None) -> list[dict]:
    numbered = iter(list(enumerate(rows, 1)))
    return [row for _, row in mapped(numbered, mapping, where or {}, fields, words)]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("event", "Order Completed"),
        ("user.id", "u1"),
        ("a.b", "whole"),
        ("properties.currency", "EUR"),
        ("'GBP'", "GBP"),
        ('"a b"', "a b"),
    ],
)
def test_a_source_is_a_column_a_path_or_a_constant(source, value):
    (row,) = rows_of([TRACKED], {"field": source})
    assert row["field"] == value


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("TRUE", False),
        ("0", True),
        (True, False),
        ("active", False),
        ("DRAFT", True),
        ("archived", True),
        ("maybe", "maybe"),
        ("", ""),
    ],
)
def test_a_flag_is_negated(value, hidden):
    assert rows_of([{"Published": value}], {"hidden": "!Published"})[0]["hidden"] == hidden


def test_each_element_of_a_list_is_a_row():
    mapping = {
        "item_id": "properties.products[].sku",
        "quantity": "properties.products[].quantity",
        "user_id": "user.id",
    }
    rows = rows_of([TRACKED], mapping)
    assert [(row["item_id"], row["quantity"], row["user_id"]) for row in rows] == [
        ("a", 2, "u1"),
        ("b", 1, "u1"),
    ]
    (row,) = rows_of([TRACKED, {"properties": {}}], mapping)[2:]
    assert row[DAMAGE] == "has no list properties.products"
    with pytest.raises(FileError, match="several lists, but rows come from one: a, b"):
        rows_of([TRACKED], {"item_id": "a[].x", "quantity": "b[].y"})


def test_words_of_the_file_stand_for_others():
    words = {"type": {"watch": "view"}}
    rows = rows_of([{"type": " Watch"}, {"type": "click"}], {}, words=words)
    assert [row["type"] for row in rows] == ["view", "click"]


def test_rows_are_kept_by_value_or_by_another_value():
    rows = [{"status": "draft", "n": 1}, {"status": "active", "n": 2}, {"status": None, "n": 3}]
    assert [row["n"] for row in rows_of(rows, {}, {"status": "draft"})] == [1]
    assert [row["n"] for row in rows_of(rows, {}, {"status!": "draft"})] == [2, 3]
    nested = [{"user": {"plan": "free"}}, {"user": {"plan": "paid"}}]
    assert rows_of(nested, {}, {"user.plan": "paid"}) == nested[1:]


def test_columns_are_checked_on_the_first_row_that_is_kept():
    rows = [{"event": "item", "item": "a"}, {"event": "click", "item": "a", "user": "u1"}]
    (row,) = rows_of(rows, {"user_id": "user"}, {"event": "click"})
    assert row["user_id"] == "u1"
    with pytest.raises(FileError, match="no column 'user'; there are event, item"):
        rows_of(rows, {"user_id": "user"})
    with pytest.raises(FileError, match="no column 'kind'; there are event, item, user"):
        rows_of(rows, {}, {"kind": "click"})


def test_a_shop_imports_by_the_mapping(shop, tmp_path):
    out = StringIO()
    (tmp_path / "p.csv").write_text("sku,name,Status\na,Lamp,active\nb,Mug,draft\n")
    mapping = ["item_id=sku", "title=name", "hidden=!Status", "locale='en-GB'"]
    options = {"shop": shop.key, "stdout": out, "verbosity": 0}
    call_command("import_products", str(tmp_path / "p.csv"), "--map", *mapping, **options)
    rows = Product.objects.order_by("item_id").values_list("item_id", "hidden", "locale")
    assert list(rows) == [("a", False, "en-GB"), ("b", True, "en-GB")]
    (tmp_path / "e.jsonl").write_text(json.dumps(TRACKED | {"at": "2026-01-05T10:00:00Z"}) + "\n")
    mapping = [
        "item_id=properties.products[].sku",
        "quantity=properties.products[].quantity",
        "user_id=user.id",
        "type=event",
        "occurred_at=at",
    ]
    values = ["--values", "type:order completed=purchase"]
    call_command("import_events", str(tmp_path / "e.jsonl"), "--map", *mapping, *values, **options)
    events = Event.objects.values_list("type", "product__item_id", "quantity")
    assert {*events} == {("purchase", "a", 2), ("purchase", "b", 1)}


@pytest.mark.parametrize("text", ["type", "type:watch", "watch=view", ":watch=view"])
def test_words_that_say_nothing_are_refused(shop, tmp_path, text):
    (tmp_path / "p.csv").write_text("item_id,title\na,Lamp\n")
    with pytest.raises(CommandError, match=r"--values: .* is not of the form field:word=value"):
        call_command(
            "import_products", str(tmp_path / "p.csv"), "--values", text, shop=shop.key, verbosity=0
        )
