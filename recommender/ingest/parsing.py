"""Parsing of single values: checked, converted, and rejected with a message that names the
field.
"""

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from recommender.ingest import shop_values
from recommender.ingest.errors import FieldError
from recommender.ingest.html_text import plain_text
from recommender.ingest.variants import MOST_VARIANTS, variant_of

LONGEST_ID = 256
LONGEST_TEXT = 20_000
LARGEST_OBJECT = 64 * 1024
"""Size in bytes of an object (attributes, context) as JSON."""
DEEPEST_OBJECT = 16
"""Nesting depth of objects and lists."""
MOST_TEXTS = 250
"""Number of texts in a list, such as categories."""
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000
PLAIN_AMOUNT = re.compile(r"\s*[-+]?\d{1,13}(\.\d{1,12})?\s*", re.ASCII)
LONG_NUMBER = re.compile(r"\d{19}")


@dataclass(frozen=True)
class Parser:
    """How values are read: files hold text and local times, REST holds typed values with a zone.

    Methods return None for a missing value and raise FieldError for an invalid one.
    """

    zone: ZoneInfo | None = None
    """Time zone of dates without one; None: such dates are rejected."""
    typed: bool = False
    """True where numbers have to be numbers, not texts."""
    currency: str = ""
    """The only currency that amounts may have; empty: any."""
    date_order: str = ""
    """Order of day and month in files: dmy or mdy; empty: dates that may be read both ways are
    rejected.
    """
    notes: Counter[str] | None = dataclasses.field(default=None, compare=False)
    """Counts what was changed to fit, such as texts that were cut."""

    def text(self, field: str, value: Any, longest: int = LONGEST_TEXT) -> str | None:
        """Parse a text; None where it is empty. Raises FieldError where it cannot be stored or is
        too long.
        """
        if (
            type(value) is str
            and 0 < len(value) <= longest
            and value.isascii()
            and "\x00" not in value
        ):
            return value
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            if self.typed or isinstance(value, dict | list):
                raise FieldError(field, "must be text")
            value = str(value)
        if "\x00" in value:
            raise FieldError(field, "must not hold a NUL character")
        if len(value) > longest:
            raise FieldError(field, f"is longer than {longest} characters")
        try:
            value.isascii() or value.encode()
        except UnicodeEncodeError:
            raise FieldError(field, "is not valid Unicode text") from None
        return value

    def prose(self, field: str, value: Any, longest: int = LONGEST_TEXT) -> str | None:
        """Parse a text for people; in files, HTML becomes text, and a long text is cut. Raises
        FieldError.
        """
        if not self.typed and isinstance(value, str):
            value = plain_text(value)
            if len(value) > longest:
                value = value[:longest]
                if self.notes is not None:
                    self.notes[f"{field} is cut to {longest:,} characters"] += 1
        return self.text(field, value, longest)

    def id(self, field: str, value: Any) -> str | None:
        """Parse an id; None where it is empty. Raises FieldError."""
        if not self.typed:
            value = _clear(field, shop_values.identity, field, value)
        return self.text(field, value, LONGEST_ID)

    def required_id(self, field: str, value: Any) -> str:
        """Parse an id. Raises FieldError where it is empty or too long."""
        text = self.id(field, value)
        if text is None:
            raise FieldError(field, "is required")
        return text

    def number(self, field: str, value: Any) -> float | None:
        """Parse a finite number; None where it is empty. Raises FieldError where it is none."""
        if value is None or value == "":
            return None
        if isinstance(value, bool) or (self.typed and not isinstance(value, int | float)):
            raise FieldError(field, "must be a number")
        try:
            number = float(value)
        except OverflowError:
            raise FieldError(field, "is out of range") from None
        except (TypeError, ValueError):
            if self._is_missing(value):
                return None
            raise FieldError(field, f"{str(value)[:40]!r} is not a number") from None
        if not math.isfinite(number) or abs(number) > 1e12:
            raise FieldError(field, "is out of range")
        return number

    def _is_missing(self, value: Any) -> bool:
        """True for a word of a file that stands for nothing."""
        return not self.typed and shop_values.is_nothing(value)

    def integer(self, field: str, value: Any) -> int | None:
        """Parse a whole number; None where it is empty. Raises FieldError where it is none."""
        number = self.number(field, value)
        if number is not None and not self.typed and field.endswith("stock_quantity"):
            number = math.ceil(number)  # 5.5 kg
        if number is not None and (number != int(number) or abs(number) > 2**31 - 1):
            raise FieldError(field, "must be a whole number")
        return None if number is None else int(number)

    def money(self, field: str, value: Any) -> float | None:
        """Parse an amount: a number, or a text in plain digits, as JSON sends it to stay exact.
        Raises FieldError.
        """
        if self.typed and isinstance(value, str) and not PLAIN_AMOUNT.fullmatch(value):
            raise FieldError(field, f"{value[:40]!r} is not an amount such as 19.90")
        if value is not None and not isinstance(value, str | int | float):
            raise FieldError(field, "must be an amount such as 19.90")
        if not self.typed and isinstance(value, str) and not _is_float(value):
            return self._written_amount(field, value)
        return None if value is None else Parser(self.zone).number(field, value)

    def _written_amount(self, field: str, value: str) -> float | None:
        """Parse an amount with marks. Raises FieldError, also for another currency."""
        if shop_values.is_nothing(value):
            return None
        amount, mark = _clear(field, shop_values.amount, value.strip())
        if mark and self.currency and not shop_values.is_currency(mark, self.currency):
            raise FieldError(field, f"{value[:40]!r} is not in {self.currency}, this shop's")
        return self.number(field, amount)

    def availability(self, field: str, value: Any) -> str | None:
        """Parse in_stock or out_of_stock; files may hold the words that shops use."""
        text = self.text(field, value)
        return text if self.typed or text is None else shop_values.availability(text)

    def boolean(self, field: str, value: Any) -> bool | None:
        """Parse true or false; None where it is empty. Raises FieldError where it is neither."""
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return value
        if self._is_missing(value):
            return None
        word = str(value).strip().lower()
        if not self.typed and field == "hidden" and word in shop_values.PUBLISHED:
            return not shop_values.PUBLISHED[word]
        if self.typed or word not in shop_values.FLAGS:
            raise FieldError(field, "must be true or false")
        return shop_values.FLAGS[word]

    def published(self, field: str, value: Any) -> bool | None:
        """Parse whether a product is on sale: a flag, in files also a word such as draft. Raises
        FieldError.
        """
        if not self.typed and (flag := shop_values.published(value)) is not None:
            return flag
        return self.boolean(field, value)

    def moment(self, field: str, value: Any) -> datetime | None:
        """Parse a date and time; None where it is empty. Raises FieldError where it is none."""
        if value is None or value == "":
            return None
        if not self.typed and (found := shop_values.epoch(value)) is not None:
            value = found
        if not isinstance(value, datetime):
            if not isinstance(value, str):
                raise FieldError(field, "must be a date and time such as 2026-08-20T09:13:01Z")
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                if self._is_missing(value):
                    return None
                if self.typed:
                    raise FieldError(
                        field, f"{value[:40]!r} is not a date and time such as 2026-08-20T09:13:01Z"
                    ) from None
                value = _clear(field, shop_values.written_date, value, self.date_order)
        if value.tzinfo is None:
            if self.zone is None:
                raise FieldError(
                    field, "has no time zone; write it with Z or an offset such as +02:00"
                )
            value = value.replace(tzinfo=self.zone)
        if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
            raise FieldError(field, "is out of range")
        return value.astimezone(UTC)

    def mapping(self, field: str, value: Any, largest: int = LARGEST_OBJECT) -> dict | None:
        """Parse a JSON object; None where it is empty. Raises FieldError where it is invalid, too
        large or too deep.
        """
        if value is None or value == "":
            return None
        if isinstance(value, str) and not self.typed:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise FieldError(field, "is not a JSON object") from None
        if not isinstance(value, dict):
            raise FieldError(field, "must be an object")
        if value:
            self._check_object(field, value, largest)
        return value

    def _check_object(self, field: str, value: dict, largest: int) -> None:
        """Raises FieldError for JSON that cannot be stored: too deep, too large, out of range, not
        Unicode.
        """
        if depth_exceeds(value, DEEPEST_OBJECT):
            raise FieldError(field, f"is nested deeper than {DEEPEST_OBJECT} levels")
        try:
            written = json.dumps(value, allow_nan=False, ensure_ascii=False)
            size = len(written.encode())
        except UnicodeEncodeError:
            raise FieldError(field, "is not valid Unicode text") from None
        except (ValueError, TypeError):
            raise FieldError(field, "holds a number that is out of range") from None
        if size > largest:
            raise FieldError(field, f"is larger than {largest // 1024} KB")
        if "\\u0000" in written:
            raise FieldError(field, "must not hold a NUL character")
        if LONG_NUMBER.search(written) and not all(
            -(2**63) <= n < 2**64 for n in numbers_in(value) if isinstance(n, int)
        ):
            raise FieldError(field, "holds a number that is out of range")

    def ids(self, field: str, value: Any) -> list[str] | None:
        """Parse a list of ids; empty ones are left out. Raises FieldError."""
        parts = self.texts(field, value)
        return parts and [i for part in parts if (i := self.id(field, part)) is not None]

    def variants(self, field: str, value: Any) -> tuple[dict[str, Any], ...] | None:
        """Parse the variants of a product, in files JSON. Raises FieldError."""
        if value is None or value == "":
            return None
        if isinstance(value, str) and not self.typed:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise FieldError(field, "is not a JSON list") from None
        if not isinstance(value, list | tuple):
            raise FieldError(field, "must be a list of variants")
        if len(value) > MOST_VARIANTS:
            raise FieldError(field, f"holds {len(value):,} variants; at most {MOST_VARIANTS:,} fit")
        variants = [variant_of(self, f"{field}[{i}]", one) for i, one in enumerate(value)]
        if repeated := [i for i, n in Counter(v["id"] for v in variants).items() if n > 1]:
            raise FieldError(field, f"has the id {repeated[0][:60]!r} more than once")
        return tuple(variants)

    def texts(self, field: str, value: Any) -> list[str] | None:
        """Parse a list of texts; in files one text with parts joined by |. Raises FieldError."""
        if value is None or value == "":
            return None
        if isinstance(value, str) and not self.typed:
            value = _listed(value)
        if not isinstance(value, list):
            raise FieldError(field, "must be a list of texts")
        if len(value) > MOST_TEXTS:
            raise FieldError(field, f"holds {len(value):,} texts; at most {MOST_TEXTS} fit")
        return [self.text(f"{field}[{i}]", part) or "" for i, part in enumerate(value)]


def _clear(field: str, read: Callable[..., Any], *values: Any) -> Any:
    """What `read` makes of the values. Raises FieldError where it is unclear."""
    try:
        return read(*values)
    except shop_values.Unclear as error:
        raise FieldError(field, str(error)) from None


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(text: str) -> list:
    """A list written as JSON, or parts joined by |."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            pass  # a name in brackets
    return text.split("|")


def is_number(text: str) -> bool:
    """True for plain digits that fit a primary key."""
    return text.isascii() and text.isdigit() and len(text) < 10


def is_text(value: str) -> bool:
    """True where PostgreSQL can store the text: no NUL, no lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def depth_exceeds(value: Any, most: int) -> bool:
    """True where objects and lists are nested deeper than `most`; does not recurse."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def numbers_in(value: Any) -> Iterator[float]:
    """All numbers in a nested object of bounded depth."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
