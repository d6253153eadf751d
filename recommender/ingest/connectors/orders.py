"""Orders: what was bought, what went back, and what is no purchase at all.

The lines of an order are the lines of one event, whose id is that of the order: an edited order
replaces what was stored.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
)
from recommender.ingest.connectors.values import number

ALL = float("inf")
"""Refunded amount of an order that was refunded as a whole."""
LEFT_OUT = "an order is {}: its lines are no purchases"
WITHDRAWN = "withdrawn"
"""Field of a record that names stored events that are no more, such as a cancelled order."""
LEAST = 0.005
"""Differences of amounts below it are rounding."""


def key_of(order_id: Any) -> str:
    """The id of the event of an order."""
    return f"order-{order_id}"


def returns_of(key: str) -> str:
    """The id of the event with the returns of an order."""
    return f"{key}-return"


def event_id_of(order_id: Any, kind: str) -> str:
    """The id of a purchase or return of an order that is tracked as an event."""
    key = key_of(order_id)
    return returns_of(key) if kind == "return" else key


@dataclass(frozen=True)
class Order:
    """An order as a format reads it.

    fields: id, occurred_at, user_id, session_id, currency; refunded: amount, or ALL; left_out: why
    it is no purchase
    lines: (row, fields) of each: item_id (or_item_id, and_item_id: other ids of the product,
    item_title: its title), quantity, price or value, discount (of all of the quantity), returned
    (quantity)
    row: the first row of the order
    """

    fields: dict[str, Any]
    lines: list[tuple[Row, dict[str, Any]]]
    row: Row


def returned_amount(status: Any, refunded: Any, total: Any) -> float:
    """What was paid back of an order: 0, an amount, or ALL."""
    word = str(status or "").casefold().replace("-", "_").replace(" ", "_")
    amount, whole = number(refunded) or 0.0, number(total)
    if word in ("refunded", "wc_refunded") and amount == 0:
        return ALL
    if amount and whole is not None and amount >= whole - LEAST:
        return ALL
    return ALL if word in ("refunded", "wc_refunded") and whole is None else amount


def order_format(
    name: str,
    title: str,
    signature: Signature,
    groups: Callable[[Reading, dict[str, list[Table]]], Iterable[list[Row]]],
    order: dict[str, Any],
    line: dict[str, Any],
    **more: Any,
) -> Format:
    """A format whose rows are lines of orders: fields of an order stand on any of its rows."""

    def read(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
        return orders_of(reading, (_order(rows, order, line) for rows in groups(reading, tables)))

    return Format(name, title, {"rows": signature}, read, (EVENTS,), replaces=True, **more)


def _order(rows: list[Row], order: dict[str, Any], line: dict[str, Any]) -> Order:
    fields: dict[str, Any] = {}
    for row in rows:
        missing = {name: source for name, source in order.items() if name not in fields}
        fields |= row.filled(missing)
    return Order(fields, [(row, row.filled(line)) for row in rows], rows[0])


def orders_of(reading: Reading, orders: Iterable[Order]) -> Iterator[Record]:
    """Events of orders: purchases, and returns of what was refunded."""
    for order in orders:
        fields = dict(order.fields)
        if reason := fields.pop("left_out", None):
            for _ in order.lines:
                reading.note(LEFT_OUT.format(reason), fields.get("id"))
            key = key_of(fields.get("id"))
            yield EVENTS, order.row.line, {WITHDRAWN: [key, returns_of(key)]}
            continue
        if "id" not in fields:
            for row, _ in order.lines:
                reading.reject(row, "event_id", "is required: the order has no id")
            continue
        yield from _events(reading, order, fields)


def _events(reading: Reading, order: Order, fields: dict[str, Any]) -> Iterator[Record]:
    refunded = fields.pop("refunded", 0.0)
    key = key_of(fields.pop("id"))
    shared = {**fields, "session_id": fields.get("session_id") or key}
    lines = [(row, dict(line)) for row, line in order.lines]
    for _, line in lines:
        _with_value(line)
    has_returns = False
    left = _marked(reading, [line for _, line in lines], refunded, key)
    for row, line in lines:
        line.pop("returned", None)
        value = line.get("value")
        if value is not None and left < 1:
            line["value"] = round(value * left, 4)
        if not _is_bought(line):
            reading.note("a line of an order has the quantity 0", key)
            continue
        back = line.pop("went_back", 0)
        yield EVENTS, row.line, {**shared, **line, "event_id": key, "type": "purchase"}
        if back:
            yield EVENTS, row.line, _return_of({**shared, **line}, key, back)
            has_returns = True
    if not has_returns:
        yield EVENTS, order.row.line, {WITHDRAWN: [returns_of(key)]}


def _is_bought(line: dict[str, Any]) -> bool:
    return number(line.get("quantity", 1)) != 0


def _with_value(line: dict[str, Any]) -> None:
    """A line's value: its price for all of the quantity, less the discount."""
    price, discount = line.pop("price", None), line.pop("discount", None)
    if "value" in line or price is None:
        return
    amount, quantity = number(price), number(line.get("quantity", 1))
    if amount is None or quantity is None:
        line["price"] = price  # marks and separators are read when it is stored
        return
    line["value"] = round(amount * quantity - (number(discount) or 0), 4)


def _marked(reading: Reading, lines: list[dict[str, Any]], refunded: float, key: str) -> float:
    """Mark the lines that went back; returns the share of the value that is left of the others.

    A refund of an amount is a return of the line with this value; another amount lowers the value
    of all lines.
    """
    for line in lines:
        quantity = number(line.get("quantity", 1)) or 0
        line["went_back"] = quantity if refunded == ALL else number(line.get("returned")) or 0
    if refunded in (0.0, ALL) or any(line["went_back"] for line in lines):
        return 1.0
    same = [line for line in lines if abs(_value(line) - refunded) < LEAST]
    if same:
        same[0]["went_back"] = number(same[0].get("quantity", 1)) or 1
        return 1.0
    total = sum(map(_value, lines))
    reading.note("a refund fits no line of its order: the value of all lines is lowered", key)
    return max(0.0, 1 - refunded / total) if total else 1.0


def _value(line: dict[str, Any]) -> float:
    return number(line.get("value")) or 0.0


def _return_of(line: dict[str, Any], key: str, back: float) -> dict[str, Any]:
    quantity = number(line.get("quantity", 1)) or 1
    returned = {**line, "event_id": returns_of(key), "type": "return", "quantity": back}
    if line.get("value") is not None:
        returned["value"] = round(line["value"] * min(1.0, back / quantity), 4)
    return returned
