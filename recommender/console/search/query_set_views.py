"""Query sets: sampled from the query log, or uploaded; judgments derived from clicks."""

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from recommender.console.pages import delete_audited, need, open_shop, page
from recommender.console.search.uploads import LARGEST_FILE, uploaded
from recommender.ingest.files import FileError
from recommender.models import AuditEntry, EvaluationQuerySet, Judgement, Shop
from recommender.search.click_judgements import DAYS, FEWEST_LOOKS, derive_judgements
from recommender.search.query_sets import MOST_QUERIES, read_queries, sampled_queries

USUAL_SIZE, USUAL_DAYS, MOST_DAYS = 200, 28, 120
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
ENDINGS = (".txt", ".parquet", *TABLES, *(f"{name}.gz" for name in TABLES))


@require_http_methods(["GET", "POST"])
def query_sets(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_evaluationqueryset")
    notice, problem = "", ""
    if request.method == "POST":
        need(request, "recommender.add_evaluationqueryset")
        notice, problem = _added(request, shop)
    rows = [_row(shop, one) for one in shop.query_sets.all()]
    derived = shop.judgements.filter(origin=Judgement.CLICKS).count()
    return page(
        request,
        shop,
        "search/query_sets",
        "Query sets",
        sentence=f"Query sets: {len(rows)}. Judgments derived from clicks: {derived:,}.",
        rows=rows,
        notice=notice,
        problem=problem,
        given=request.POST if problem else {},
        largest_file=LARGEST_FILE,
        usual_size=USUAL_SIZE,
        usual_days=USUAL_DAYS,
        most_queries=MOST_QUERIES,
        most_days=MOST_DAYS,
        derived_days=DAYS,
        fewest_looks=f"{FEWEST_LOOKS:g}",
    )


def _row(shop: Shop, one: EvaluationQuerySet) -> dict:
    judged = shop.judgements.of_queries(one.queries)
    return {
        "set": one,
        "queries": len({query.lower() for query in one.queries}),
        "judged": judged.aggregate(n=Count("folded", distinct=True))["n"],
    }


def _added(request: HttpRequest, shop: Shop) -> tuple[str, str]:
    """(what was added, what is wrong)."""
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())
    if not 0 < len(name) <= 100:
        return "", "A query set needs a name of at most 100 characters."
    try:
        queries, origin = _sampled(request, shop) if "size" in request.POST else _read(request)
    except (FileError, ValueError) as error:
        return "", f"{error}."
    row = EvaluationQuerySet(
        shop=shop, name=name, origin=origin, queries=queries, created_by=request.user
    )
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return "", f"There is a query set {name} already."
    noun = "query" if len(queries) == 1 else "queries"
    return f"{name}: {len(queries):,} {noun}.", ""


def _sampled(request: HttpRequest, shop: Shop) -> tuple[list[str], str]:
    """(queries, their origin). Raises ValueError."""
    numbers = {}
    fields = (("size", "Queries", MOST_QUERIES), ("days", "Days", MOST_DAYS))
    for field, label, most in fields:
        text = request.POST.get(field, "")
        if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
            raise ValueError(f"{label} must be a number from 1 to {most:,}")
        numbers[field] = int(text)
    queries = sampled_queries(shop, numbers["size"], numbers["days"])
    if not queries:
        raise ValueError(f"there were no searches in the last {numbers['days']} days")
    return queries, f"sampled by frequency from {numbers['days']} days"


def _read(request: HttpRequest) -> tuple[list[str], str]:
    """(queries, their origin). Raises FileError."""
    with uploaded(request, "file", ENDINGS) as path:
        return read_queries(path), path.name[:200]


@require_POST
def delete_query_set(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.delete_evaluationqueryset")
    row = get_object_or_404(shop.query_sets, pk=pk)
    delete_audited(request, row, "Query set")
    return HttpResponseRedirect(reverse("admin:search_sets", args=[shop.key]))


@require_POST
def derive_from_clicks(request: HttpRequest, shop: str) -> HttpResponse:
    """Derive judgments from the clicks on search results, in place of the earlier ones."""
    shop = open_shop(request, shop)
    need(request, "recommender.add_judgement")
    derived = derive_judgements(shop)
    AuditEntry.objects.note(
        shop, request.user, AuditEntry.CHANGED, "Judgments from clicks", "", f"{derived:,}"
    )
    return HttpResponseRedirect(reverse("admin:search_sets", args=[shop.key]))
