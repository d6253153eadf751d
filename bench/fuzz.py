"""Calls every address of the API with what its schema allows and with what it does not; then every
body with nested, huge and broken values.

usage: python -m bench.fuzz SCHEMA BASE_URL KEY CASES; prints {"cases", "faults"} as its last line.
A fault is a 5xx that is no 503 with Retry-After.
"""

import copy
import json
import random
import sys

import hypothesis
import requests
import schemathesis

VALUES = [
    None,
    True,
    0,
    -1,
    10**30,
    1e308,
    "",
    " ",
    "x" * 5000,
    "\x00",
    "\ud800",
    "９",
    "-1",
    [],
    {},
    [[]],
    ["\ud800"],
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    {"a": "\ud800"},
    [None],
    2**63,
    -(2**63) - 1,
    0.1,
    "1e400",
]
DEEP = [20, 260, 400, 980, 5000]
EVENT = {
    "event_id": "fuzz",
    "type": "purchase",
    "user_id": "u",
    "item_id": "22423",
    "occurred_at": "2026-01-01T00:00:00Z",
    "items": [{"item_id": "22423"}],
}
BODIES = {
    "recommendations": {
        "placement": "home_top",
        "user_id": "u",
        "session_id": "s",
        "limit": 5,
        "filter": "price < :x",
        "params": {"x": 5},
        "diversity": 0.3,
        "context": {
            "item_ids": ["22423"],
            "interests": ["lamp"],
            "country": "SE",
            "entry_item_id": "22423",
        },
        "explain": "full",
        "hydrate": True,
    },
    "recommendations:page": {"placements": [{"placement": "home_top", "limit": 3}], "user_id": "u"},
    "recommendations:batch": {"placement": "home_top", "user_ids": ["u"], "limit": 3},
    "recommendations:rows": {"user_id": "12583", "rows": 2, "elsewhere": ["22423"]},
    "rerank": {"item_ids": ["22423", "23084"], "user_id": "12583"},
    "predictions": {"item_ids": ["22423"], "user_id": "u"},
    "events": {"events": [EVENT]},
    "items:batch": {
        "items": [
            {"item_id": "fuzz", "title": "x", "attributes": {"a": [1]}, "price": {"amount": "1.00"}}
        ]
    },
    "PUT items/fuzz": {
        "title": "x",
        "description": "d",
        "brand": "b",
        "categories": ["c"],
        "price": {"amount": "1.00", "currency": "GBP"},
        "attributes": {"a": 1},
        "images": ["https://x/y.png"],
        "stock": {"state": "in_stock", "quantity": 1},
        "available_from": "2026-01-01T00:00:00Z",
        "margin_rate": 0.1,
    },
    "PATCH items/fuzz": {"hidden": True, "stock": {"quantity": 1}},
    "PUT users/fuzz": {
        "attributes": {"a": 1},
        "consent": {"personalisation": True},
        "merged_from": ["s"],
    },
    "PATCH users/fuzz": {"consent": {"training": True}},
    "training-jobs": {
        "recipe": "nosuch",
        "set": {"text.steps": 5},
        "data": {"from": "2026-01-01", "to": "2026-02-01"},
        "promote": "never",
    },
    "models/rollback": {"purpose": "nosuch"},
}


def is_fault(reply: requests.Response | schemathesis.Response) -> bool:
    return reply.status_code >= 500 and not (
        reply.status_code == 503 and "retry-after" in {name.lower() for name in reply.headers}
    )


def by_schema(path: str, base: str, key: str, cases: int) -> tuple[int, list[str]]:
    """schemathesis: so many cases over all operations; nothing that starts a training or moves
    the champion.
    """
    schema = schemathesis.openapi.from_path(path)
    schema.config.update(base_url=base)
    operations = [
        one.ok()
        for one in schema.get_all_operations()
        if not any(w in one.ok().path for w in ("training-jobs", "promote", "rollback"))
    ]
    done, faults = 0, []
    for operation in operations:

        @hypothesis.settings(
            max_examples=max(1, cases // len(operations)),
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            database=None,
            phases=[hypothesis.Phase.generate],
            derandomize=True,
        )
        @hypothesis.given(case=operation.as_strategy())
        def call(case) -> None:
            nonlocal done
            reply = case.call(headers={"Authorization": f"Bearer {key}"})
            done += 1
            if is_fault(reply):
                faults.append(
                    f"{reply.status_code} {case.method} {case.path} {str(case.body)[:200]}"
                )

        call()
    return done, faults


def places(value, at=()):
    """Every place of a body."""
    yield at
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for name, inner in children:
        yield from places(inner, (*at, name))


def put_at(body, at: tuple, value):
    if not at:
        return value
    body = copy.deepcopy(body)
    inner = body
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    return body


def by_hand(base: str, key: str) -> tuple[int, list[str]]:
    """Each place of each body with each value; deep ones are written by hand, since Python's
    own encoder gives up on them.
    """
    session, done, faults = requests.Session(), 0, []
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for name, body in BODIES.items():
        method, _, path = name.rpartition(" ")
        texts = [json.dumps(put_at(body, at, value)) for at in places(body) for value in VALUES]
        for at in places(body):
            texts += [
                json.dumps(put_at(body, at, "@")).replace('"@"', '{"a":' * deep + "1" + "}" * deep)
                for deep in DEEP
            ]
            texts += [
                json.dumps(put_at(body, at, "@")).replace('"@"', "[" * deep + "1" + "]" * deep)
                for deep in DEEP
            ]
        texts += [
            json.dumps({**body, "\ud800": 1}),
            json.dumps({**body, "x" * 10_000: 1}),
            "[]",
            "1",
            "null",
            '"x"',
            "{",
            "",
            "\ufeff{}",
            "NaN",
        ]
        for text in texts:
            reply = session.request(
                method or "POST",
                f"{base}/api/v1/{path}",
                data=text.encode("utf-8", "surrogatepass"),
                headers=headers,
            )
            done += 1
            if is_fault(reply):
                faults.append(f"{reply.status_code} {name} {text[:200]}")
    return done, faults


def main(path: str, base: str, key: str, cases: str) -> None:
    random.seed(7)
    done, faults = by_hand(base, key)
    more, other = by_schema(path, base, key, int(cases))
    for fault in (faults + other)[:50]:
        print(fault, file=sys.stderr)
    print(json.dumps({"cases": done + more, "faults": faults + other}))


if __name__ == "__main__":
    main(*sys.argv[1:])
