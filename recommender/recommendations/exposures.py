"""Records exposures: which lists went out, to whom, at which positions."""

import orjson
from django.utils import timezone

from recommender.models import Shop
from recommender.recommendations.precomputed.lists import ToldItems
from recommender.recommendations.requests import Ask, Listing
from recommender.serving.exposure_log import Served, outbox
from recommender.serving.items import kept_row


def record(shop: Shop, ask: Ask, listing: Listing, simulated: bool = False) -> None:
    """Remember that this list went out."""
    outbox.put(lambda: _served(shop, ask, listing, simulated))


def _served(shop: Shop, ask: Ask, listing: Listing, simulated: bool) -> Served:
    items = (
        listing.items.kept()
        if isinstance(listing.items, ToldItems)
        else orjson.dumps([kept_row(item) for item in listing.items]).decode()
    )
    placement, version = ask.placement, listing.version
    session_id = None if listing.fallback == "no_consent" else ask.session_id
    return Served(
        shop.pk,
        listing.recommendation_id,
        placement.key if placement else "",
        version.pk if version else None,
        listing.shopper_id,
        session_id,
        len(ask.shown) + 1,
        items,
        listing.fallback or "",
        simulated,
        timezone.now(),
    )
