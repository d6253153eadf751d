"""Drives the installed Python client: `drive.py URL KEY CALLS`, or `drive.py URL KEY events N`.

CALLS: JSON of calls and saved values. Prints the outcome of each call as JSON.
"""

import json
import sys

from vitrine_client import ApiError, Vitrine, VitrineError

RENAMED = {"filter": "filter_", "type": "type_"}
"""Parameters that are words of Python have an underscore."""


def value(saved, given):
    if isinstance(given, str) and given.startswith("$"):
        return saved[given[1:]]
    if isinstance(given, dict):
        return {name: value(saved, part) for name, part in given.items()}
    return given


def outcome(shop, call, saved):
    arguments = [value(saved, argument) for argument in call.get("args", [])]
    if "body" in call:
        arguments.append(value(saved, call["body"]))
    query = {RENAMED.get(name, name): v for name, v in call.get("query", {}).items()}
    try:
        reply = getattr(shop, call["call"])(*arguments, **query)
    except ApiError as error:
        problem = error.problem
        return {
            "error": type(error).__name__,
            "status": error.status,
            "field": error.errors[0].field if error.errors else None,
            "count": problem.count if problem and isinstance(problem.count, int) else None,
            "detail": problem.detail if problem else None,
            "retry_after": error.retry_after,
        }
    except VitrineError as error:
        return {"error": type(error).__name__, "status": None}
    fields = reply.to_dict() if hasattr(reply, "to_dict") else {}
    for name, field in call.get("save", {}).items():
        saved[name] = fields[field]
    return {"ok": {name: fields.get(name) for name in call.get("check", {})}}


def send_events(shop, number):
    with shop.events(size=3, seconds=0) as events:
        for i in range(number):
            events.add({"type": "view", "user_id": "u", "item_id": f"i-{i}"})
    counts = {"accepted": events.accepted, "duplicate": events.duplicate}
    return counts | {"rejected": len(events.rejected)}


def main(url, key, what, more=None, timeout="10", retries="3"):
    with Vitrine(url, key, timeout=float(timeout), retries=int(retries)) as shop:
        if what == "events":
            return send_events(shop, int(more))
        if what == "pages":
            return [row.item_id for row in shop.pages(shop.list_items, limit=7)]
        task = json.loads(what)
        saved = task["saved"]
        return [outcome(shop, call, saved) for call in task["calls"]]


print(json.dumps(main(*sys.argv[1:])))
