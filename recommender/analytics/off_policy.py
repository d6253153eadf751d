"""Off-policy estimates: the click rate of a ranking that was never served, from lists with
random places.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """What a policy would have brought per place: by inverse propensity (ips), self-normalised
    (snips), with the standard error of the latter.
    """

    policy: str
    places: int
    ips: float
    snips: float
    error: float


def estimates(rows: Iterable[tuple[dict, bool]]) -> list[Estimate]:
    """Of (what was kept of a place, was it clicked): the best product always, a product drawn
    evenly, and what was served.
    """
    kept = [
        (odds["p"], odds["best"], odds["of"], clicked) for odds, clicked in rows if odds.get("p")
    ]
    policies = {
        "best": lambda p, best, of: (1.0 if best else 0.0) / p,
        "random": lambda p, best, of: 1.0 / of / p,
        "served": lambda p, best, of: 1.0,
    }
    return (
        [
            _estimate(name, [(weight(p, best, of), clicked) for p, best, of, clicked in kept])
            for name, weight in policies.items()
        ]
        if kept
        else []
    )


def _estimate(policy: str, weighted: list[tuple[float, bool]]) -> Estimate:
    total, n = sum(w for w, _ in weighted), len(weighted)
    brought = sum(w for w, clicked in weighted if clicked)
    snips = brought / total if total else 0.0
    spread = sum((w * (clicked - snips)) ** 2 for w, clicked in weighted)
    return Estimate(policy, n, brought / n, snips, math.sqrt(spread) / total if total else 0.0)
