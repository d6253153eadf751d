"""A live list from many products: the demo's champion with its products copied and their vectors
perturbed, for the histories of its shoppers.

Measured in one process without the database: history, candidates, ranking, and a mask as a filter
leaves it. `VITRINE_HOME` holds the demo.
"""

import json
import statistics
import sys
import time
from dataclasses import replace
from math import ceil

import numpy as np
import scipy.sparse as sp

from training.candidates.covisitation import Popularity
from training.candidates.ivf_index import build_ivf_index
from training.candidates.sources import Signals
from training.data.snapshot import Events
from training.inference.checkpoint import load_checkpoint
from training.inference.recommender import Recommender
from training.ranking.features import ItemFacts

SHOPPERS, SHOWN, SEED, NOISE = 60, 12, 7, 0.02
LET_THROUGH = 0.9


def measured(n_items: int) -> dict[str, float]:
    """{"p50", "p95"} milliseconds; the champion and histories are those of the demo shop.

    Needs Django.
    """
    from django.utils import timezone

    from recommender.inference import checkpoint_files, history
    from recommender.models import Shop, Shopper
    from recommender.shoppers.history import histories_of

    shop = Shop.objects.get(key="demo")
    base, item_ids = load_checkpoint(checkpoint_files.checkpoint_path(shop.champion().folder))
    rng, now = np.random.default_rng(SEED), int(timezone.now().timestamp())
    model = enlarged(base, n_items, rng)
    rows = {item_id: row for row, item_id in enumerate(item_ids)}
    pasts = histories_of(
        list(
            Shopper.objects.of(shop)
            .filter(revision__gt=0)
            .order_by("pk")
            .values_list("pk", flat=True)[:SHOPPERS]
        )
    )
    mask, taken = rng.random(n_items) < LET_THROUGH, []
    for past in pasts.values():
        events = _spread(history.events_of([past], rows), len(item_ids), n_items, rng)
        begun = time.perf_counter()
        model.recommend(
            model.histories(events, np.zeros(1, dtype=np.int64)), now, SHOWN, mask, only_new=True
        )
        taken.append(1000 * (time.perf_counter() - begun))
    cuts = statistics.quantiles(taken[len(taken) // 10 :], n=100)
    return {"p50": cuts[49], "p95": cuts[94]}


def enlarged(base: Recommender, n_items: int, rng: np.random.Generator) -> Recommender:
    """The recommender with so many products: copies of its own, no two of the same text."""
    signals, copies = base.signals, ceil(n_items / base.n_items)

    def tiled(values):
        return np.concatenate([values] * copies)[:n_items]

    vectors = perturbed(signals.vectors, copies, n_items, rng)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sequence = signals.sequence and replace(
        signals.sequence, items=perturbed(signals.sequence.items, copies, n_items, rng)
    )
    matrices = {
        name: sp.block_diag([matrix] * copies, format="csr")[:n_items, :n_items]
        for name, matrix in signals.matrices.items()
    }
    stats = Popularity(tiled(signals.popularity.stats), signals.popularity.now)
    ivf = build_ivf_index(vectors)
    vectors = vectors if ivf is None else vectors.astype(np.float16)
    many = Signals(matrices, stats, vectors, signals.half_life_days, sequence, signals.off, ivf)
    facts = ItemFacts(
        *(tiled(getattr(base.facts, name)) for name in ("price", "brand", "category"))
    )
    return Recommender(many, facts, base.ranker, base.config, base.boost)


def perturbed(
    values: np.ndarray, copies: int, n_items: int, rng: np.random.Generator
) -> np.ndarray:
    values = np.concatenate([np.asarray(values, dtype=np.float32)] * copies)[:n_items]
    for begin in range(0, n_items, 50_000):
        part = values[begin : begin + 50_000]
        part += NOISE * rng.standard_normal(part.shape, dtype=np.float32) * np.abs(part).mean()
    return values


def _spread(events: Events, n_base: int, n_items: int, rng: np.random.Generator) -> Events:
    """The same history, of one of the copies: a shopper's products go with each other."""
    copy = rng.integers(0, n_items // n_base) if n_items > n_base else 0
    return replace(events, item=events.item + np.int32(copy * n_base))


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(measured(int(sys.argv[1]))))
