"""One shopper's list made live from 12,101 products (Amazon Beauty), without and with the reasons
of its ten products, one shopper after the other.

Only time is measured: the model has every source and feature, but its text is as it comes and its
sequence model hardly trained.
"""

import statistics
import time

import numpy as np

from bench.__main__ import measure
from bench.fits import beauty
from training.configuration.recipes import make_config
from training.data.snapshot import Events, read_snapshot
from training.data.splits import leave_last_out
from training.inference.explanations import explain
from training.inference.recommender import Recommender
from training.recipes.fusion import fit_model
from training.runs.progress import Progress
from training.runs.run import Run

SHOPPERS, SHOWN, SEED = 200, 10, 7
HASTY = {"fine_tune": False, "sequence.steps": 100}


def run() -> dict:
    shop, config = read_snapshot(beauty()), make_config("fusion", HASTY)
    validation, test = leave_last_out(shop.events, shop.n_items, config.event_weights)
    model = fit_model(
        Run(shop, "fusion", config, Progress(quiet=True)), [validation], validation.fit, test.now
    ).recommender
    users = np.random.default_rng(SEED).choice(test.users, SHOPPERS, replace=False)
    taken = np.array(
        [
            _milliseconds(model, shop.events.take(shop.events.user == user), test.now)
            for user in users
        ]
    )
    result = {}
    for name, values in (("list", taken[:, 0]), ("list_with_reasons", taken.sum(axis=1))):
        cuts = statistics.quantiles(values, n=100)
        result |= {
            f"{name}.p50_ms": measure(cuts[49], "ms"),
            f"{name}.p95_ms": measure(cuts[94], "ms"),
        }
    return result


def _milliseconds(model: Recommender, events: Events, now: int) -> tuple[float, float]:
    """For the list, and for its reasons."""
    begun = time.perf_counter()
    past = model.histories(events, np.unique(events.user))
    places = model.recommend(past, now, SHOWN)[0]
    listed = time.perf_counter()
    explain(model, events, [place.item for place in places], now)
    return 1000 * (listed - begun), 1000 * (time.perf_counter() - listed)
