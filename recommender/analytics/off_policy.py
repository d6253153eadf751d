"""Off-policy estimates: the click rate of rankings that were never served.

From lists with random places, by inverse propensity (Horvitz & Thompson 1952), self-normalized as
in Swaminathan & Joachims 2015.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """Value of a policy per place: by inverse propensity (ips), self-normalized (snips), its
    error.
    """

    policy: str
    places: int
    ips: float
    snips: float
    error: float


def estimates(rows: Iterable[tuple[dict, bool]]) -> list[Estimate]:
    """Estimates for three policies: always the best product, a uniform draw, and the served one.

    places: (stored odds of a place, whether it was clicked)
    """
    usable = [
        (odds["p"], odds["best"], odds["of"], clicked) for odds, clicked in rows if odds.get("p")
    ]
    policies = {
        "best": lambda p, best, of: (1.0 if best else 0.0) / p,
        "random": lambda p, best, of: 1.0 / of / p,
        "served": lambda p, best, of: 1.0,
    }
    return (
        [
            _estimate(name, [(weight(p, best, of), clicked) for p, best, of, clicked in usable])
            for name, weight in policies.items()
        ]
        if usable
        else []
    )


def _estimate(policy: str, weighted: list[tuple[float, bool]]) -> Estimate:
    total, n = sum(w for w, _ in weighted), len(weighted)
    brought = sum(w for w, clicked in weighted if clicked)
    snips = brought / total if total else 0.0
    spread = sum((w * (clicked - snips)) ** 2 for w, clicked in weighted)
    return Estimate(policy, n, brought / n, snips, math.sqrt(spread) / total if total else 0.0)
