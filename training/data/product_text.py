"""How a product becomes text, and texts become token batches without waste."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl


def product_texts(products: pl.DataFrame) -> list[str]:
    """One text per product: title, brand, the last part of each category path, description. Empty
    where nothing is known.

    Titles in capitals are lowered: uncased models read the same, cased ones read words again.
    """
    columns = [products[name].to_list() for name in ("title", "brand", "categories", "description")]
    return [product_text(*row) for row in zip(*columns, strict=True)]


def product_text(
    title: str | None, brand: str | None, categories: Sequence[str] | None, description: str | None
) -> str:
    """What the encoder reads of a product."""
    title = " ".join((title or "").split())
    parts = [title.lower() if title.isupper() else title]
    if brand:
        parts.append(brand)
    parts += [" ".join(path.split(" > ")[-2:]) for path in (categories or []) if path]
    if description:
        parts.append(" ".join(description.split()))
    return ". ".join(part for part in parts if part)


def text_digest(text: str) -> int:
    """64 bits that tell whether a product's text has changed; vectors cannot, since two
    wordings may have nearly the same.
    """
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )


def length_batches(lengths: np.ndarray, most_tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of like length, each at most `most_tokens` once padded to its
    longest row.
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
    """Row numbers in batches of one length, so that nothing is padded, each of at most
    `most_tokens`; at least one row.
    """
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(same):
            most = max(1, most_tokens // max(int(lengths[same[0]]), 1))
            yield from (same[i : i + most] for i in range(0, len(same), most))
