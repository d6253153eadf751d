"""Why a product is not in a shopper's list: the stage at which it was lost, and by what."""

from dataclasses import dataclass, field

from django.utils import timezone

from recommender.inference.history import History
from recommender.models import Placement, Product, Shop
from recommender.recommendations.requests import Ask
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import history_of


@dataclass
class Lost:
    """What became of a product.

    stage: unknown (to the model), hidden, filtered (by the placement), no_list (nothing personal
        can be made), bought, not_proposed, ranked, shown
    place: where it is (or would be) ranked, from 1, among `of` products
    sources: its place in each source's own list, None where it is not in it
    against: per kind of reason, its contribution less that of the list's last product; the most
        against it first
    """

    item_id: str
    title: str
    stage: str
    place: int | None = None
    of: int | None = None
    score: float | None = None
    last_score: float | None = None
    sources: dict[str, int | None] = field(default_factory=dict)
    against: dict[str, float] = field(default_factory=dict)


def why_not(shop: Shop, placement: Placement, user_id: str, product: Product) -> Lost:
    """As of now, for a shopper's list at this placement."""
    state, shopper = state_of(shop), shop.shoppers.filter(user_id=user_id).first()
    model, selection = state.serving(placement)[1], Ask(placement, placement.size).selection
    if not Product.objects.filter(pk=product.pk).showable().exists():
        return Lost(product.item_id, product.title, "hidden")
    if not state.catalogue.among([product.item_id], selection, timezone.now()):
        return Lost(product.item_id, product.title, "filtered")
    history = (
        history_of(shopper, shop, None)
        if shopper and shopper.consent_personalisation
        else History()
    )
    if model is None or not history:
        return Lost(product.item_id, product.title, "no_list")
    if product.item_id not in model.rows:
        return Lost(product.item_id, product.title, "unknown")
    mask = state.mask(model, selection)
    found = model.why_not(
        history, product.item_id, timezone.now(), placement.size, mask, placement.only_new
    )
    if not found.of:
        return Lost(product.item_id, product.title, found.stage)
    against = {
        kind: round(value, 6)
        for kind, value in sorted(found.against.items(), key=lambda pair: pair[1])
        if abs(value) >= 1e-6
    }
    return Lost(
        product.item_id,
        product.title,
        found.stage,
        found.place,
        found.of,
        round(found.score, 6),
        round(found.last_score, 6),
        found.sources,
        against,
    )
