"""WooCommerce: product exports, orders, and WordPress exports (WXR)."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, one_by_one, without_free_sale
from recommender.ingest.connectors.core import Format, Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.orders import Order, orders_of, returned_amount
from recommender.ingest.connectors.values import escaped_parts, number, parts, paths, prefixed

VARIATION = "variation"
SOLD = ("completed", "processing", "on-hold", "refunded")
"""Statuses of orders that were bought; others are drafts, failed, cancelled or not paid."""
ATTRIBUTES = range(1, 11)


def _kind(row: Row) -> str:
    return str(row["Type"] or "").casefold()


def _by_parent(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Products with their variations, which name them by SKU or by id:44."""
    skus = {
        f"id:{row['ID']}": str(row["SKU"])
        for table in tables["rows"]
        for row in table.rows(again=True)
        if row["ID"] and row["SKU"]
    }

    def key_of(row: Row) -> str:
        named = row["Parent"] if _kind(row).startswith(VARIATION) else None
        named = str(named or row["SKU"] or f"id:{row['ID']}")
        return skus.get(named, named)

    return grouped(rows_of(tables), key_of)


def _item_id(row: Row) -> Any:
    return row["SKU"] or prefixed("id:", row["ID"])


def _published(row: Row) -> bool:
    """Published, and in the catalog; -1 is a draft, 0 private."""
    return str(row["Published"] or "1") == "1" and str(row["Visibility in catalog"]) != "hidden"


def _stock(row: Row) -> Any:
    word = str(row["In stock?"] or "").casefold()
    return {"1": "in_stock", "0": "out_of_stock"}.get(word, row["In stock?"])


def _quantity(row: Row) -> Any:
    """The stock; with backorders it does not end the sale."""
    return None if str(row["Backorders allowed?"]) in ("1", "notify") else row["Stock"]


def _texts(row: Row) -> str | None:
    """Short and long description, in which exports write line ends as backslash n."""
    texts = [row["Short description"], row["Description"]]
    return "\n".join(text.replace("\\n", "\n") for text in texts if text) or None


def _options(row: Row) -> dict[str, str]:
    chosen = {}
    for n in ATTRIBUTES:
        name, value = row[f"Attribute {n} name"], row[f"Attribute {n} value(s)"]
        if name and value:
            chosen[str(name)] = str(value)
    return chosen


def _attributes(row: Row) -> dict[str, Any]:
    return {name: escaped_parts(value) for name, value in _options(row).items()}


PRICES = {
    "price": "Regular price",
    "sale_price": "Sale price",
}


def _checked(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any] | None:
    if not product.get("title"):
        for row in rows:
            reading.reject(row, "Parent", f"{row['Parent']!r} is no product of this file")
        return None
    return without_free_sale(product)


PRODUCTS_CSV = catalog(
    "woocommerce_products",
    "WooCommerce products",
    Signature(("type", "sku", "name"), ("regular price", "visibility in catalog")),
    Catalog(
        _by_parent,
        {
            "item_id": _item_id,
            "title": "Name",
            "description": _texts,
            "brand": ("Brands", "Brand"),
            "categories": lambda row: paths(escaped_parts(row["Categories"])),
            "tags": lambda row: escaped_parts(row["Tags"]),
            "images": lambda row: parts(row["Images"]),
            "published": _published,
            "stock_state": _stock,
            "stock_quantity": _quantity,
            "sale_from": "Date sale price starts",
            "sale_until": "Date sale price ends",
            "attributes": _attributes,
            "gtin": "GTIN, UPC, EAN, or ISBN",
            "other_ids": lambda row: [str(row["ID"])] if row["ID"] and row["SKU"] else [],
            **PRICES,
        },
        {
            "id": _item_id,
            "sku": "SKU",
            "gtin": "GTIN, UPC, EAN, or ISBN",
            "other_ids": lambda row: [str(row["ID"])] if row["ID"] else [],
            "options": _options,
            "stock_state": _stock,
            "stock_quantity": _quantity,
            "image": lambda row: next(iter(parts(row["Images"])), None),
            **PRICES,
        },
        is_product=lambda row: not _kind(row).startswith(VARIATION),
        is_variant=lambda row: (
            _kind(row).startswith(VARIATION) and str(row["Published"] or "1") == "1"
        ),
        check=_checked,
    ),
)


def _lines(row: Row) -> Iterator[dict[str, Any]]:
    """Lines in one cell: product_id:1|sku:a|quantity:2|total:9;product_id:…"""
    for one in parts(row.first("order_items", "line_items"), ";"):
        pairs = (part.partition(":") for part in one.split("|"))
        yield {name.strip(): value.strip() for name, _, value in pairs}


def _line(given: dict[str, Any]) -> dict[str, Any]:
    """A line; its total is for all of the quantity."""
    ids = [given.get(name) for name in ("variation_id", "sku", "product_id")]
    ids = [one for one in ids if one not in (None, "", "0", 0)]
    return {
        "item_id": next(iter(ids), None),
        "or_item_id": ids[1] if len(ids) > 1 else None,
        "and_item_id": ids[2] if len(ids) > 2 else None,
        "quantity": given.get("quantity", given.get("qty")),
        "value": number(given.get("total")),
    }


def _left_out(status: Any) -> str | None:
    word = str(status or "").casefold().removeprefix("wc-")
    return None if word in SOLD else word or "without a status"


def _customer(row: Row) -> Any:
    """The customer; 0 is a guest."""
    customer = row.first("customer_id", "customer_user")
    return None if str(customer) in ("0", "None") else str(customer)


ORDER = {
    "id": ("order_id", "order_number"),
    "occurred_at": ("order_date", "date"),
    "user_id": _customer,
    "currency": ("order_currency", "currency"),
    "refunded": lambda row: returned_amount(
        row["status"], row.first("refunds", "refunded"), row.first("order_total", "total")
    ),
    "left_out": lambda row: _left_out(row["status"]),
}


def _order(row: Row) -> Order:
    return Order(row.filled(ORDER), [(row, _line(one)) for one in _lines(row)], row)


ORDERS_CSV = Format(
    "woocommerce_orders",
    "WooCommerce orders",
    {"rows": Signature(("order_id", "status"), ("order_items", "line_items"))},
    lambda reading, tables: orders_of(reading, map(_order, rows_of(tables))),
    ("events",),
    replaces=True,
    looks_up=True,
)
JSON_ORDER = {
    "id": "id",
    "occurred_at": lambda row: _utc(row["date_created_gmt"]) or row["date_created"],
    "user_id": _customer,
    "currency": "currency",
    "refunded": lambda row: returned_amount(
        row["status"],
        sum(abs(number(one.get("total")) or 0) for one in row["refunds"] or []),
        row["total"],
    ),
    "left_out": lambda row: _left_out(row["status"]),
}


def _utc(moment: Any) -> str | None:
    return None if not moment else f"{moment}Z"


def order_of_json(row: Row) -> Order:
    """An order of the REST API or of a webhook."""
    lines = [(row, _line(one)) for one in row["line_items"] or []]
    return Order(row.filled(JSON_ORDER), lines, row)


ORDERS_JSON = Format(
    "woocommerce_order_json",
    "WooCommerce orders (JSON)",
    {
        "rows": Signature(
            ("line_items", "status", "customer_id"), ("date_created", "date_created_gmt")
        )
    },
    lambda reading, tables: orders_of(reading, map(order_of_json, rows_of(tables))),
    ("events",),
    replaces=True,
    looks_up=True,
)


def _json_sales(row: Row) -> Any:
    return row["sale_price"] or None


PRODUCTS_JSON = catalog(
    "woocommerce_product_json",
    "WooCommerce products (JSON)",
    Signature(("name", "regular_price", "stock_status", "catalog_visibility")),
    Catalog(
        one_by_one,
        {
            "item_id": lambda row: row["sku"] or prefixed("id:", row["id"]),
            "other_ids": lambda row: [str(row["id"]), *map(str, row["variations"] or [])],
            "title": "name",
            "description": lambda row: "\n".join(
                filter(None, [row["short_description"], row["description"]])
            ),
            "categories": lambda row: [one["name"] for one in row["categories"] or []],
            "tags": lambda row: [one["name"] for one in row["tags"] or []],
            "images": lambda row: [one["src"] for one in row["images"] or [] if one.get("src")],
            "price": ("regular_price", "price"),
            "sale_price": _json_sales,
            "sale_from": lambda row: _utc(row["date_on_sale_from_gmt"]),
            "sale_until": lambda row: _utc(row["date_on_sale_to_gmt"]),
            "stock_state": lambda row: row["stock_status"],
            "published": lambda row: (
                row["status"] == "publish" and row["catalog_visibility"] != "hidden"
            ),
            "url": "permalink",
            "attributes": lambda row: {
                one["name"]: one["options"]
                for one in row["attributes"] or []
                if one.get("name") and one.get("options")
            },
        },
    ),
)


def _meta(row: Row, name: str) -> Any:
    """A value of the post's metadata, which are pairs."""
    pairs = row["postmeta"]
    pairs = pairs if isinstance(pairs, list) else [pairs]
    return next(
        (one.get("meta_value") for one in pairs if one and one.get("meta_key") == name), None
    )


def _terms(row: Row, domain: str) -> list[str]:
    """Categories of a domain, such as product_cat."""
    terms = row["category"]
    terms = terms if isinstance(terms, list) else [terms]
    return [t["text"] for t in terms if isinstance(t, dict) and t.get("domain") == domain]


def _posts(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Products with their variations, which are posts below them; other posts are left out."""

    def products() -> Iterator[Row]:
        for row in rows_of(tables):
            if row["post_type"] in ("product", "product_variation"):
                yield row

    def key_of(row: Row) -> str:
        parent = row["post_parent"] if row["post_type"] == "product_variation" else None
        return str(parent or row["post_id"])

    return grouped(products(), key_of)


def _is_post(row: Row) -> bool:
    return row["post_type"] == "product"


def _wxr_price(row: Row, name: str) -> Any:
    return _meta(row, name) or None


def _attribute_options(row: Row) -> dict[str, str]:
    pairs = row["postmeta"]
    pairs = pairs if isinstance(pairs, list) else [pairs]
    found = {}
    for one in pairs:
        name = (one or {}).get("meta_key") or ""
        if name.startswith("attribute_") and one.get("meta_value"):
            found[name.removeprefix("attribute_").removeprefix("pa_")] = one["meta_value"]
    return found


WXR_PRICES = {
    "price": lambda row: _wxr_price(row, "_regular_price") or _wxr_price(row, "_price"),
    "sale_price": lambda row: _wxr_price(row, "_sale_price"),
    "stock_state": lambda row: _meta(row, "_stock_status"),
    "stock_quantity": lambda row: (
        _meta(row, "_stock") if _meta(row, "_manage_stock") == "yes" else None
    ),
}
WXR = catalog(
    "woocommerce_wxr",
    "WordPress export (WXR) of WooCommerce products",
    Signature(("post_id", "post_type"), ("postmeta",)),
    Catalog(
        _posts,
        {
            "item_id": lambda row: _meta(row, "_sku") or prefixed("id:", row["post_id"]),
            "other_ids": lambda row: [str(row["post_id"])],
            "title": "title",
            "description": ("encoded", "description"),
            "categories": lambda row: _terms(row, "product_cat"),
            "tags": lambda row: _terms(row, "product_tag"),
            "url": "link",
            "published": lambda row: (
                row["status"] == "publish"
                and "exclude-from-catalog" not in _terms(row, "product_visibility")
            ),
            **WXR_PRICES,
        },
        {
            "id": lambda row: _meta(row, "_sku") or prefixed("id:", row["post_id"]),
            "sku": lambda row: _meta(row, "_sku"),
            "other_ids": lambda row: [str(row["post_id"])],
            "options": _attribute_options,
            **WXR_PRICES,
        },
        is_product=_is_post,
        is_variant=lambda row: not _is_post(row) and row["status"] == "publish",
        check=lambda reading, product, rows: product if product.get("title") else None,
    ),
)
FORMATS = (PRODUCTS_CSV, ORDERS_CSV, ORDERS_JSON, PRODUCTS_JSON, WXR)
