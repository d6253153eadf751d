"""Logs searches: the query, and the products that went out, to which clicks are attributed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.utils import timezone

from recommender.infrastructure import process_caches
from recommender.models import Shop
from recommender.models.search_queries import LONGEST_QUERY
from recommender.search.requests import SearchRequest, SearchResult
from recommender.serving.exposure_log import Exposure, RowBuffer, exposure_buffer

PLACEMENT, BROWSE, LIKE = "search", "browse", "like"
"""What the exposure log has as the placement of results with a query, without one, and of products
that are like another.
"""
INSERT = """
    INSERT INTO recommender_searchquery (shop_id, query_id, text, normalized, corrected, relaxed,
        filtered, first_position, total, shopper_id, session_id, weight, simulated, took_ms,
        created_at)
    SELECT r.shop, r.query_id, r.text, r.normalized, r.corrected, r.relaxed, r.filtered,
        r.first_position, r.total, s.id, r.session_id, r.weight, r.simulated, r.took_ms,
        r.created_at
    FROM jsonb_to_recordset(%s::jsonb) AS r (shop bigint, query_id text, text text,
        normalized text, corrected text, relaxed boolean, filtered boolean, first_position int,
        total int, shopper bigint, session_id text, weight float8, simulated boolean,
        took_ms float8, created_at timestamptz)
    JOIN recommender_shop h ON h.id = r.shop
    LEFT JOIN recommender_shopper s ON s.id = r.shopper
    WHERE r.shopper IS NULL OR s.id IS NOT NULL
    ORDER BY r.created_at"""


@dataclass(frozen=True)
class LoggedQuery:
    """A row of the query log before it is written."""

    shop: int
    query_id: str
    text: str
    normalized: str
    corrected: str
    relaxed: bool
    filtered: bool
    first_position: int
    total: int
    shopper: int | None
    session_id: str | None
    simulated: bool
    took_ms: float
    created_at: datetime

    def fields(self) -> dict[str, Any]:
        return dict(vars(self))


query_buffer = RowBuffer(INSERT, "searches")
process_caches.register(query_buffer.waiting.clear)


def normalized(text: str) -> str:
    """A query as it is counted: folded, with single blanks."""
    return " ".join(text.casefold().split())[:LONGEST_QUERY]


def _placement(request: SearchRequest) -> str:
    if request.like:
        return LIKE
    return PLACEMENT if request.query.strip() else BROWSE


def record(shop: Shop, request: SearchRequest, result: SearchResult, consents: bool) -> None:
    """Log a search that goes out. consents: else nothing that names the session."""
    now, session = timezone.now(), request.session_id if consents else None
    text = request.query.replace("\x00", " ")[:LONGEST_QUERY]

    def query() -> LoggedQuery:
        return LoggedQuery(
            shop.pk,
            result.query_id,
            text,
            normalized(text),
            result.corrected[:LONGEST_QUERY],
            bool(result.relaxed),
            bool(request.filter),
            request.offset + 1,
            result.total,
            result.shopper_id,
            session,
            request.simulated,
            result.took_ms,
            now,
        )

    def exposure() -> Exposure:
        items = [
            {"item_id": h.item_id, "source": [h.match], "reason": h.match} for h in result.hits
        ]
        return Exposure(
            shop=shop.pk,
            recommendation_id=result.query_id,
            placement=_placement(request),
            version=result.version.pk if result.version else None,
            shopper=result.shopper_id,
            session_id=session,
            first_position=min(request.offset + 1, 32_000),
            items=orjson.dumps(items).decode(),
            fallback="",
            simulated=request.simulated,
            created_at=now,
        )

    if request.query.strip():
        query_buffer.put(query)
    if result.hits:
        exposure_buffer.put(exposure)
