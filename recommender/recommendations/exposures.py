"""Records exposures: which lists went out, to whom, at which positions."""

import orjson
from django.utils import timezone

from recommender.models import Shop
from recommender.recommendations.precomputed.lists import RenderedItems
from recommender.recommendations.requests import ListRequest, ListResult
from recommender.serving.exposure_log import Exposure, exposure_buffer
from recommender.serving.items import exposure_row


def record(shop: Shop, request: ListRequest, result: ListResult, simulated: bool = False) -> None:
    """Put a list that goes out into the exposure log, unless sampling leaves it out."""
    exposure_buffer.put(lambda: _exposure(shop, request, result, simulated))


def _exposure(shop: Shop, request: ListRequest, result: ListResult, simulated: bool) -> Exposure:
    if isinstance(result.items, RenderedItems):
        items = result.items.exposures()
    else:
        items = orjson.dumps([exposure_row(item) for item in result.items]).decode()
    return Exposure(
        shop=shop.pk,
        recommendation_id=result.recommendation_id,
        placement=request.placement.key if request.placement else "",
        version=result.version.pk if result.version else None,
        shopper=result.shopper_id,
        session_id=None if result.fallback == "no_consent" else request.session_id,
        first_position=len(request.shown) + 1,
        items=items,
        fallback=result.fallback or "",
        experiment=request.arm.label if result.arm_of(request) else "",
        simulated=simulated,
        created_at=timezone.now(),
    )
