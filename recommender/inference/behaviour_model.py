"""A behavior checkpoint in memory: the probability that a shopper buys or clicks a product."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path
from recommender.inference.history import HistoryEvent, events_of
from recommender.inference.ranking_model import ProductText
from recommender.infrastructure import process_caches

if TYPE_CHECKING:
    from training.inference.text_predictor import Predictor

CACHED_MODELS = 4


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A loaded checkpoint of the recipe `behaviour`: purchase and click probabilities."""

    predictor: "Predictor"
    event_weights: dict[str, float]
    horizon_days: int

    def probabilities(
        self, shopper: Sequence[HistoryEvent], item_ids: list[str], texts: dict[str, ProductText]
    ) -> list[tuple[float, float | None]]:
        """(purchase, click or None) of each product, for the shopper with these events.

        texts: of all products in `item_ids` and in the events.
        """
        import numpy as np

        from training.data.interactions import histories, interactions
        from training.data.product_text import product_text

        if not item_ids:
            return []
        rows = {item_id: row for row, item_id in enumerate(texts)}
        written = [product_text(*text) for text in texts.values()]
        counted = interactions(events_of([shopper], rows), self.event_weights)
        history = histories(counted, np.zeros(1, dtype=np.int64), len(rows))
        bought = dict(zip(history.item.tolist(), history.bought.tolist(), strict=True))
        latest = history.item[::-1][: self.predictor.facts["history_items"]]
        history_text = "; ".join(written[row] for row in latest)
        products = [written[rows[item_id]] for item_id in item_ids]
        before = np.array([bought.get(rows[item_id], 0) > 0 for item_id in item_ids])
        repeated = [history_text] * len(item_ids)
        purchase = self.predictor.purchase(repeated, products, before)
        click = self.predictor.click(repeated, products)
        clicks = [None] * len(item_ids) if click is None else [float(p) for p in click]
        return [(float(p), clicked) for p, clicked in zip(purchase, clicks, strict=True)]


@lru_cache(maxsize=CACHED_MODELS)
def behaviour_of(folder: str) -> Behaviour:
    """The behavior model in this folder below VITRINE_CHECKPOINTS. Raises BrokenCheckpoint."""
    from training.configuration.recipes import from_dict
    from training.inference.checkpoint import CheckpointError, read_run
    from training.inference.text_predictor import load_predictor

    try:
        run = read_run(checkpoint_path(folder))
        predictor = load_predictor(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    config = from_dict(run["recipe"], run["config"])
    return Behaviour(predictor, config.event_weights, config.horizon_days)


process_caches.register(behaviour_of.cache_clear)
