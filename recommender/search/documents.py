"""Search documents of a shop's products, read from the database."""

import json
from collections.abc import Collection, Iterator

from django.db import connection

from recommender.inference.search_index import Document, document
from recommender.models import Shop

VERSION = 1
"""Part of each digest; another one indexes every product again."""
CHUNK = 2_000
CODES = """CASE WHEN variants = '[]' AND other_ids = '{}' AND gtin = '' THEN '{}'::text[]
    ELSE ARRAY(SELECT name FROM recommender_names_of(variants, other_ids, gtin)) END"""
"""SQL: the ids by which the outside names the product, such as the SKUs of its variants."""
TEXTS = (
    "item_id, title, brand, array_to_string(categories, E'\\x1f'), attributes::text, "
    "variants::text, other_ids::text, gtin"
)
DIGEST = f"hashtextextended(concat_ws(E'\\x1e', {TEXTS}, description), {VERSION})"
DIGESTS = f"SELECT id, {DIGEST} FROM recommender_product WHERE shop_id = %s"
DOCUMENTS = f"""
    SELECT id, {DIGEST}, item_id, title, brand, categories, attributes::text, description, {CODES}
    FROM recommender_product WHERE shop_id = %s"""
LOCALES = """
    SELECT lower(split_part(split_part(locale, '-', 1), '_', 1)) AS language, count(*) AS n
    FROM recommender_product WHERE shop_id = %s AND locale <> '' GROUP BY 1 ORDER BY n DESC, 1"""
HAN = """
    SELECT avg((title ~ '[一-鿿]')::int)
    FROM (SELECT title FROM recommender_product WHERE shop_id = %s LIMIT 1000) AS titles"""
USUAL_LANGUAGE = "en"


def digests_of(shop: Shop) -> Iterator[tuple[int, int]]:
    """(primary key, digest of the texts) of every product."""
    with connection.cursor() as cursor:
        cursor.execute(DIGESTS, [shop.pk])
        while rows := cursor.fetchmany(20_000):
            yield from rows


def all_documents(shop: Shop) -> Iterator[Document]:
    """Documents of every product, read in chunks by primary key."""
    behind = 0
    while True:
        with connection.cursor() as cursor:
            query = f"{DOCUMENTS} AND id > %s ORDER BY id LIMIT %s"
            cursor.execute(query, [shop.pk, behind, CHUNK])
            rows = cursor.fetchall()
        if not rows:
            return
        yield from map(_document, rows)
        behind = rows[-1][0]


def documents_of(shop: Shop, keys: Collection[int]) -> Iterator[Document]:
    """Documents of those of these products that exist, by primary key."""
    yield from _chosen(shop, "id", list(keys))


def documents_by_id(shop: Shop, item_ids: Collection[str]) -> Iterator[Document]:
    """Documents of those of these products that exist, by the shop's own ids."""
    yield from _chosen(shop, "item_id", list(item_ids))


def _chosen(shop: Shop, column: str, values: list) -> Iterator[Document]:
    for begin in range(0, len(values), CHUNK):
        with connection.cursor() as cursor:
            query = f"{DOCUMENTS} AND {column} = ANY(%s)"
            cursor.execute(query, [shop.pk, values[begin : begin + CHUNK]])
            rows = cursor.fetchall()
        yield from map(_document, rows)


def languages_of(shop: Shop) -> tuple[str, ...]:
    """The languages of the shop's texts: as set, else by its products, else English."""
    settings = getattr(shop, "search_settings", None)
    if settings is not None and settings.languages:
        return tuple(settings.languages)
    with connection.cursor() as cursor:
        cursor.execute(LOCALES, [shop.pk])
        locales = [language for language, _ in cursor.fetchall() if language]
        if locales:
            return tuple(locales[:3])
        cursor.execute(HAN, [shop.pk])
        (han,) = cursor.fetchone()
    return ("zh", USUAL_LANGUAGE) if han is not None and han > 0.5 else (USUAL_LANGUAGE,)


def _document(row: tuple) -> Document:
    key, digest, item_id, title, brand, categories, attributes, description, codes = row
    attributes = json.loads(attributes)
    return document(
        key,
        title,
        brand=brand,
        categories=categories,
        attributes=attributes | {"codes": codes} if codes else attributes,
        description=description,
        item_id=item_id,
        digest=digest,
    )
