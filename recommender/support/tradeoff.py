"""Trade-off of the thresholds: share of questions answered against share of right answers."""

from dataclasses import dataclass
from typing import Any

from recommender.models import Shop
from recommender.support.intents import INTENT
from recommender.support.passages import ANSWERS


@dataclass(frozen=True)
class Point:
    """At this threshold: share of the questions answered, and of the answers that are right;
    None without any.
    """

    threshold: float
    answered: float
    right: float | None


def curve(shop: Shop, purpose: str) -> list[Point]:
    """The trade-off of the champion of a purpose, INTENT or ANSWERS, on questions that it was not
    trained on; empty where its report has none.
    """
    version = shop.champion(purpose)
    rows: list[dict[str, Any]] = (version.report or {}).get("coverage") or [] if version else []
    return [Point(row["threshold"], row["answered"], row["right"]) for row in rows]


def at(points: list[Point], threshold: float) -> Point | None:
    """The point of the curve that is nearest to a threshold."""
    return min(points, key=lambda one: abs(one.threshold - threshold), default=None)


PURPOSES = {"intent_threshold": INTENT, "passage_threshold": ANSWERS}
"""Which model's confidence each threshold of the settings is compared with."""
