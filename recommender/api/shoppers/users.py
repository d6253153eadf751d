"""The REST form of a shopper: validation of a body, and the object of a reply."""

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotFound

from recommender.api.http.strict_fields import read_ids
from recommender.ingest import FieldError, is_text
from recommender.models import SessionLink, Shop, Shopper

MOST_SESSIONS = 100
CONSENTS = ("personalisation", "training")
READ_ONLY = ("first_seen", "updated_at")
USER_NAMES = ("user_id", "attributes", "consent", "merged_from", *READ_ONLY)
"""Fields of a shopper in replies, in their order."""


def user_row(data: Any, user_id: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """An import row with what a body gives of a shopper, and the sessions that are theirs.

    user_id: the id in the address, which one in the body must equal; None: the body has it. Raises
    FieldError.
    """
    if not isinstance(data, dict):
        raise FieldError("user", "must be an object")
    if unknown := sorted(data.keys() - set(USER_NAMES)):
        raise FieldError(unknown[0], "is not a field of a user")
    if user_id is not None and data.get("user_id", user_id) != user_id:
        raise FieldError("user_id", "differs from the one in the address")
    row = {"user_id": user_id if user_id is not None else data.get("user_id")}
    if "attributes" in data:
        row["attributes"] = data["attributes"]
    row |= {f"consent_{name}": value for name, value in _consent(data.get("consent")).items()}
    sessions = data.get("merged_from")
    sessions = read_ids(
        "merged_from", [] if sessions is None else sessions, MOST_SESSIONS, "session ids"
    )
    return row, sessions


def _consent(consent: Any) -> dict[str, bool]:
    if consent is None:
        return {}
    if not isinstance(consent, dict) or consent.keys() - set(CONSENTS):
        raise FieldError("consent", f"must be an object with {' and '.join(CONSENTS)}")
    for name, value in consent.items():
        if not isinstance(value, bool):
            raise FieldError(f"consent.{name}", "must be true or false")
    return consent


def find_user(shop: Shop, user_id: str, lock: bool = False) -> Shopper:
    """The shopper with this id. lock: until the end of the transaction. Raises NotFound."""
    shoppers = shop.shoppers.filter(user_id=user_id)
    if lock:
        shoppers = shoppers.select_for_update()
    shopper = shoppers.first() if is_text(user_id) else None
    if shopper is None:
        raise NotFound(f"user_id: {user_id[:256]!r} does not exist in this shop.")
    return shopper


def users_json(shoppers: Iterable[Shopper]) -> list[dict[str, Any]]:
    """Shoppers as the REST API returns them; their sessions are read by one query."""
    shoppers = list(shoppers)
    links = SessionLink.objects.filter(shopper__in=shoppers).order_by("pk")
    sessions: dict[int, list[str]] = {}
    for shopper_id, session_id in links.values_list("shopper_id", "session_id"):
        sessions.setdefault(shopper_id, []).append(session_id)
    return [_user_json(shopper, sessions.get(shopper.pk, [])) for shopper in shoppers]


def user_json(shopper: Shopper) -> dict[str, Any]:
    return users_json([shopper])[0]


def _user_json(shopper: Shopper, sessions: list[str]) -> dict[str, Any]:
    return {
        "user_id": shopper.user_id,
        "attributes": shopper.attributes,
        "consent": {name: getattr(shopper, f"consent_{name}") for name in CONSENTS},
        "merged_from": sessions[:MOST_SESSIONS],
        "first_seen": shopper.first_seen,
        "updated_at": shopper.updated_at,
    }
