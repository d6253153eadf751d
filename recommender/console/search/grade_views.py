"""Grading of results by hand: one query, its best products, a key per grade."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from recommender.console.pages import need, open_shop, page
from recommender.console.search.configurations import chosen_set
from recommender.inference.search_index import IndexNotReady
from recommender.ingest import Parser, upsert_labelled
from recommender.ingest.parsing import is_text
from recommender.models import EvaluationQuerySet, Judgement, Shop
from recommender.models.search_queries import LONGEST_QUERY
from recommender.search.configurations import LIVE, NAMED
from recommender.search.evaluation import hits_of
from recommender.search.query_sets import QueryError, query_text

GRADES = {3: "perfect", 2: "good", 1: "related", 0: "wrong"}
POOLED = 10
"""Best products of each configuration that are pooled for a query."""
SUGGESTED = 12


def grade(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.add_judgement")
    query = request.GET.get("q", "").replace("\x00", "").strip()[:LONGEST_QUERY]
    query_set = chosen_set(request, shop)
    waiting = _waiting_of(shop, query_set) if query_set else _waiting(shop)
    query = query or (waiting[0] if waiting else "")
    try:
        products = _pool(shop, query) if query else []
        problem = ""
    except IndexNotReady as error:
        products, problem = [], f"{error}. Try again in a moment."
    return page(
        request,
        shop,
        "search/grade",
        "Grade results",
        sentence=_sentence(query, products),
        query=query,
        query_set=query_set,
        products=products,
        problem=problem,
        grades=GRADES,
        waiting=[one for one in waiting if one != query][:SUGGESTED],
    )


def _sentence(query: str, products: list[dict]) -> str:
    if not query:
        return "Type a query to grade its results."
    left = sum(product["grade"] is None for product in products)
    if not products:
        return f"Nothing is found for “{query}”."
    if not left:
        return f"All {len(products)} products are graded for “{query}”."
    return f"{left} of {len(products)} products are not graded yet for “{query}”."


def _waiting_of(shop: Shop, query_set: EvaluationQuerySet) -> list[str]:
    """The first queries of a query set without a given judgment."""
    given = shop.judgements.of_queries(query_set.queries).filter(origin=Judgement.GIVEN)
    judged = set(given.values_list("folded", flat=True))
    return [query for query in query_set.queries if query.lower() not in judged][: SUGGESTED + 1]


def _waiting(shop: Shop) -> list[str]:
    """The most frequent queries without a given judgment."""
    rows = shop.queries.raw(
        """
        SELECT min(q.id) AS id, q.normalized FROM recommender_searchquery q
        WHERE q.shop_id = %s AND NOT q.simulated AND q.created_at > now() - interval '90 days'
            AND NOT EXISTS (SELECT FROM recommender_judgement j WHERE j.shop_id = q.shop_id
                AND lower(j.query) = q.normalized AND j.origin = 'given')
        GROUP BY q.normalized ORDER BY count(*) DESC, q.normalized LIMIT %s""",
        [shop.pk, SUGGESTED + 1],
    )
    return [row.normalized for row in rows]


def _pool(shop: Shop, query: str) -> list[dict]:
    """The best products by the live configuration and by words, with the grades they have.

    Their order is by id, so that no place suggests a grade.
    """
    hits = {}
    for configuration in (LIVE, NAMED["words"][1]):
        for hit in hits_of(shop, query, configuration, POOLED):
            hits.setdefault(hit.item_id, hit)
    given = shop.judgements.of_queries([query]).filter(origin=Judgement.GIVEN)
    grades = dict(given.values_list("item_id", "grade"))
    found = shop.products.filter(item_id__in=list(hits))
    about = {product.item_id: product for product in found}
    return [
        {
            "item_id": item_id,
            "title": hits[item_id].title,
            "description": about[item_id].description[:300] if item_id in about else "",
            "price": about[item_id].price_in_force if item_id in about else None,
            "grade": grades.get(item_id),
        }
        for item_id in sorted(hits)
    ]


@require_POST
def save_grade(request: HttpRequest, shop: str) -> HttpResponse:
    """Store one grade; the page sends each as it is given."""
    shop = open_shop(request, shop)
    need(request, "recommender.add_judgement")
    try:
        sent = json.loads(request.body)
        query, item_id, given = sent["query"], sent["item_id"], sent["grade"]
        query = query_text(query)
    except QueryError as error:
        return JsonResponse({"error": f"query {error}"}, status=400)
    except (ValueError, KeyError, TypeError, AttributeError):
        return JsonResponse({"error": "query, item_id and grade are required"}, status=400)
    if type(given) is not int or given not in GRADES:
        return JsonResponse({"error": "grade must be 0, 1, 2 or 3"}, status=400)
    if not query or not isinstance(item_id, str) or not is_text(item_id):
        return JsonResponse({"error": "query and item_id must be texts"}, status=400)
    if not shop.products.filter(item_id=item_id).exists():
        return JsonResponse({"error": f"there is no product {item_id}"}, status=400)
    of_pair = shop.judgements.of_queries([query]).filter(item_id=item_id)
    of_pair.filter(origin=Judgement.CLICKS).delete()
    changed = of_pair.update(grade=given)
    if not changed:
        row = {"query": query, "item_id": item_id, "grade": given}
        report = upsert_labelled(
            "judgements", shop, [(1, row)], ["query", "item_id", "grade"], Parser(shop.zone)
        )
        if report.errors:
            return JsonResponse({"error": report.errors[0].message}, status=400)
    return JsonResponse({"grade": given})
