"""Files of no known format: a mapping is proposed from the names and values of their columns."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from recommender.ingest import shop_values
from recommender.ingest.connectors.core import (
    EVENTS,
    JUDGEMENTS,
    PRODUCTS,
    REVIEWS,
    SHOPPERS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    folded,
    rows_of,
)
from recommender.ingest.connectors.values import from_json, number, parts, paths

SYNONYMS = {
    PRODUCTS: {
        "item_id": "item_id product_id productid sku item_code article_number article_id stockcode "
        "stock_code artikelnummer id code handle asin item item_number product_code",
        "title": "title name product_name product_title item_name prod_name bezeichnung "
        "produktname artikelname nom nombre description_short label",
        "description": "description long_description product_description body text beschreibung "
        "details summary",
        "brand": "brand vendor manufacturer marke hersteller make label_name",
        "categories": "categories category product_type product_category department kategorie "
        "kategorien category_path category_name collection genre genres main_category type",
        "price": "price unit_price unitprice regular_price preis prix precio list_price "
        "price_gross sales_price",
        "sale_price": "sale_price special_price discounted_price angebotspreis",
        "compare_at_price": "compare_at_price old_price msrp uvp retail_price",
        "images": "images image image_url image_link image_src picture bild img main_image",
        "url": "url link product_url permalink",
        "gtin": "gtin ean upc isbn barcode ean13",
        "stock_quantity": "stock_quantity quantity_in_stock inventory stock qty bestand "
        "inventory_quantity stock_qty lagerbestand",
        "stock_state": "stock_state availability stock_status in_stock verfuegbarkeit available",
        "condition": "condition zustand",
        "tags": "tags keywords",
        "item_group_id": "item_group_id parent_id group_id",
        "published": "published visible active status enabled is_active is_visible",
        "hidden": "hidden",
        "available_from": "available_from created_at release_date",
        "available_until": "available_until",
        "margin_rate": "margin_rate",
        "locale": "locale language",
        "attributes": "attributes",
        "variants": "variants",
        "other_ids": "other_ids",
        "sale_from": "sale_from",
        "sale_until": "sale_until",
    },
    EVENTS: {
        "event_id": "event_id",
        "user_id": "user_id userid user customer_id customerid customer shopper_id visitorid "
        "visitor_id household_key member_id client_id kundennummer kunde account_id buyer_id",
        "session_id": "session_id session sessionid basket_id cart_id order_id orderid invoice "
        "invoiceno invoice_no invoice_id order transaction_id transactionid receipt_id "
        "order_number bestellnummer visit_id",
        "item_id": "item_id product_id productid sku item stockcode stock_code itemid article_id "
        "artikelnummer asin product item_code product_code",
        "variant_id": "variant_id",
        "type": "type event event_type action event_name eventtype interaction behavior "
        "behaviour_type behavior_type",
        "occurred_at": "occurred_at timestamp time date datetime created_at event_time "
        "invoicedate invoice_date order_date orderdate purchase_date t_dat datum event_timestamp "
        "transaction_date day",
        "quantity": "quantity qty amount_of_items menge units count anzahl",
        "price": "price unitprice unit_price item_price einzelpreis",
        "value": "value sales_value revenue total amount line_total",
        "discount": "discount",
        "rating": "rating stars score",
        "query": "query search_term",
        "position": "position",
        "recommendation_id": "recommendation_id",
        "placement": "placement",
        "currency": "currency",
        "simulated": "simulated",
    },
    REVIEWS: {
        "review_id": "review_id",
        "item_id": "item_id product_id clothing_id asin sku product",
        "user_id": "user_id userid customer_id reviewer_id reviewerid user",
        "rating": "rating stars score overall",
        "title": "title summary headline review_title",
        "text": "text review review_text reviewtext body content comment",
        "created_at": "created_at date timestamp review_date unixreviewtime",
        "channel": "channel",
        "label": "label",
        "topic": "topic",
    },
    JUDGEMENTS: {
        "judgement_id": "judgement_id",
        "query": "query search_term query_text keyword",
        "item_id": "item_id product_id doc_id docid asin document sku",
        "grade": "grade rating relevance judgement judgment label score",
        "fold": "fold",
    },
    SHOPPERS: {
        "user_id": "user_id userid customer_id customerid shopper_id id kundennummer member_id",
        "attributes": "attributes",
        "consent_personalisation": "consent_personalisation",
        "consent_training": "consent_training",
        "first_seen": "first_seen created_at registered_at signup_date member_since",
    },
}
"""By kind and field, the names of columns that say it, the best first."""
NEEDED = {
    REVIEWS: (("text",), ("rating", "title", "item_id")),
    EVENTS: (("item_id",), ("occurred_at",), ("user_id", "session_id")),
    JUDGEMENTS: (("query",), ("item_id",), ("grade",)),
    PRODUCTS: (("item_id",), ("title", "price", "categories", "brand", "images")),
    SHOPPERS: (("user_id",),),
}
"""By kind the fields without which a file is not of it; of each group one. The first kind that
fits is taken."""
LISTS = ("categories", "images", "tags", "other_ids")
SLASHED = re.compile(r"[^\W\d]/[^\W\d]")
"""A path such as Clothing/Tops; “5 / 6” is none."""
ROOTS = ("Default Category", "Root", "Home")
NAME = re.compile(r"[^a-z0-9]+")


def plain(name: str) -> str:
    """A column name as a synonym is written: Product ID is product_id."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return NAME.sub("_", folded(words)).strip("_")


def proposed(
    columns: Sequence[str], sample: Sequence[dict[str, Any]], kind: str = ""
) -> tuple[str, dict[str, str]]:
    """The kind of these rows, and by field the column that fills it; an empty kind where no
    mapping is found.
    """
    names: dict[str, str] = {}
    for column in columns:
        for name in (plain(column), folded(column), NAME.sub("", folded(column))):
            names.setdefault(name, column)
    for one in (kind,) if kind else NEEDED:
        mapping: dict[str, str] = {}
        for field, words in SYNONYMS[one].items():
            free = [w for w in words.split() if w in names and names[w] not in mapping.values()]
            column = next((names[w] for w in free if _suits(field, names[w], sample)), None)
            if column is not None:
                mapping[field] = column
        if all(any(name in mapping for name in group) for group in NEEDED[one]):
            return one, mapping
    return "", {}


def _suits(field: str, column: str, sample: Sequence[dict[str, Any]]) -> bool:
    """True where the values of a column can be those of a field."""
    values = [row.get(column) for row in sample]
    values = [v for v in values if v not in (None, "") and not shop_values.is_nothing(v)]
    if not values:
        return True
    if field in ("quantity", "rating", "grade"):
        return sum(number(v) is not None for v in values) >= 0.9 * len(values)
    if field == "published":
        return all(shop_values.published(v) is not None for v in values)
    if field == "type":
        known = ("view", "click", "purchase", "return", "rating", "search", "impression", "cart")
        kinds = {shop_values.event_type(str(v)) for v in values}
        return any(word in kind for kind in kinds for word in known)
    if field in ("title", "text", "description"):
        return not all(number(v) is not None for v in values)
    return True


def _read(mapping: dict[str, str]) -> dict[str, Any]:
    """Sources of the fields; lists in one cell are split."""
    sources: dict[str, Any] = {}
    for field, column in mapping.items():
        if field in LISTS:
            sources[field] = _list_source(field, column)
        elif field == "variants":
            sources[field] = _variant_source(column, mapping.get("item_id", ""))
        else:
            sources[field] = column
    return sources


OF_VARIANT = {
    "id": ("id", "variant_id"),
    "sku": ("sku",),
    "gtin": ("gtin", "barcode", "ean", "upc"),
    "other_ids": ("other_ids",),
    "options": ("options",),
    "price": ("price",),
    "sale_price": ("sale_price",),
    "compare_at_price": ("compare_at_price",),
    "stock_state": ("stock_state", "availability"),
    "stock_quantity": ("stock_quantity", "inventory_quantity", "quantity"),
    "image": ("image", "image_url"),
    "url": ("url", "link"),
}
"""Fields of a variant, with the names that they have in JSON."""


def _variant_source(column: str, item_id: str) -> Any:
    """Variants in JSON; one without an id has that of the product and its number."""

    def read(row: Row) -> Any:
        held = row[column]
        held = held if isinstance(held, list) else from_json(held)
        if not isinstance(held, list) or not all(isinstance(one, dict) for one in held):
            return held or None
        variants = []
        for place, given in enumerate(held, 1):
            found = {
                field: value
                for field, names in OF_VARIANT.items()
                if (value := next((given[n] for n in names if given.get(n) is not None), None))
                not in (None, "", [], {})
            }
            if not isinstance(found.get("options", {}), dict):
                del found["options"]
            if not found.keys() & {"id", "sku", "gtin"}:
                found["id"] = f"{row[item_id]}-{place}"
            variants.append(found)
        return variants

    return read


def _without_zero_price(values: dict[str, Any]) -> dict[str, Any]:
    """A line of an order without a price of 0: what is free is bought, too."""
    if "price" in values and number(values["price"]) == 0:
        return {name: value for name, value in values.items() if name != "price"}
    return values


def _list_source(field: str, column: str) -> Any:
    """The parts of a list in one cell."""

    def read(row: Row) -> list[str]:
        value = row[column]
        if isinstance(value, list):
            return [str(v) for v in value]
        text = str(value or "")
        if text.startswith("["):
            return shop_values.json_list(text) or [text]
        if field == "categories":
            return category_list(text)
        if field == "images":
            return (
                parts(text, "|")
                if "|" in text
                else parts(text.replace(", http", "\x00http"), "\x00")
            )
        separator = next((one for one in ("|", ";", ",") if one in text), "|")
        return parts(text, separator)

    return read


def category_list(text: str) -> list[str]:
    """Categories of one cell: a list of paths, by the marks that stand in it.

    A comma separates categories only beside paths, because names hold commas, too.
    """
    mark = ">" if ">" in text else "/" if SLASHED.search(text) else ""
    if not mark and "\n" in text:
        return paths([text], "\n")
    separators = ("|", ";", "\n", ",") if mark else ("|", ";")
    separator = next((one for one in separators if one in text), "|")
    return paths(parts(text, separator), mark or ">", ROOTS)


def generic_format(kind: str, mapping: dict[str, str], title: str = "") -> Format:
    """A format of one file by a mapping of its columns."""
    sources = _read(mapping)

    def read(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
        for row in rows_of(tables):
            values = row.filled(sources)
            yield kind, row.line, _without_zero_price(values) if kind == EVENTS else values

    columns = tuple(n for n in mapping if n != "item_id") if kind == PRODUCTS else ()
    return Format(
        f"generic_{kind}",
        title or f"a file of {kind}",
        {"rows": Signature()},
        read,
        (kind,),
        columns,
    )
