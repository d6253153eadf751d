"""Propensity scores: the calibrated probability that a shopper buys or clicks a product."""

from dataclasses import dataclass

from recommender.catalog.product_fields import TEXT_FIELDS
from recommender.inference import behaviour_model
from recommender.models import ModelVersion, Product, Shop
from recommender.shoppers.history import Visitor


class NoModel(RuntimeError):
    """The shop has no champion of the recipe `behaviour`; the message says what to do."""


@dataclass(frozen=True)
class Prediction:
    """purchase: probability within `horizon_days`; click: of an impression within a day.

    `click` is None where the model has not learned it.
    """

    item_id: str
    purchase: float
    click: float | None


@dataclass(frozen=True)
class Predictions:
    """Predictions in the order of the request; `unknown`: products that the shop does not have."""

    items: list[Prediction]
    unknown: list[str]
    version: ModelVersion
    horizon_days: int
    known: bool
    """False without any history: the probabilities are those of a new shopper."""


def predict(
    shop: Shop, item_ids: list[str], user_id: str | None, session_id: str | None
) -> Predictions:
    """Propensity scores of these products for a shopper or session.

    Raises NoModel where no behavior model is promoted, checkpoint_files.BrokenCheckpoint where it
    cannot be read.
    """
    version = shop.champion("behaviour")
    if version is None:
        raise NoModel("No behaviour model serves yet: train the recipe behaviour and promote it.")
    behaviour = behaviour_model.behaviour_of(version.folder)
    history = Visitor.of(shop, user_id, session_id).history()
    requested = list(dict.fromkeys(item_ids))
    needed = {*requested, *(event.item_id for event in history)}
    rows = Product.objects.filter(shop=shop, item_id__in=needed).values_list(
        "item_id", *TEXT_FIELDS
    )
    texts = {item_id: tuple(text) for item_id, *text in rows}
    known = [item_id for item_id in requested if item_id in texts]
    events = [event for event in history if event.item_id in texts]
    items = [
        Prediction(item_id, round(purchase, 6), None if click is None else round(click, 6))
        for item_id, (purchase, click) in zip(
            known, behaviour.probabilities(events, known, texts), strict=True
        )
    ]
    unknown = [item_id for item_id in requested if item_id not in texts]
    return Predictions(items, unknown, version, behaviour.horizon_days, bool(history))
