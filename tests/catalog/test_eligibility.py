"""Eligibility: the four forms of the rule agree on every row."""

from datetime import timedelta
from itertools import product as combinations

import pytest
from django.db import connection
from django.utils import timezone

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import EVERYTHING
from recommender.models import Product
from recommender.models.eligibility import INELIGIBLE_SQL, WITHIN_DATES_SQL

NOW = timezone.now()
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)
VALUES = {
    "published": (True, False),
    "hidden": (False, True),
    "stock_state": ("", "in_stock", "out_of_stock"),
    "stock_quantity": (None, 3, 0, -2),
    "available_from": (None, PAST, FUTURE),
    "available_until": (None, PAST, FUTURE),
}


@pytest.fixture
def products(shop):
    """item_id -> whether the product may be shown; one product per combination of values."""
    expected, rows = {}, []
    for number, values in enumerate(combinations(*VALUES.values())):
        fields = dict(zip(VALUES, values, strict=True))
        rows.append(Product(shop=shop, item_id=f"p{number}", title="x", **fields))
        expected[f"p{number}"] = (
            fields["published"]
            and not fields["hidden"]
            and fields["stock_state"] != "out_of_stock"
            and (fields["stock_quantity"] is None or fields["stock_quantity"] > 0)
            and fields["available_from"] != FUTURE
            and fields["available_until"] != PAST
        )
    Product.objects.bulk_create(rows)
    return expected


def ids_of(condition: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT p.item_id FROM recommender_product p WHERE {condition}")
        return {row[0] for row in cursor.fetchall()}


def test_all_forms_of_the_rule_agree(shop, products):
    eligible = {item_id for item_id, shown in products.items() if shown}
    assert 0 < len(eligible) < len(products)
    assert set(Product.objects.showable().values_list("item_id", flat=True)) == eligible
    assert products.keys() - ids_of(INELIGIBLE_SQL) == eligible
    frame = read_products(shop.pk)
    mask = allowed(frame, EVERYTHING, timezone.now())
    assert set(frame["item_id"].filter(mask)) == eligible


def test_restricted_products_are_those_that_may_be_ineligible_at_some_time(products):
    restricted = set(Product.objects.filter(restricted=True).values_list("item_id", flat=True))
    unrestricted = products.keys() - restricted
    assert unrestricted and all(products[item_id] for item_id in unrestricted)
    dated = Product.objects.exclude(available_from=None, available_until=None)
    assert set(dated.values_list("item_id", flat=True)) <= restricted
    assert ids_of(WITHIN_DATES_SQL) >= unrestricted
