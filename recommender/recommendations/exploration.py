"""Controlled exploration: some places go to products drawn at random, with the probability of each
choice kept, so that lists which were never served can be judged by what shoppers did on those
that were (Horvitz & Thompson 1952; Swaminathan & Joachims 2015 for the self-normalised form).
"""

import random
from dataclasses import dataclass

from recommender.serving.items import Item

POOL = 5
"""Products from which is drawn: this many times the places."""
_random = random.SystemRandom()


def explored(
    items: list[Item], share: float, places: int, draw: random.Random = _random
) -> list[Item]:
    """The list with each place given, with probability `share`, to a product drawn evenly from the
    best that are left; else to the best one.

    Each item of the first `places` is told the probability with which it came to stand there, given
    those before it.
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
    """How a product came to its place: with which probability, whether it was the best that was
    left, and of how many.
    """

    probability: float
    best: bool
    of: int

    def kept(self) -> dict[str, float | bool | int]:
        return {"p": round(self.probability, 6), "best": self.best, "of": self.of}
