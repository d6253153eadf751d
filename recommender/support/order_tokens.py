"""Order tokens: facts of an order, signed by the shop, which only its own shopper may use.

A token is a JWT (RFC 7519) with HS256: claims `exp`, `order` (an object), and `sub` (user_id) or
`sid` (session_id) of the shopper whose order it is.
"""

from typing import Any

import jwt

from recommender.ingest import FieldError, Parser
from recommender.models import SupportSettings
from recommender.support.templates import ORDER_FIELDS

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30
LONGEST_FACT = 300
MOST_ITEMS = 50
STRICT = Parser(zone=None, typed=True)


class OrderTokenError(ValueError):
    """The token does not prove that the order is this shopper's; the message says why."""


def order_of(
    token: str, settings: SupportSettings, session_id: str, user_id: str
) -> dict[str, Any]:
    """The order that a token proves to be this shopper's; a user_id has to be the token's `sub`.
    Raises OrderTokenError.
    """
    try:
        claims = jwt.decode(
            token,
            settings.order_secret,
            algorithms=[ALGORITHM],
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise OrderTokenError("the token has expired") from None
    except jwt.InvalidTokenError as error:
        raise OrderTokenError(f"is no valid token of this shop: {error}") from None
    owner, session = claims.get("sub"), claims.get("sid")
    if owner is None and session is None:
        raise OrderTokenError("names no shopper: sub (user_id) or sid (session_id) is required")
    wrong_user = owner != user_id if owner is not None else bool(user_id)
    if wrong_user or (session is not None and session != session_id):
        raise OrderTokenError("belongs to another shopper")
    return checked_order(claims.get("order"))


def checked_order(order: Any) -> dict[str, Any]:
    """The facts of an order that templates may name. Raises OrderTokenError."""
    if not isinstance(order, dict):
        raise OrderTokenError("order must be an object")
    unknown = sorted(order.keys() - set(ORDER_FIELDS))
    if unknown:
        raise OrderTokenError(
            f"{str(unknown[0])[:60]} is no fact of an order; there are {', '.join(ORDER_FIELDS)}"
        )
    try:
        order = STRICT.mapping("order", order)
    except FieldError as error:
        raise OrderTokenError(error.message) from None
    for name, value in order.items():
        parts = value if isinstance(value, list) and name == "items" else [value]
        if len(parts) > MOST_ITEMS:
            raise OrderTokenError(f"{name} has more than {MOST_ITEMS} values")
        for part in parts:
            if part is not None and not isinstance(part, str | int | float):
                raise OrderTokenError(f"{name} must be text")
            if len(str(part)) > LONGEST_FACT:
                raise OrderTokenError(f"{name} has more than {LONGEST_FACT} characters")
    url = order.get("tracking_url")
    if url and not str(url).startswith(("https://", "http://")):
        raise OrderTokenError("tracking_url must be an address with https")
    return order


def token_for(settings: SupportSettings, order: dict[str, Any], **claims: Any) -> str:
    """A signed token, as the shop's own server makes it. claims: exp, and sub or sid."""
    return jwt.encode({"order": order, **claims}, settings.order_secret, algorithm=ALGORITHM)
