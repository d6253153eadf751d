"""Values as shops write them in files: ids, amounts, dates, availability, words for nothing."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

NOTHING = {"null", "none", "nan", "undefined", "(not set)", "n/a", "<na>", "-"}
"""Words for a missing value, in lower case."""
NOBODY = {"guest", "anonymous", "0"}
"""Words for a shopper who is not known, in lower case."""
AVAILABILITY = {
    "in_stock": (
        *("in stock", "instock", "available", "limited availability", "limitedavailability"),
        *("preorder", "pre order", "presale", "backorder", "back order", "onbackorder"),
        *("available for order", "onlineonly", "instoreonly", "yes", "true", "1"),
    ),
    "out_of_stock": (
        *("out of stock", "outofstock", "sold out", "soldout", "unavailable", "discontinued"),
        *("no", "false", "0"),
    ),
}
"""Words for what can be bought and what cannot: of Google's feeds, schema.org and shops."""
STATES = {word: state for state, words in AVAILABILITY.items() for word in words}
FLAGS = {
    **dict.fromkeys(("true", "1", "-1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}
EVENT_TYPES = {
    "view": ("view item", "product viewed", "product view", "detail view"),
    "click": ("select item", "product clicked"),
    "add_to_cart": ("cart", "addtocart", "add to basket", "product added"),
    "remove_from_cart": ("removefromcart", "remove from basket", "product removed"),
    "purchase": ("transaction", "order", "buy", "bought", "order completed"),
    "return": ("refund", "refunded", "returned"),
}
"""Words for the types of events: of GA4, Segment, and public data."""
TYPES = {word: kind for kind, words in EVENT_TYPES.items() for word in words}
PUBLISHED = {
    **dict.fromkeys(("published", "publish", "active", "visible", "enabled", "shown"), True),
    **dict.fromkeys(("draft", "archived", "private", "trash", "pending"), False),
    **dict.fromkeys(("inactive", "disabled", "unpublished", "hidden"), False),
}
"""Words for what a shop shows and what it does not."""
MARKS = {
    "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "TWD", "CLP", "COP", "ARS"},
    "€": {"EUR"},
    "£": {"GBP"},
    "¥": {"JPY", "CNY"},
    "￥": {"JPY", "CNY"},
    "₹": {"INR"},
    "zł": {"PLN"},
    "Kč": {"CZK"},
    "kr": {"SEK", "NOK", "DKK"},
    "R$": {"BRL"},
    "₺": {"TRY"},
    "₩": {"KRW"},
    "₽": {"RUB"},
}
"""Currencies that a mark may stand for."""
DAY_FIRST, MONTH_FIRST = ORDERS = ("dmy", "mdy")
"""Orders of day and month."""
UNITS = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
"""Parts of a second by the number of digits: seconds, milliseconds, microseconds, nanoseconds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?\d+\.0+", re.ASCII)
_SCIENTIFIC = re.compile(r"\d([.,]\d+)?[eE]\+\d+", re.ASCII)
_SECONDS = re.compile(r"(\d{9,10})\.\d{1,9}", re.ASCII)


class Unclear(ValueError):
    """A value that may mean several things, or nothing; the message says what to do."""


def is_nothing(value: Any) -> bool:
    """True for a word that stands for a missing value."""
    return isinstance(value, str) and value.strip().casefold() in ("", *NOTHING)


def identity(field: str, value: Any) -> Any:
    """An id without blanks around it and without the “.0” of a float; None for a word that stands
    for nothing. Raises Unclear for scientific notation.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else None if value != value else value
    if not isinstance(value, str):
        return value
    value = value.strip()
    word = value.casefold()
    if word in NOTHING or (word in NOBODY and field == "user_id"):
        return None
    if "." in value and _WHOLE.fullmatch(value):
        return value.partition(".")[0]
    if "+" in value and _SCIENTIFIC.fullmatch(value):
        raise Unclear(
            f"{value[:40]!r} is a number in scientific notation: a spreadsheet has cut the id; "
            "export it again as text"
        )
    return value


@lru_cache(maxsize=10_000)
def amount(text: str) -> tuple[float, str]:
    """(amount, currency or its mark) of a text such as “1.299,00 €”. Raises Unclear."""
    from price_parser import Price

    text = text.replace("'", "").replace("’", "")  # separates thousands in Switzerland
    found = Price.fromstring(text)
    rest = text.replace(found.amount_text or "", "", 1).replace(found.currency or "", "", 1).strip()
    if found.amount is None or rest not in ("", "-", "−"):
        raise Unclear(f"{text[:40]!r} is not an amount such as 19.90")
    return float(found.amount) * (-1 if rest else 1), found.currency or ""


def is_currency(mark: str, currency: str) -> bool:
    """True where a code or mark may stand for this currency."""
    return mark.upper() == currency or currency in MARKS.get(mark, ())


def published(value: Any) -> bool | None:
    """What a flag or a word such as “draft” says; None for another value."""
    word = str(value).strip().casefold()
    return FLAGS.get(word, PUBLISHED.get(word))


def availability(text: str) -> str:
    """in_stock or out_of_stock for a word that says so, else the text."""
    word = " ".join(text.rpartition("/")[2].casefold().replace("_", " ").split())
    return STATES.get(word, text)


def event_type(text: str) -> str:
    """The type of event that a word stands for, whatever its capitals and blanks."""
    word = " ".join(text.casefold().replace("_", " ").replace("-", " ").split())
    return TYPES.get(word, word.replace(" ", "_"))


def epoch(value: Any) -> datetime | None:
    """The moment of a number of seconds, or of parts of it, since 1970; None for other values."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if (parts := _SECONDS.fullmatch(text)) is not None:
        text = parts[1]
        return EPOCH + timedelta(seconds=int(text), microseconds=_micro(value))
    if not (text.isascii() and text.isdigit()) or len(text) not in UNITS:
        return None
    unit = UNITS[len(text)]
    seconds, rest = divmod(int(text), unit)
    return EPOCH + timedelta(seconds=seconds, microseconds=rest * 10**6 // unit)


def _micro(value: Any) -> int:
    return int(str(value).strip().partition(".")[2].ljust(6, "0")[:6])


@lru_cache(maxsize=50_000)
def written_date(text: str, order: str = "") -> datetime:
    """The moment of a date that is not written as in ISO 8601; without a zone where it has none.

    order: of day and month, one of ORDERS; without it a date that may be read both ways is refused
    Raises Unclear.
    """
    is_year_first = text[:4].isdigit()
    orders = [False] if is_year_first else [order == DAY_FIRST] if order else [True, False]
    found = {_parsed(text, is_day_first, default) for is_day_first in orders for default in _DAYS}
    if None in found:
        raise Unclear(f"{text[:40]!r} is not a date and time such as 2026-08-20T09:13:01Z")
    if len(found) > 1:
        known = {_parsed(text, is_day_first, _DAYS[0]) for is_day_first in orders}
        if len(known) > 1:
            raise Unclear(f"{text[:40]!r}: day and month may be read both ways: say dmy or mdy")
        raise Unclear(f"{text[:40]!r} is not a whole date such as 2026-08-20")
    return found.pop()


_DAYS = (datetime(2001, 1, 1), datetime(2002, 2, 2))
"""What stands in for missing parts; a date that depends on it is not whole."""


def _parsed(text: str, is_day_first: bool, default: datetime) -> datetime | None:
    from dateutil import parser

    try:
        return parser.parse(text, dayfirst=is_day_first, default=default, tzinfos=_zone)
    except (parser.ParserError, OverflowError, ValueError, TypeError):
        return None


def _zone(name: str | None, offset: int | None) -> Any:
    """The zone of an offset; None without one. Raises ValueError for a name, which stands for
    several zones.
    """
    from dateutil import tz

    if offset is None and name is not None:
        raise ValueError(name)
    return None if offset is None else tz.tzoffset(None, offset)


def json_list(text: str) -> list[str] | None:
    """The texts of a list written as JSON; None where it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return [str(part) for part in value] if isinstance(value, list) else None
