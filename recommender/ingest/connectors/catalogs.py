"""Products of catalogs: rows that join to a product with its variants."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from recommender.ingest.connectors.core import (
    PRODUCTS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.values import number

MERGED = ("images", "other_ids", "tags", "categories")
"""Fields that hold the values of all rows of a product; others those of the first filled row."""
OF_VARIANTS = ("price", "sale_price", "compare_at_price", "stock_state", "stock_quantity", "images")
Groups = Callable[[Reading, dict[str, list[Table]]], Iterable[list[Row]]]


@dataclass(frozen=True)
class Catalog:
    """What a format of products declares.

    groups: rows of one product together
    product, variant: by field its source
    is_product: rows that hold the fields of the product; default: all
    is_variant: rows that are variants
    has_variants: variants come from `check`
    check: what else follows from the rows of a product; None leaves it out
    """

    groups: Groups
    product: dict[str, Any]
    variant: dict[str, Any] = field(default_factory=dict)
    is_product: Callable[[Row], bool] = lambda row: True
    is_variant: Callable[[Row], bool] = lambda row: True
    has_variants: bool = False
    check: Callable[[Reading, dict[str, Any], list[Row]], dict[str, Any] | None] | None = None


def one_by_one(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Each row is a product."""
    return ([row] for row in rows_of(tables))


def catalog(name: str, title: str, signature: Signature, declared: Catalog, **more: Any) -> Format:
    """A format of products."""

    def read(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
        for rows in declared.groups(reading, tables):
            product = product_of(reading, declared, rows)
            if product is not None:
                yield PRODUCTS, rows[0].line, product

    columns = {n for n in declared.product if n != "item_id"}
    if declared.variant or declared.has_variants:
        columns |= {"variants", "attributes", *OF_VARIANTS}
    more.setdefault("tables", {"rows": signature})
    return Format(
        name, title, read=read, kinds=(PRODUCTS,), product_columns=tuple(sorted(columns)), **more
    )


def product_of(reading: Reading, declared: Catalog, rows: list[Row]) -> dict[str, Any] | None:
    """The product of these rows, with its variants; None where it is none."""
    if len(rows) == 1 and declared.is_product(rows[0]):
        product = rows[0].filled(declared.product)
        rest: list[Row] = []
    else:
        product, rest = {}, rows
    for row in rest:
        if not declared.is_product(row):
            continue
        missing = {n: s for n, s in declared.product.items() if n not in product or n in MERGED}
        for name, value in row.filled(missing).items():
            product[name] = _merged(product.get(name), value) if name in MERGED else value
    if declared.variant:
        variants = _variants(product, declared, [row for row in rows if declared.is_variant(row)])
        if variants:
            product["variants"] = variants
            _add_options(product, variants)
    return declared.check(reading, product, rows) if declared.check else product


def _merged(known: Any, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [value]
    return list(dict.fromkeys([*(known or ()), *given]))


def _variants(product: dict[str, Any], declared: Catalog, rows: list[Row]) -> list[dict[str, Any]]:
    found = [row.filled(declared.variant) for row in rows]
    return with_ids(str(product.get("item_id", "")), found)


def with_ids(item_id: str, variants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Variants with an id of their own each: the given one, the SKU, else that of the product with
    the options. Of several with one id and the same options the first is kept.
    """
    kept, seen = [], set()
    for variant in variants:
        named = variant.get("id") or variant.get("sku")
        if named is None or named in seen:
            choice = "/".join(map(str, variant.get("options", {}).values()))
            named = "-".join(filter(None, [item_id, choice]))
        if named and named not in seen:
            seen.add(named)
            kept.append({**variant, "id": named})
    return kept


def choices_of(variants: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By option the values that variants have."""
    choices: dict[str, dict[str, None]] = {}
    for variant in variants:
        for name, value in variant.get("options", {}).items():
            choices.setdefault(str(name), {})[value] = None
    return {name: list(values) for name, values in choices.items()}


def _add_options(product: dict[str, Any], variants: list[dict[str, Any]]) -> None:
    """The options of all variants become attributes of the product, for filters and search."""
    if choices := choices_of(variants):
        product["attributes"] = {**choices, **product.get("attributes", {})}


def with_option_names(
    product: dict[str, Any], rows: list[Row], columns: Sequence[str]
) -> dict[str, Any]:
    """The product with the names of its options, which stand on one of its rows alone.

    columns: of the names; an option without a name has that of the column
    """
    names = {column: next((r[column] for r in rows if r[column]), None) for column in columns}
    variants = [
        {**v, "options": {names.get(n) or n: value for n, value in v.get("options", {}).items()}}
        if v.get("options")
        else v
        for v in product.get("variants", ())
    ]
    choices = choices_of(variants)
    if not choices:
        return product
    known = {n: v for n, v in product.get("attributes", {}).items() if n not in columns}
    return {**product, "variants": variants, "attributes": {**known, **choices}}


def without_free_sale(row_fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without a sale price of 0, which stands for none."""
    if number(row_fields.get("sale_price")) == 0:
        row_fields = {n: v for n, v in row_fields.items() if n != "sale_price"}
    return row_fields
