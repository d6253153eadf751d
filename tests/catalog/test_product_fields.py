"""Product fields: what is declared once reaches the model, import, REST, index and filters."""

from dataclasses import replace
from decimal import Decimal

from recommender.api.catalog.serializers import ItemSerializer
from recommender.api.catalog.views import item_json
from recommender.catalog import product_fields
from recommender.catalog.filter_language import parse
from recommender.catalog.product_fields import BY_COLUMN, FIELDS, FILTER_FIELDS, TEXT_FIELDS
from recommender.ingest.products import COLUMNS
from recommender.models import Product

BOOKKEEPING = {"id", "shop", "item_id", "restricted", "created_at", "updated_at"}


def test_every_column_of_a_product_is_declared():
    columns = {field.name for field in Product._meta.concrete_fields}
    assert columns - BOOKKEEPING == BY_COLUMN.keys() == COLUMNS.keys()


def test_a_missing_value_is_stored_as_the_model_stores_it():
    for field in FIELDS:
        column = Product._meta.get_field(field.column)
        default = None if column.null else column.get_default()
        empty = field.kind.empty
        empty = [*empty] if isinstance(empty, tuple) else empty  # a tuple is stored as JSON
        assert empty == (default if column.has_default() or column.null else "")


def test_rest_shows_every_field(shop):
    product = Product.objects.create(shop=shop, item_id="A", title="Lamp", price=Decimal(2))
    item, shapes = item_json(product), ItemSerializer().fields
    for field in FIELDS:
        name, *part = field.rest_path
        assert name in item and name in shapes
        if part and item[name] is not None:
            assert part[0] in item[name] and part[0] in shapes[name].fields


def test_filters_know_the_declared_fields_and_texts_are_read():
    operators = {"text": "= 'a'", "number": "> 1", "date": "> '2026-01-01'", "categories": "= 'a'"}
    operators["flag"] = "= true"
    for name, kind in FILTER_FIELDS.items():
        assert parse(f"{name} {operators[kind]}")
    assert {field.column for field in FIELDS if field.is_text} == set(TEXT_FIELDS)


def test_a_new_field_is_one_line_here():
    color = replace(BY_COLUMN["brand"], column="color")
    assert color.name == "color" and color.rest_path == ("color",)
    assert color.kind is product_fields.PROSE_KIND and color.kind.empty_sql == "''"
