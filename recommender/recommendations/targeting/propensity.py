"""How likely a shopper buys, or clicks, each of some products: calibrated probabilities of the
behaviour model.
"""

from dataclasses import dataclass

from recommender.inference import behaviour_model
from recommender.models import ModelVersion, Product, Shop
from recommender.shoppers.history import Visitor

TEXT = ("title", "brand", "categories", "description")


class NoModel(RuntimeError):
    """No behaviour model serves this shop; the message says what to do."""


@dataclass(frozen=True)
class Prediction:
    """purchase: probability within `horizon_days`; click: of an impression within a day, None
    where the model has not learned it.
    """

    item_id: str
    purchase: float
    click: float | None


@dataclass(frozen=True)
class Predictions:
    """In the order that was asked for, and by what; `unknown`: products that the shop does not
    have.
    """

    items: list[Prediction]
    unknown: list[str]
    version: ModelVersion
    horizon_days: int
    known: bool
    """Is anything known of the shopper? Without it the probabilities are those of somebody new."""


def predict(
    shop: Shop, item_ids: list[str], user_id: str | None, session_id: str | None
) -> Predictions:
    """Raises NoModel where no behaviour model was promoted, engine.BrokenCheckpoint where it
    cannot be read.
    """
    version = (
        ModelVersion.objects.select_related("run")
        .filter(shop=shop, purpose="behaviour", status="champion")
        .first()
    )
    if version is None:
        raise NoModel(
            "No behaviour model serves yet: train the recipe behaviour and promote what it makes."
        )
    behaviour = behaviour_model.behaviour_of(version.folder)
    history = Visitor.of(shop, user_id, session_id).history()
    asked = list(dict.fromkeys(item_ids))
    rows = Product.objects.filter(
        shop=shop, item_id__in={*asked, *(e.item_id for e in history)}
    ).values_list("item_id", *TEXT)
    texts = {row[0]: tuple(row[1:]) for row in rows}
    known = [item_id for item_id in asked if item_id in texts]
    told = behaviour.probabilities([e for e in history if e.item_id in texts], known, texts)
    items = [
        Prediction(item_id, round(p, 6), None if c is None else round(c, 6))
        for item_id, (p, c) in zip(known, told, strict=True)
    ]
    return Predictions(
        items,
        [item_id for item_id in asked if item_id not in texts],
        version,
        behaviour.horizon_days,
        bool(history),
    )
