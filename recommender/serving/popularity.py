"""Popularity: best sellers and first purchases of a shop, counted again after some minutes."""

import time
from collections.abc import Callable

from django.utils import timezone

from recommender.infrastructure.availability import database
from recommender.models import Change
from recommender.serving.best_sellers import begun_with, most_sold, most_sold_in

MONTH = timezone.timedelta(days=30)
LONGEST_RANKING = 5000
MONTH_SECONDS, EVER_SECONDS = 60, 900
"""Seconds for which the best sellers of the month, and of all time, are current."""
OTHER_SECONDS, LONGEST_OTHER, MOST_OTHER = 300, 500, 300
"""Of other rankings (countries, first purchases): seconds, products, and number of rankings."""


class Popularity:
    """Cache of one shop's rankings by number of buyers."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._rankings: dict[str, tuple[float, list[str]]] = {}
        self._joined: tuple[list[str], list[str], list[str]] | None = None
        self._places: tuple[list[str], dict[str, int]] | None = None

    def bestsellers(self) -> list[str]:
        """Best sellers of the last 30 days, then of all time; eligibility is not checked."""
        month = self._ranking(
            "month", lambda: most_sold(self.shop_id, LONGEST_RANKING, MONTH), MONTH_SECONDS
        )
        if len(month) >= LONGEST_RANKING:
            return month
        ever = self._ranking("ever", lambda: most_sold(self.shop_id, LONGEST_RANKING), EVER_SECONDS)
        joined = self._joined
        if joined is None or joined[0] is not month or joined[1] is not ever:
            both = list(dict.fromkeys([*month, *ever]))[:LONGEST_RANKING]
            self._joined = joined = (month, ever, both)
        return joined[2]

    def places(self) -> dict[str, int]:
        """Place of each best seller, from 0."""
        ranking, places = self.bestsellers(), self._places
        if places is None or places[0] is not ranking:
            made = {item_id: place for place, item_id in enumerate(ranking)}
            self._places = places = (ranking, made)
        return places[1]

    def openers(self) -> list[str]:
        """First purchases of the shoppers who came in the last 30 days, the most common first."""
        return self._ranking("openers", lambda: begun_with(self.shop_id, LONGEST_OTHER, MONTH))

    def bestsellers_in(self, country: str) -> list[str]:
        """Best sellers of the last 90 days among shoppers of a country."""
        return self._ranking(
            f"country {country}",
            lambda: most_sold_in(self.shop_id, country, LONGEST_OTHER, 3 * MONTH),
        )

    def _ranking(
        self, name: str, count: Callable[[], list[str]], seconds: float = OTHER_SECONDS
    ) -> list[str]:
        at, ranking = self._rankings.get(name, (0.0, None))
        if ranking is None or (time.monotonic() - at > seconds and not database.gone):
            ranking = count()
            if len(self._rankings) > MOST_OTHER:
                self._rankings.clear()
            self._rankings[name] = (time.monotonic(), ranking)
        return ranking

    def load(self) -> None:
        self.bestsellers()
        self.openers()

    def invalidate(self, change: Change) -> None:
        """Does nothing: rankings expire by time, not by changes."""
