"""Search documents: the fields of a product, and their terms as the index holds them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.search.analysis import Analyzer, code_form, code_suffixes

TITLE, BRAND, CATEGORY, ATTRIBUTES = "title", "brand", "category", "attributes"
DESCRIPTION, CODE, WORD, KEY, DIGEST = "description", "code", "word", "key", "digest"
ITEM_ID = "item_id"
FIELD_WEIGHTS = {TITLE: 3.0, BRAND: 2.0, CATEGORY: 1.5, ATTRIBUTES: 1.0, DESCRIPTION: 1.0}
"""Weights of the BM25 scores of the text fields."""
CODE_WEIGHTS = {CODE: 1.0}
LONGEST_VALUE = 200
MOST_VALUES = 100
CODE_NAMES = frozenset(
    {"sku", "gtin", "ean", "ean13", "upc", "isbn", "asin", "mpn", "jan", "barcode", "model"}
    | {"model_number", "part_number", "part_no", "article_number", "manufacturer_number"}
)
"""Attributes whose values are codes of the product."""


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """One product as the index reads it.

    key: number that identifies it; item_id: the shop's own id of it, which another key may take
    over; digest: of its texts, so that unchanged products are skipped; codes: SKUs, GTINs, part
    numbers
    """

    key: int
    title: str
    brand: str = ""
    categories: Sequence[str] = ()
    attributes: Sequence[str] = ()
    description: str = ""
    codes: Sequence[str] = ()
    digest: int = 0
    item_id: str = ""


def document_of(
    key: int, title: str, attributes: Mapping[str, Any] | None = None, **fields: Any
) -> SearchDocument:
    """The document of a product, with the texts of its attributes (a JSON object)."""
    values, codes = attribute_texts(attributes or {})
    return SearchDocument(key, title, attributes=values, codes=codes, **fields)


def fields_of(analyzer: Analyzer, document: SearchDocument) -> tuple[dict[str, Any], set[str]]:
    """The document's fields as the engine takes them, and its distinct words."""
    texts = {
        TITLE: document.title,
        BRAND: document.brand,
        CATEGORY: " \n ".join(document.categories),
        ATTRIBUTES: " \n ".join(document.attributes),
    }
    fields: dict[str, Any] = {KEY: document.key, DIGEST: document.digest}
    if document.item_id:
        fields[ITEM_ID] = document.item_id
    shown: dict[str, None] = {}
    for name, text in texts.items():
        if text:
            fields[name] = " ".join(analyzer.document_terms(text))
            shown |= dict.fromkeys(analyzer.document_words(text))
    described: set[str] = set()
    if document.description:
        fields[DESCRIPTION] = " ".join(analyzer.document_terms(document.description))
        described = set(analyzer.document_words(document.description))
    if shown:
        fields[WORD] = " ".join(shown)
    if codes := codes_of(analyzer, document):
        fields[CODE] = " ".join(codes)
    words = {word for word in described | set(shown) if len(word) > 2 and word.isalpha()}
    return fields, words


def codes_of(analyzer: Analyzer, document: SearchDocument) -> list[str]:
    """Codes of a product in their joined forms, and from each of their parts on: its ids, and the
    codes in its title and attributes.
    """
    raw = [document.item_id, *document.codes]
    for text in (document.title, *document.attributes):
        chunks = analyzer.chunks(text)
        raw += [text[c.begin : c.end] for c in chunks if c.is_code]
    out: dict[str, None] = {}
    for code in raw:
        if whole := code_form(code):
            out |= dict.fromkeys([whole, *code_suffixes(code)])
    return list(out)


def attribute_texts(attributes: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(texts of the values, those that are codes). Nested values count; long texts are left out."""
    values: list[str] = []
    codes: list[str] = []
    for name, value in attributes.items():
        texts = [text for text in _flat(value) if 0 < len(text) <= LONGEST_VALUE]
        values += texts
        if name.lower().replace("-", "_").replace(" ", "_") in CODE_NAMES:
            codes += texts
    return values[:MOST_VALUES], codes[:MOST_VALUES]


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _flat(one)
    elif isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{value:g}"
