"""Controlled exploration: some places go to products drawn at random.

The probability of each choice is stored, so that rankings that were never served can be evaluated
off-policy (`analytics.off_policy`).
"""

import random
from dataclasses import dataclass

from recommender.serving.items import Item

POOL = 5
"""Size of the pool from which is drawn: this many times the places."""
_random = random.SystemRandom()


def explored(
    items: list[Item], share: float, places: int, draw: random.Random = _random
) -> list[Item]:
    """Fill each place, with probability `share`, with a product drawn uniformly from the pool.

    Otherwise the place gets the best product that is left. Sets `odds` of the first `places` items:
    the probability of each, given those before it.
    """
    left, chosen = items[: POOL * places], []
    while left and len(chosen) < places:
        at = draw.randrange(len(left)) if draw.random() < share else 0
        item = left[at]
        item.odds = Odds(share / len(left) + (1 - share if at == 0 else 0), at == 0, len(left))
        chosen.append(left.pop(at))
    return chosen + left + items[POOL * places :]


@dataclass(frozen=True)
class Odds:
    """Probability of a product at its place; whether it was the best of the `of` that were left."""

    probability: float
    best: bool
    of: int

    def exposure(self) -> dict[str, float | bool | int]:
        """The propensity of an explored place, as the exposure log stores it."""
        return {"p": round(self.probability, 6), "best": self.best, "of": self.of}
