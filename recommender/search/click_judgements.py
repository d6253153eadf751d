"""Judgments derived from clicks: relevance by a click model that knows the bias of positions."""

import hashlib
from datetime import timedelta

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from recommender.inference import search_metrics
from recommender.model_lifecycle.snapshot_export import shown_results
from recommender.models import Judgement, Shop
from recommender.search.query_log import normalized

DAYS, MOST_RESULTS = 90, 50_000
"""Latest results that are read."""
FEWEST_LOOKS = 5.0
"""Expected looks at a product of a query, below which its clicks say too little."""
HIGHEST = 3
"""Grade of the most relevant products, where no judgment is given; else that of the given ones."""
WRITTEN = 5_000


def derive_judgements(shop: Shop) -> int:
    """Replace the shop's judgments that are derived from clicks; returns their number.

    Pairs of a query and a product with a given judgment are left out.
    """
    since = timezone.now() - timedelta(days=DAYS)
    highest = shop.judgements.filter(origin=Judgement.GIVEN).aggregate(most=Max("grade"))["most"]
    relevance = search_metrics.relevance_by_clicks(shown_results(shop, since, MOST_RESULTS))
    own = shop.judgements.filter(origin=Judgement.CLICKS)
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)  # one at a time
        own.delete()
        given = {
            (normalized(query), item_id)
            for query, item_id in shop.judgements.values_list("query", "item_id")
        }
        rows = [
            Judgement(
                shop=shop,
                judgement_id=f"clicks-{_digest(query, item_id)}",
                query=query,
                item_id=item_id,
                grade=round((highest or HIGHEST) * share),
                origin=Judgement.CLICKS,
            )
            for (query, item_id), (share, looks) in relevance.items()
            if looks >= FEWEST_LOOKS and (query, item_id) not in given
        ]
        Judgement.objects.bulk_create(rows, batch_size=WRITTEN)
    return len(rows)


def _digest(query: str, item_id: str) -> str:
    return hashlib.sha256(f"{query}\x1f{item_id}".encode("utf-8", "replace")).hexdigest()[:32]
