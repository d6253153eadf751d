"""Explains why a product is not in a shopper's list: the stage that lost it, and by what."""

from dataclasses import dataclass, field

from django.utils import timezone

from recommender.inference.history import History
from recommender.merchandising.rules import HIDE
from recommender.models import Placement, Product, Shop
from recommender.recommendations.requests import ListRequest, in_experiment
from recommender.serving.shop_state import ShopState, state_of
from recommender.shoppers.history import history_of

LEAST_DIFFERENCE = 1e-6


@dataclass
class WhyNotResult:
    """The stage at which a product is lost.

    stage: unknown (to the model), hidden, filtered (by the placement's filter or rules), no_list
        (nothing personal can be made), bought, not_proposed, ranked, shown
    place: its rank (or the one it would have), from 1, among `of` products
    sources: its rank in each source's own list, None where it is not in it
    against: per kind of reason, its contribution less that of the list's last product, ascending
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


def why_not(shop: Shop, placement: Placement, user_id: str, product: Product) -> WhyNotResult:
    """The stage at which this product is lost to a shopper's list at a placement, as of now."""
    result = WhyNotResult(product.item_id, product.title, "shown")
    state, shopper = state_of(shop), shop.shoppers.filter(user_id=user_id).first()
    request = in_experiment(ListRequest(placement, placement.size, user_id))
    model, selection = state.serving(request.placement)[1], request.selection
    if not Product.objects.filter(pk=product.pk).showable().exists():
        result.stage = "hidden"
        return result
    now = timezone.now()
    passes = state.product_index.among([product.item_id], selection, now)
    if not passes or _hidden_by_rule(state, request, product.item_id):
        result.stage = "filtered"
        return result
    agrees = shopper is not None and shopper.consent_personalisation
    history = history_of(shopper, shop, None) if agrees else History()
    if model is None or not history:
        result.stage = "no_list"
        return result
    if product.item_id not in model.rows:
        result.stage = "unknown"
        return result
    mask = state.mask(model, selection)
    answer = model.why_not(history, product.item_id, now, placement.size, mask, placement.only_new)
    result.stage = answer.stage
    if answer.of:
        ascending = sorted(answer.against.items(), key=lambda pair: pair[1])
        result.place, result.of, result.sources = answer.place, answer.of, answer.sources
        result.score, result.last_score = round(answer.score, 6), round(answer.last_score, 6)
        result.against = {
            kind: round(value, 6) for kind, value in ascending if abs(value) >= LEAST_DIFFERENCE
        }
    return result


def _hidden_by_rule(state: ShopState, request: ListRequest, item_id: str) -> bool:
    """True where a rule of the placement hides the product."""
    now, index = timezone.now(), state.product_index
    return any(
        item_id in rule.item_ids
        or (rule.selection and index.eligible_among([item_id], rule.selection, now))
        for rule in request.all_rules
        if rule.effect == HIDE
    )
