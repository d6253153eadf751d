"""Labels: persons judge clauses, the least sure first; the judge learns from them."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from recommender.console.pages import need, open_shop, page
from recommender.models.opinions import JUDGED, Polarity
from recommender.reviews import opinions
from recommender.reviews.labels import label_clause, least_sure

MOST = 20
MAY_LABEL = "recommender.add_opinionlabel"


def labels(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_opinion")
    names = opinions.topic_names(shop)
    rows = [
        {"quote": quote, "name": names.get(quote.opinion.topic, quote.opinion.topic)}
        for quote in least_sure(shop, MOST)
    ]
    count = shop.opinion_labels.count()
    return page(
        request,
        shop,
        "labels/labels",
        "Labels",
        sentence=f"Clauses to label next, the least sure first: {len(rows)}. Labels: {count:,}."
        if rows
        else f"There is no clause to label. Labels: {count:,}.",
        rows=rows,
        topics=names.items(),
        polarities=[(key, Polarity(key).label) for key in JUDGED],
        may_label=request.user.has_perm(MAY_LABEL),
        count=count,
    )


@require_POST
def save_label(request: HttpRequest, shop: str) -> HttpResponse:
    """Store one label; the page sends each as it is given."""
    shop = open_shop(request, shop)
    need(request, MAY_LABEL)
    try:
        sent = json.loads(request.body)
        pk, topic, polarity = sent["opinion"], sent["topic"], sent["polarity"]
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "opinion, topic and polarity are required"}, status=400)
    if topic not in opinions.topic_names(shop):
        return JsonResponse({"error": "there is no such topic"}, status=400)
    if type(polarity) is not int or polarity not in JUDGED:
        return JsonResponse({"error": "polarity must be -1, 0 or 1"}, status=400)
    is_number = type(pk) is int and 0 < pk < 2**63
    opinion = shop.opinions.filter(pk=pk).first() if is_number else None
    if opinion is None:
        return JsonResponse({"error": "this clause was judged again; load the page"}, status=400)
    label_clause(shop, opinion, topic, polarity, request.user)
    return JsonResponse({"topic": topic, "polarity": polarity})
