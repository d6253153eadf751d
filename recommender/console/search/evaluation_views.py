"""Two configurations of search in figures, on judged queries; upload of judgments."""

from pathlib import Path

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from recommender.console.pages import need, open_shop, page
from recommender.console.search.configurations import choices_of, chosen, chosen_set
from recommender.console.search.uploads import LARGEST_FILE, uploaded
from recommender.inference.search_index import IndexNotReady
from recommender.ingest import Parser, upsert_labelled
from recommender.ingest.files import FileError, read_rows
from recommender.ingest.judgements import (
    COLUMNS,
    QRELS,
    columns_in,
    is_qrels,
    judged_rows,
    qrels_rows,
    read_topics,
)
from recommender.models import EvaluationQuerySet, Shop
from recommender.search.evaluation import Evaluated, evaluate, judged_queries

MEASURES = {
    "ndcg@10": ("NDCG@10", "whole catalog; products without a judgment are worth nothing"),
    "judged_ndcg@10": ("NDCG@10, judged", "products without a judgment are left out"),
    "map": ("MAP", "mean average precision"),
    "mrr": ("MRR", "mean reciprocal rank of the first relevant product"),
    "precision@10": ("Precision@10", "relevant products among the first 10"),
    "recall@50": ("Recall@50", "products of the highest grade among the first 50"),
    "found": ("With a result", "queries that find anything"),
}
MOST_QUERIES = 200
"""Queries that are measured while the page loads; of more, these are spread over all."""
FEWEST_QUERIES = 10
"""Of fewer queries a bootstrap interval is too narrow to call a difference significant."""
ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".gz", *QRELS)


@require_http_methods(["GET", "POST"])
def evaluation(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_judgement")
    notice, problem = "", ""
    if request.method == "POST":
        need(request, "recommender.add_judgement")
        notice, problem = _upload(request, shop)
    choices = choices_of(shop)
    first, second = chosen(request, choices, "a", "live"), chosen(request, choices, "b", "words")
    judgements = shop.judgements.count()
    queries = shop.judgements.folded().values("folded").distinct().count()
    query_set = chosen_set(request, shop)
    context = {
        "sentence": f"{judgements:,} judgments of {queries:,} queries."
        if judgements
        else "No query is judged yet. Upload judgments, or grade results by hand.",
        "choices": choices,
        "sets": shop.query_sets.defer("queries"),
        "unknown": _of_unknown_products(shop),
        "query_set": query_set,
        "a": first,
        "b": second,
        "judgements": judgements,
        "notice": notice,
        "fewest_queries": FEWEST_QUERIES,
        "largest_file": LARGEST_FILE,
        "problem": problem,
    }
    if (judgements or query_set) and ("a" in request.GET or query_set):
        try:
            context |= _measured(shop, choices, first, second, query_set)
        except IndexNotReady as error:
            context["problem"] = f"{error}. Try again in a moment."
    return page(request, shop, "search/evaluation", "Search in figures", **context)


def _of_unknown_products(shop: Shop) -> int:
    """Judgments of products that the shop does not have."""
    known = shop.products.filter(item_id=OuterRef("item_id"))
    return shop.judgements.filter(~Exists(known)).count()


def _measured(
    shop: Shop, choices: dict, first: str, second: str, query_set: EvaluationQuerySet | None
) -> dict:
    judged = judged_queries(shop, MOST_QUERIES, query_set and query_set.queries)
    one, other = (evaluate(shop, judged, choices[key][1]) for key in (first, second))
    return {
        "rows": [_row(name, one, other) for name in MEASURES],
        "chart": _scatter(one, other, choices[first][0], choices[second][0]),
        "measured": len(judged),
        "with_judgements": sum(bool(grades) for grades in judged.values()),
        "worst": _worst(one, other),
    }


def _row(name: str, one: Evaluated, other: Evaluated) -> dict:
    title, meaning = MEASURES[name]
    gains = [a - b for a, b in zip(one.values[name], other.values[name], strict=True)]
    row: dict = {"title": title, "meaning": meaning, "outcome": "not judged"}
    if all(gain != gain for gain in gains):  # nan: no query has a relevant product
        return row
    difference = Evaluated([], {name: gains}).interval(name)
    _, low, high = difference
    outcome = "better" if low > 0 else "worse" if high < 0 else "not significant"
    if sum(gain == gain for gain in gains) < FEWEST_QUERIES:
        outcome = "too few queries"
    intervals = {"a": one.interval(name), "b": other.interval(name), "difference": difference}
    return row | intervals | {"outcome": outcome}


def _scatter(one: Evaluated, other: Evaluated, left: str, right: str) -> dict:
    points = [
        {"x": round(a, 4), "y": round(b, 4), "name": query}
        for query, a, b in zip(
            one.queries, one.values["ndcg@10"], other.values["ndcg@10"], strict=True
        )
        if a == a and b == b
    ]
    return {
        "caption": "NDCG@10 of each query",
        "alt": f"NDCG@10 of each query, left against right, for {len(points)} queries",
        "x": left,
        "y": right,
        "unit": True,
        "empty": "" if points else "No query has a relevant product.",
        "series": [{"role": "champion", "label": "query", "data": points}],
    }


def _worst(one: Evaluated, other: Evaluated, most: int = 10) -> list[tuple[str, float, float]]:
    """(query, left, right) of the queries that differ most in NDCG@10."""
    rows = [
        (query, a, b)
        for query, a, b in zip(
            one.queries, one.values["ndcg@10"], other.values["ndcg@10"], strict=True
        )
        if a == a and b == b and a != b
    ]
    return sorted(rows, key=lambda row: (-abs(row[1] - row[2]), row[0]))[:most]


def _upload(request: HttpRequest, shop: Shop) -> tuple[str, str]:
    """(what was taken, what is wrong) of an uploaded file of judgments."""
    try:
        with uploaded(request, "file", ENDINGS, "import_judgements") as path:
            return _taken(request, shop, path)
    except FileError as error:
        return "", f"{error}."


def _taken(request: HttpRequest, shop: Shop, path: Path) -> tuple[str, str]:
    if is_qrels(path):
        rows, columns = list(qrels_rows(path, _topics(request))), ["query", "item_id", "grade"]
    else:
        rows = list(judged_rows(read_rows(path)))
        columns = columns_in({name for _, row in rows for name in row if name})
    missing = [name for name in ("query", "item_id", "grade") if name not in columns]
    if missing:
        return "", f"{path.name} has no column for {', '.join(missing)} ({', '.join(COLUMNS)})."
    report = upsert_labelled("judgements", shop, rows, columns, Parser(shop.zone))
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in report.reasons()[:3])
    return f"{path.name}: {report}.", f"Rejected: {reasons}." if reasons else ""


def _topics(request: HttpRequest) -> dict[str, str] | None:
    if "topics" not in request.FILES:
        return None
    with uploaded(request, "topics") as path:
        return read_topics(path)
