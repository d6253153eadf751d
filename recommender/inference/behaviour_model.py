"""A behaviour checkpoint in memory: the probability that a shopper buys or clicks a product."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path
from recommender.inference.history import Past, events_of
from recommender.inference.ranking_model import ProductText

if TYPE_CHECKING:
    from training.inference.text_predictor import Predictor


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A loaded behaviour checkpoint."""

    predictor: "Predictor"
    event_weights: dict[str, float]
    horizon_days: int

    def probabilities(
        self, shopper: Past, asked: list[str], texts: dict[str, ProductText]
    ) -> list[tuple[float, float | None]]:
        """(purchase, click or None) of each product asked about, for the shopper with these
        events; `texts` of all products that occur.
        """
        import numpy as np

        from training.data.interactions import histories, interactions
        from training.data.product_text import product_text

        if not asked:
            return []
        ids = list(texts)
        rows = {item_id: row for row, item_id in enumerate(ids)}
        told = [product_text(*texts[item_id]) for item_id in ids]
        past = histories(
            interactions(events_of([shopper], rows), self.event_weights),
            np.zeros(1, dtype=np.int64),
            len(ids),
        )
        bought = dict(zip(past.item.tolist(), past.bought.tolist(), strict=True))
        latest = past.item[::-1][: self.predictor.facts["history_items"]]
        history = "; ".join(told[row] for row in latest)
        products = [told[rows[item_id]] for item_id in asked]
        before = np.array([bought.get(rows[item_id], 0) > 0 for item_id in asked])
        purchase = self.predictor.purchase([history] * len(asked), products, before)
        click = self.predictor.click([history] * len(asked), products)
        return [
            (float(p), None if click is None else float(click[i])) for i, p in enumerate(purchase)
        ]


@lru_cache(maxsize=4)
def behaviour_of(folder: str) -> Behaviour:
    """The behaviour model in this folder below VITRINE_CHECKPOINTS. Raises BrokenCheckpoint."""
    from training.configuration.recipes import from_dict
    from training.inference.checkpoint import CheckpointError, read_run
    from training.inference.text_predictor import load_predictor

    try:
        run, predictor = read_run(checkpoint_path(folder)), load_predictor(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    config = from_dict(run["recipe"], run["config"])
    return Behaviour(predictor, config.event_weights, config.horizon_days)
