"""Product feeds of Google Merchant Center, Facebook, Criteo and others that follow them."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, one_by_one, without_free_sale
from recommender.ingest.connectors.core import Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.values import parts, paths, prefixed

OPTIONS = ("color", "colour", "size", "material", "pattern")
FACTS = ("gender", "age_group", "mpn", *(f"custom_label_{n}" for n in range(5)))
"""Fields of a feed that become attributes, beside the options."""
FACTS_AND_OPTIONS = (*OPTIONS, *FACTS)
SHARED_WORDS = 0.5
"""Part of a title that variants of a product have in common."""


def flat(value: Any) -> Any:
    """The text of an element; of one that is repeated, the first."""
    if type(value) is str or value is None:
        return value
    value = value[0] if isinstance(value, list) and value else value
    return value.get("text") if isinstance(value, dict) else value


def _categories(row: Row) -> list[str]:
    """The shop's own paths, else Google's, which may be a number."""
    own = row.first("product_type", "category", "categories")
    own = own if isinstance(own, list) else [own] if own else []
    if not own:
        google = flat(row["google_product_category"])
        own = [google] if google and not str(google).isdigit() else []
    return paths(str(flat(one)).replace("&gt;", ">") for one in own)


def _images(row: Row) -> list[str]:
    first = row.first("image_link", "image", "image_url")
    more = row["additional_image_link"]
    more = parts(more) if isinstance(more, str) else (more or [])
    return list(dict.fromkeys(str(one) for one in [flat(first), *more] if one))


def _sale_dates(place: int) -> Any:
    """Begin or end of a sale: 2026-03-01T13:00-0800/2026-03-11T15:30-0800."""

    def read(row: Row) -> str | None:
        period = str(flat(row["sale_price_effective_date"]) or "").split("/")
        return (period[place].strip() or None) if len(period) == 2 else None

    return read


def _attributes(row: Row) -> dict[str, Any]:
    names, data = row.names, row.data
    present = (name for name in FACTS_AND_OPTIONS if names[name] in data)
    return {name: value for name in present if (value := flat(row[name]))}


def _options(row: Row) -> dict[str, str]:
    values = {name: flat(row[name]) for name in OPTIONS}
    return {name: str(value) for name, value in values.items() if value}


def _by_group(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Variants of one item_group_id together; the others one by one.

    A group whose titles have little in common is no group of variants, but a category.
    """
    for rows in grouped(rows_of(tables), lambda row: flat(row["item_group_id"])):
        if len(rows) > 1 and not _are_variants([str(flat(r["title"]) or "") for r in rows]):
            reading.note(
                "item_group_id joins products with different titles: it is not used",
                flat(rows[0]["item_group_id"]),
            )
            yield from ([row] for row in rows)
        else:
            yield rows


def _common_begin(titles: list[list[str]]) -> list[str]:
    """The words with which all titles begin."""
    places = zip(*titles, strict=False)
    return [words[0] for words in takewhile(lambda words: len(set(words)) == 1, places)]


def _are_variants(titles: list[str]) -> bool:
    """True where the titles share their first words, or most of them."""
    words = [title.casefold().split() for title in titles]
    begin = _common_begin(words)
    common = set.intersection(*map(set, words))
    longest = max(map(len, words))
    return max(len(begin), len(common)) >= SHARED_WORDS * longest


def _is_group(rows: list[Row]) -> bool:
    return len(rows) > 1


def _checked(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """A product of several variants has the id of its group; one alone its own."""
    product = without_free_sale(_flat_fields(product))
    group = flat(rows[0]["item_group_id"])
    if not _is_group(rows):
        product.pop("variants", None)
        return product
    variants = [without_free_sale(_flat_fields(one)) for one in product["variants"]]
    ids = {str(one["id"]) for one in variants}
    title = _common_title([str(flat(row["title"]) or "") for row in rows])
    attributes = dict(product.get("attributes", {}))
    for name in OPTIONS:
        values = [v["options"][name] for v in variants if name in v.get("options", {})]
        if len(set(values)) > 1:
            attributes[name] = list(dict.fromkeys(values))
    return {
        **{n: v for n, v in product.items() if n != "gtin"},
        "item_id": f"group:{group}" if group in ids else group,
        "title": title,
        "attributes": attributes,
        "variants": variants,
    }


def _flat_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the text of elements that are repeated or have attributes."""
    for name, value in fields.items():
        if type(value) is not str and name in FEED:
            fields[name] = flat(value)
    return fields


def _common_title(titles: list[str]) -> str:
    """The words with which all titles begin, else the first title."""
    begin = _common_begin([title.split() for title in titles])
    text = " ".join(begin).rstrip(" -–,|/(")
    return text if len(text) > 2 else titles[0]


FEED = {
    "id": ("id", "uniqueid", "product_id"),
    "title": ("title", "name"),
    "description": "description",
    "brand": ("brand", "manufacturer"),
    "url": ("link", "url", "product_url"),
    "gtin": ("gtin", "ean", "barcode"),
    "condition": "condition",
    "price": ("price", "price_with_vat"),
    "sale_price": "sale_price",
    "sale_from": _sale_dates(0),
    "sale_until": _sale_dates(1),
    "stock_state": ("availability", "stock_status", "instock"),
    "available_from": "availability_date",
    "available_until": "expiration_date",
}
IN_VARIANT = ("id", "gtin", "price", "sale_price", "stock_state", "url")
FACTS_OF_PRODUCT = {n: s for n, s in FEED.items() if n not in ("id", "available_from")}
GOOGLE = catalog(
    "google_feed",
    "Google Merchant feed",
    Signature(
        ("id", "title"),
        ("image_link", "google_product_category", "additional_image_link", "price_with_vat"),
    ),
    Catalog(
        _by_group,
        {
            "item_id": FEED["id"],
            **FACTS_OF_PRODUCT,
            "categories": _categories,
            "images": _images,
            "attributes": _attributes,
        },
        {
            **{name: FEED[name] for name in IN_VARIANT},
            "options": _options,
            "image": lambda row: next(iter(_images(row)), None),
        },
        is_variant=lambda row: row["item_group_id"] is not None,
        check=_checked,
    ),
)


def _skroutz_state(row: Row) -> Any:
    word = str(flat(row["instock"]) or "").casefold()
    return {"y": "in_stock", "n": "out_of_stock"}.get(word, flat(row["availability"]))


def _variation_list(row: Row) -> list[dict[str, Any]]:
    """Variations below a product: <variations><variation>…"""
    held = row["variations"]
    found = held.get("variation") if isinstance(held, dict) else held
    return found if isinstance(found, list) else [found] if isinstance(found, dict) else []


def _with_variations(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    variants = []
    for n, one in enumerate(_variation_list(rows[0]), 1):
        variant = {
            "id": flat(one.get("variationid")) or prefixed(f"{product.get('item_id')}-", n),
            "gtin": flat(one.get("ean")),
            "options": {k: flat(one[k]) for k in ("size", "color") if flat(one.get(k))},
            "price": flat(one.get("price_with_vat")),
            "stock_quantity": flat(one.get("quantity")),
            "url": flat(one.get("link")),
        }
        variants.append({k: v for k, v in variant.items() if v not in (None, "", {})})
    product = _flat_fields(product)
    return {**product, "variants": variants} if variants else product


SKROUTZ = catalog(
    "skroutz_feed",
    "Skroutz feed",
    Signature(("name", "price_with_vat"), ("category", "image", "uniqueid", "id")),
    Catalog(
        one_by_one,
        {
            "item_id": FEED["id"],
            "title": FEED["title"],
            "description": FEED["description"],
            "brand": FEED["brand"],
            "url": FEED["url"],
            "gtin": FEED["gtin"],
            "price": FEED["price"],
            "stock_state": _skroutz_state,
            "stock_quantity": lambda row: flat(row["quantity"]),
            "categories": _categories,
            "images": lambda row: list(
                dict.fromkeys(
                    str(one)
                    for one in [
                        flat(row["image"]),
                        *(
                            row["additional_imageurl"]
                            if isinstance(row["additional_imageurl"], list)
                            else [row["additional_imageurl"]]
                        ),
                    ]
                    if one
                )
            ),
            "attributes": lambda row: {
                name: flat(row[name]) for name in ("color", "size", "mpn") if flat(row[name])
            },
        },
        has_variants=True,
        check=_with_variations,
    ),
)
FORMATS = (GOOGLE, SKROUTZ)
