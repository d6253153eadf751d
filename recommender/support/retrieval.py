"""Retrieval of passages that answer a question, with a calibrated confidence."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from recommender.inference import passage_encoder, search_engine
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.inference.search_engine import Found, IndexReader, ShopWords
from recommender.inference.search_index import IndexNotReady
from recommender.infrastructure import process_caches
from recommender.models import ModelVersion, Passage, Shop
from recommender.models.eligibility import published
from recommender.serving.shop_state import state_of
from recommender.support.passage_index import PART

CANDIDATES = 20
QUOTED = 3
"""Passages that one answer quotes at most."""
FIRST_UNSPACED = 0x0E00
"""First character of the scripts that are written without blanks."""
NEAR = 0.05
"""Cosine below the best passage down to which others are quoted, too."""


@dataclass(frozen=True)
class Retrieved:
    """Passages for a question, best first; confidence: probability that the best one answers."""

    passages: list[Passage]
    confidence: float


def retrieve(
    shop: Shop, question: str, item_id: str = "", blocked: Iterable[str] = ()
) -> Retrieved:
    """The passages that answer a question best, without those with a blocked word. On the page of
    a product, passages of other products are left out.
    """
    part = state_of(shop).parts[PART]
    try:
        index = part.read()
    except IndexNotReady:
        return Retrieved([], 0.0)
    vectors, folder = part.vectors()
    encoder = _encoder(folder) if vectors is not None else None
    plan = search_engine.plan_of(index, question, _words(index))
    found = {one.key: one for one in _find(index, plan, encoder, vectors, None)}
    if item_id:
        keys = Passage.objects.of(shop).filter(item_id=item_id).values_list("pk", flat=True)
        found |= {one.key: one for one in _find(index, plan, encoder, vectors, sorted(keys))}
    rows = _shown(shop, list(found))
    patterns = [blocked_pattern(word) for word in blocked]
    ranked = [
        (one, rows[key])
        for key, one in found.items()
        if key in rows
        and (not item_id or rows[key].item_id in ("", item_id))
        and not any(pattern.search(_all_text(rows[key])) for pattern in patterns)
    ]
    return _confident(shop, folder, _by_cosine(ranked))


def _shown(shop: Shop, keys: list[int]) -> dict[int, Passage]:
    """The passages by primary key, without those of products that are not published."""
    rows = Passage.objects.of(shop).defer("vector").in_bulk(keys)
    items = {row.item_id for row in rows.values() if row.item_id}
    shown = shop.products.filter(published(), item_id__in=items)
    known = {"", *shown.values_list("item_id", flat=True)}
    return {pk: row for pk, row in rows.items() if row.item_id in known}


def _by_cosine(ranked: list[tuple[Found, Passage]]) -> list[tuple[Found, Passage]]:
    """The passages by cosine, without those that have no vector yet; where none has, by words."""
    known = [pair for pair in ranked if pair[0].semantic is not None]
    return sorted(known, key=lambda pair: -pair[0].semantic) if known else ranked


@lru_cache(maxsize=1024)
def blocked_pattern(word: str) -> re.Pattern:
    """Finds a blocked word in any capitals; one of letters and digits as a whole word, except in
    scripts without blanks.
    """
    is_spaced = word.replace(" ", "").isalnum() and all(ord(c) < FIRST_UNSPACED for c in word)
    edge = r"\b" if is_spaced else ""
    return re.compile(f"{edge}{re.escape(word)}{edge}", re.IGNORECASE)


def _confident(shop: Shop, folder: str, ranked: list[tuple[Found, Passage]]) -> Retrieved:
    if not ranked or ranked[0][0].semantic is None:
        return Retrieved([row for _, row in ranked[:QUOTED]], 0.0)
    best, passage = ranked[0]
    source = (passage.kind, passage.source_id)
    others = [one.semantic for one, row in ranked if (row.kind, row.source_id) != source]
    lead = best.semantic - max((other for other in others if other is not None), default=0.0)
    quoted = [row for one, row in ranked[:QUOTED] if best.semantic - one.semantic <= NEAR]
    fitted = _fitted(shop.pk, folder)
    return Retrieved(quoted, passage_encoder.confidence(fitted, best.semantic, lead))


def _find(
    index: IndexReader, plan: Any, encoder: Any, vectors: Any, keys: list[int] | None
) -> list[Found]:
    if keys is not None and not keys:
        return []
    eligible = None
    if keys is not None:
        eligible = search_engine.keys_among(keys, len(index))
    return search_engine.find(index, plan, encoder, vectors, eligible, CANDIDATES).products[
        :CANDIDATES
    ]


def _encoder(folder: str) -> Any:
    try:
        return passage_encoder.encoder_of(folder)
    except BrokenCheckpoint:
        return None


@lru_cache(maxsize=64)
def _fitted(shop_id: int, folder: str) -> dict[str, float] | None:
    """Coefficients of the confidence in the report of the version with this folder."""
    version = ModelVersion.objects.filter(shop=shop_id, folder=folder).first()
    return (version.report or {}).get("confidence") if version is not None else None


process_caches.register(_fitted.cache_clear)


@lru_cache(maxsize=16)
def _words(index: IndexReader) -> ShopWords:
    """The usual stop words of the index's languages."""
    return search_engine.wording_of(index, (), None)


def _all_text(passage: Passage) -> str:
    return f"{passage.title} {passage.text}"
