"""Evaluation of search on judged queries: ranked lists of a configuration, and their metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, When

from recommender.inference import search_metrics
from recommender.models import Judgement, Shop
from recommender.search.configurations import Configuration
from recommender.search.requests import Hit, SearchRequest
from recommender.search.search import preview

MOST_HITS = 100
_GIVEN_LAST = Case(When(origin=Judgement.GIVEN, then=1), default=0)
"""So that a given judgment replaces one that is derived from clicks."""


@dataclass(frozen=True)
class Evaluated:
    """Metrics of a configuration. values: (queries,) per measure, nan where a query has none."""

    queries: list[str]
    values: Mapping[str, Sequence[float]]

    def interval(self, measure: str) -> tuple[float, float, float]:
        """(mean, low, high): 95 % interval over resampled queries."""
        return search_metrics.interval(self.values[measure])


def hits_of(
    shop: Shop, query: str, configuration: Configuration, most: int = MOST_HITS, **fields: Any
) -> list[Hit]:
    """The hits of a query by a configuration; nothing is logged. Raises IndexNotReady."""
    request = SearchRequest(query, most, personal=False, simulated=True, **fields)
    return preview(shop, request, configuration).hits


def evaluate(
    shop: Shop, judged: Mapping[str, Mapping[str, float]], configuration: Configuration
) -> Evaluated:
    """Metrics of a configuration on judged queries. judged: grades by query and item id."""
    best = max((grade for grades in judged.values() for grade in grades.values()), default=0.0)
    rows = []
    for query, grades in judged.items():
        hits = hits_of(shop, query, configuration, explain="off")
        rows.append(search_metrics.measures([hit.item_id for hit in hits], grades, best))
    names = search_metrics.names()
    values = {name: [row[name] for row in rows] for name in names}
    return Evaluated(list(judged), values)


def judged_queries(
    shop: Shop, most: int, queries: Sequence[str] | None = None
) -> dict[str, dict[str, float]]:
    """Grades by query and item id, empty for a query without judgments; of more than `most`
    queries, every so many. Capitals make no other query.

    queries: of a query set; None: all with judgments, in order of their text
    """
    if queries is not None:
        names = list({query.lower(): query for query in queries}.values())
    else:
        folded = shop.judgements.folded().order_by("folded").values_list("folded", flat=True)
        names = list(folded.distinct())
    step = max(1.0, len(names) / most)
    chosen = [names[int(i * step)] for i in range(min(most, len(names)))]
    out: dict[str, dict[str, float]] = {query: {} for query in chosen}
    by_folded = {query.lower(): grades for query, grades in out.items()}
    rows = shop.judgements.of_queries(chosen).order_by(_GIVEN_LAST, "pk")
    for folded, item_id, grade in rows.values_list("folded", "item_id", "grade"):
        if folded in by_folded:  # where Python and the database fold alike
            by_folded[folded][item_id] = grade
    return out
