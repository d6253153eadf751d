"""Product texts, and batches of tokens with little padding."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl


def product_texts(products: pl.DataFrame) -> list[str]:
    """One text per product: title, brand, the last two levels of each category path, description.

    Empty where all are unknown. Titles in capitals become lower case: uncased models read both the
    same, cased models split capitals into more tokens.
    """
    columns = [products[name].to_list() for name in ("title", "brand", "categories", "description")]
    return [product_text(*row) for row in zip(*columns, strict=True)]


def title_texts(products: pl.DataFrame) -> list[str]:
    """The titles as the encoder reads them; empty where unknown."""
    return [product_text(title, None, None, None) for title in products["title"].to_list()]


def product_text(
    title: str | None, brand: str | None, categories: Sequence[str] | None, description: str | None
) -> str:
    """Text of one product as the encoder reads it: title, brand, the last two levels of each
    category path, description. Empty where all are unknown.
    """
    title = " ".join((title or "").split())
    parts = [title.lower() if title.isupper() else title]
    if brand:
        parts.append(brand)
    parts += [" ".join(path.split(" > ")[-2:]) for path in (categories or []) if path]
    if description:
        parts.append(" ".join(description.split()))
    return ". ".join(part for part in parts if part)


def text_digest(text: str) -> int:
    """64-bit hash of a product's text, for change detection. Vectors cannot serve for this:
    different texts can have nearly equal ones.
    """
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )


def length_batches(lengths: np.ndarray, most_tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length; each has at most `most_tokens` tokens after
    padding. lengths: (rows,) int.
    """
    order = np.argsort(lengths, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and lengths[order[end]] * (end + 1 - begin) <= most_tokens:
            end += 1
        yield order[begin:end]
        begin = end


def equal_lengths(lengths: np.ndarray, most_tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of equal length (no padding), each of at most `most_tokens` tokens and
    at least one row. lengths: (rows,) int.
    """
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(same):
            most = max(1, most_tokens // max(int(lengths[same[0]]), 1))
            yield from (same[i : i + most] for i in range(0, len(same), most))
