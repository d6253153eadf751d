"""Eligibility: the one place that says which products may be shown.

A product may be shown unless it is hidden, not published, sold out, or outside its dates. The
rule is written four times, for each engine that applies it; one test runs all of them over the same
rows.
"""

from datetime import datetime
from typing import Any

import polars as pl
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

OUT_OF_STOCK = "out_of_stock"


def published() -> Q:
    """Products that may be spoken of, as of the database's now: eligible ones and sold out ones."""
    return (
        Q(hidden=False, published=True)
        & (Q(available_from=None) | Q(available_from__lte=Now()))
        & (Q(available_until=None) | Q(available_until__gt=Now()))
    )


def eligible() -> Q:
    """The rule for the ORM, as of the database's now."""
    in_stock = Q(stock_quantity=None) | Q(stock_quantity__gt=0)
    return published() & ~Q(stock_state=OUT_OF_STOCK) & in_stock


RESTRICTED = (
    Q(hidden=True)
    | Q(published=False)
    | Q(stock_state=OUT_OF_STOCK)
    | Q(stock_quantity__lte=0)
    | Q(available_from__isnull=False)
    | Q(available_until__isnull=False)
)
"""The generated column `restricted`: true of products that are ineligible now or at some time.

It does not depend on the time, so it can be indexed; precomputed lists look at few products.
"""

INELIGIBLE_SQL = """p.restricted AND (p.hidden OR NOT p.published OR p.stock_state = 'out_of_stock'
            OR p.stock_quantity <= 0 OR p.available_from > statement_timestamp()
            OR p.available_until <= statement_timestamp())"""
"""The opposite of the rule in SQL, over a product `p`."""

WITHIN_DATES_SQL = """(p.available_from IS NULL OR p.available_from <= statement_timestamp())
        AND (p.available_until IS NULL OR p.available_until > statement_timestamp())"""
"""The part of the rule that changes with time, over a product `p`."""

ELIGIBLE_EXPRESSION = (
    (pl.col("hidden") == 0)
    & (pl.col("published") == 1)
    & (pl.col("stock.state").fill_null("") != OUT_OF_STOCK)
    & (pl.col("stock.quantity").is_null() | (pl.col("stock.quantity") > 0))
    & (pl.col("available_from").is_null() | (pl.col("available_from") <= pl.col("now")))
    & (pl.col("available_until").is_null() | (pl.col("available_until") > pl.col("now")))
)
"""The rule over the columns of the product index, with the time in the column `now`."""


def can_be_bought(variant: dict[str, Any]) -> bool:
    """True for a variant of a product unless it is sold out."""
    quantity = variant.get("stock_quantity")
    return variant.get("stock_state") != OUT_OF_STOCK and (quantity is None or quantity > 0)


PRICE_IN_FORCE = (
    pl.when(
        pl.col("sale_price").is_not_null()
        & (pl.col("sale_from").is_null() | (pl.col("sale_from") <= pl.col("now")))
        & (pl.col("sale_until").is_null() | (pl.col("sale_until") > pl.col("now")))
    )
    .then("sale_price")
    .otherwise("price")
)
"""The price that a shopper pays now: the sale price between its dates, else the regular one; over
the columns of the product index, with the time in the column `now`."""


def price_in_force(price: Any, sale_price: Any, begins: datetime | None, ends: datetime | None):
    """`PRICE_IN_FORCE` of one product."""
    now = timezone.now()
    is_sale = (begins is None or begins <= now) and (ends is None or ends > now)
    return sale_price if sale_price is not None and is_sale else price
