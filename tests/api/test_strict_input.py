"""Bounds and types at every door: nested, huge and half characters, extreme dates, unknown
fields; the same in single and batch calls.
"""

import json

import pytest

from recommender.models import Product, Shopper
from tests.api.request_bodies import field_of

HALF = "\ud800"


class Deep:
    """An object nested so deep that Python's own encoder gives up: it is written by hand."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __str__(self) -> str:
        return '{"a":' * self.depth + '"x"' + "}" * self.depth


def nested(depth: int):
    if depth > 300:
        return Deep(depth)
    inside = "x"
    for _ in range(depth):
        inside = {"a": inside}
    return inside


def written(body) -> str:
    deep: list[str] = []

    def mark(value: Deep) -> str:
        deep.append(str(value))
        return f"@deep{len(deep) - 1}@"

    text = json.dumps(body, default=mark)
    for n, one in enumerate(deep):
        text = text.replace(f'"@deep{n}@"', one)
    return text


@pytest.fixture
def api(api):
    return lambda method, path, body=None: api(
        method, path, body if body is None or isinstance(body, str) else written(body)
    )


TOO_MUCH = {
    "deep": nested(17),
    "very deep": nested(260),
    "deeper than the encoder": Deep(980),
    "large": {"a": "x" * 70_000},
    "half a character": {"a": HALF},
    "nul": {"a": "\x00"},
    "infinite": {"a": [1e308 * 10]},
}


@pytest.mark.parametrize("attributes", TOO_MUCH.values(), ids=TOO_MUCH)
def test_attributes_that_cannot_be_given_back_are_refused_at_every_door_and_nothing_is_stored(
    live_shop, api, attributes
):
    if attributes == TOO_MUCH["infinite"]:
        attributes = '{"a": [1e999]}'
        body = f'{{"title": "x", "attributes": {attributes}}}'
        batch = f'{{"items": [{{"item_id": "N", "title": "x", "attributes": {attributes}}}]}}'
        user = f'{{"attributes": {attributes}}}'
    else:
        body, user = {"title": "x", "attributes": attributes}, {"attributes": attributes}
        batch = {"items": [{"item_id": "N", "title": "x", "attributes": attributes}]}
    named = "body" if isinstance(attributes, Deep) else "attributes"
    assert field_of(api("put", "items/N", body)) == named
    assert field_of(api("patch", "items/LA%2F0", body)) == named
    reply = api("post", "items:batch", batch)
    if isinstance(attributes, Deep):
        assert reply.status_code == 400
    else:
        assert (
            reply.json()["rejected"] == 1
            and reply.json()["results"][0]["error"]["field"] == "attributes"
        )
    assert field_of(api("put", "users/N", user)) == named
    assert (
        not Product.objects.filter(item_id="N").exists()
        and not Shopper.objects.filter(user_id="N").exists()
    )


def test_numbers_beyond_64_bits_come_back(live_shop, api):
    assert (
        api(
            "put", "items/N", '{"title": "x", "attributes": {"a": 1000000000000000000000000000000}}'
        ).status_code
        == 201
    )
    assert float(api("get", "items/N").json()["attributes"]["a"]) == 1e30
    assert (
        api(
            "put",
            "items/N",
            '{"title": "\\ud800", "attributes": {"a": 1000000000000000000000000000000}}',
        ).status_code
        == 400
    )


def test_attributes_within_the_bounds_come_back_as_they_were(live_shop, api):
    attributes = {
        "deep": nested(14),
        "number": 2**63 - 1,
        "negative": -(2**63),
        "list": [1.5, "ü", None, True],
        "large": "x" * 60_000,
    }
    assert api("put", "items/N", {"title": "x", "attributes": attributes}).status_code == 201
    assert api("get", "items/N").json()["attributes"] == attributes


@pytest.mark.parametrize("name", ["categories", "images"])
def test_lists_of_a_product_are_bounded(live_shop, api, name):
    assert field_of(api("put", "items/N", {"title": "x", name: ["c"] * 251})) == name
    assert api("put", "items/N", {"title": "x", name: ["c"] * 250}).status_code == 201


BODIES = {
    "recommendations": ("recommendations", {"placement": "home_top"}),
    "batch": ("recommendations:batch", {"placement": "home_top", "user_ids": ["u"]}),
    "rows": ("recommendations:rows", {"user_id": "shopper-003"}),
    "page": ("recommendations:page", {"placements": [{"placement": "home_top"}]}),
}
WRONG = [
    ("params", nested(1000)),
    ("params", {"a": HALF}),
    ("params", [1]),
    ("context", nested(1000)),
    ("context", {"x": HALF}),
    ("context", {"interests": [HALF]}),
    ("context", {"item_ids": [HALF]}),
    ("context", {"item_ids": [nested(1000)]}),
    ("context", {"country": HALF}),
    ("filter", HALF),
    ("user_id", HALF),
    ("user_id", nested(1000)),
    ("session_id", "x" * 257),
    ("explain", nested(1000)),
    ("explain", HALF),
    ("limit", nested(1000)),
    ("next", HALF),
    ("diversity", nested(1000)),
    (HALF, 1),
    ("simulated", nested(1000)),
]


@pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    ("field", "value"), WRONG, ids=[f"{n}-{field!a}" for n, (field, _) in enumerate(WRONG)]
)
def test_a_list_request_with_a_value_out_of_bounds_is_a_400(
    live_shop, api, path, body, field, value
):
    assert api("post", path, {**body, field: value}).status_code == 400
    if path.endswith("page"):
        assert (
            api("post", path, {"placements": [{"placement": "home_top", field: value}]}).status_code
            == 400
        )


def test_ids_of_other_bodies_are_checked_alike(live_shop, api):
    assert (
        field_of(
            api("post", "recommendations:batch", {"placement": "home_top", "user_ids": [HALF]})
        )
        == "user_ids"
    )
    for bad in (HALF, "x" * 257, "", "\x00", 7, nested(3)):
        assert field_of(api("put", "users/u", {"merged_from": [bad]})) == "merged_from"
        assert api("post", "rerank", {"item_ids": [bad]}).status_code == 400
        assert api("post", "predictions", {"item_ids": [bad]}).status_code == 400
    assert not Shopper.objects.filter(user_id="u").exists()


@pytest.mark.parametrize(
    "day", ["0001-01-01", "9999-12-31", "1969-12-31", "9001-01-01", "2026-02-30", HALF]
)
@pytest.mark.parametrize("name", ["from", "to"])
def test_days_out_of_range_are_refused_wherever_days_are_given(live_shop, api, name, day):
    from urllib.parse import quote

    given = quote(day.encode("utf-8", "surrogatepass"))
    assert field_of(api("get", f"analytics?{name}={given}")) == name
    assert field_of(api("get", f"analytics/exploration?placement=home_top&{name}={given}")) == name
    assert field_of(
        api("post", "training-jobs", {"recipe": "fusion", "data": {name: day}})
    ).startswith("data.")


@pytest.mark.parametrize(
    "path",
    [
        "items/related?item_id=LA%2F0&limti=3",
        "items/shoppers?item_id=LA%2F0&limti=3",
        "models?porpose=x",
        "analytics?form=2026-01-01",
        "recommendations/why-not?placement=home_top&user_id=u&item_id=LA%2F0&x=1",
    ],
)
def test_a_query_with_an_unknown_field_names_it(live_shop, api, path):
    assert field_of(api("get", path)) in ("limti", "porpose", "form", "x")


EVENT = {
    "event_id": "e-1",
    "type": "purchase",
    "user_id": "u",
    "item_id": "LA/0",
    "occurred_at": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"recomendation_id": "r"}, "recomendation_id"),
        ({"currency": "USD"}, "currency"),
        ({"type": "rating"}, "rating"),
        ({"type": "rating", "rating": 1e9}, "rating"),
        ({"type": "rating", "rating": -5}, "rating"),
        ({"type": "view", "quantity": -1}, "quantity"),
        ({"type": "view", "quantity": 0}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"price": "1_000"}, "price"),
        ({"price": "١٢"}, "price"),
        ({"price": nested(300)}, "price"),
        ({"value": nested(300)}, "value"),
        ({"value": -1_000_000}, "value"),
        ({"value": True}, "value"),
        ({"price": "5", "discount": "6"}, "discount"),
        ({"price": "5", "discount": "-1"}, "discount"),
        ({"price": 0}, "price"),
        ({"type": "search"}, "query"),
        ({"type": "search", "item_id": None}, "query"),
        ({"context": nested(300)}, "context"),
        ({"items": [{"item_id": "LA/0", "colour": "red"}]}, "items[0].colour"),
        ({"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ({"user_id": HALF}, "user_id"),
        ({"user_id": nested(300)}, "user_id"),
        ({"type": nested(300)}, "type"),
        ({"position": 0}, "position"),
        ({"simulated": "yes"}, "simulated"),
    ],
)
def test_a_wrong_event_is_refused_and_its_field_named(live_shop, api, fields, field):
    reply = api("post", "events", {"events": [{**EVENT, **fields}, {**EVENT, "event_id": "good"}]})
    assert reply.status_code == 202, reply.content
    assert [result["status"] for result in reply.json()["results"]] == ["rejected", "accepted"]
    assert reply.json()["results"][0]["error"]["field"] == field


def test_right_events_are_taken(live_shop, api):
    more = [
        {
            "price": "19.90",
            "quantity": 2,
            "discount": "1.00",
            "currency": "EUR",
            "context": {"device": "mobile"},
        },
        {"quantity": -1, "price": 3},
        {"type": "rating", "rating": 5},
        {"type": "search", "item_id": None, "query": "lamp"},
        {"type": "return", "quantity": 1},
        {"value": "0"},
    ]
    reply = api(
        "post",
        "events",
        {"events": [{**EVENT, "event_id": f"e-{n}", **fields} for n, fields in enumerate(more)]},
    ).json()
    assert reply["accepted"] == len(more), reply


def test_a_product_of_a_batch_needs_a_title_where_it_is_new(live_shop, api):
    items = [
        {"item_id": "N"},
        {"item_id": "M", "title": ""},
        {"item_id": "LA/0", "hidden": True},
        {"item_id": "LA/1", "title": ""},
    ]
    reply = api("post", "items:batch", {"items": items}).json()
    assert [r["status"] for r in reply["results"]] == [
        "rejected",
        "rejected",
        "accepted",
        "rejected",
    ]
    assert {r["error"]["field"] for r in reply["results"] if "error" in r} == {"title"}
    assert (
        not Product.objects.filter(item_id__in=["N", "M"]).exists()
        and Product.objects.get(item_id="LA/1").title
    )


def test_a_price_comes_back_with_its_cents(live_shop, api):
    for given, shown in (
        ("19.90", "19.90"),
        (20, "20.00"),
        ("0.0035", "0.0035"),
        ("7.125", "7.125"),
    ):
        assert (
            api("put", "items/N", {"title": "x", "price": {"amount": given}}).json()["price"][
                "amount"
            ]
            == shown
        )


def test_a_version_is_found_by_its_number_or_its_whole_name(live_shop, api):
    assert api("post", "models/intent@1/promote").status_code == 404
    assert api("post", "models/١/promote").status_code == 404
    run = live_shop.runs.first()
    assert api("get", f"training-jobs/job-{run.pk}").status_code == 200
    arabic = str(run.pk).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    assert api("get", f"training-jobs/job-{arabic}").status_code == 404


def test_a_blank_filter_means_none(live_shop, api):
    for blank in ("", "  ", "\n"):
        assert (
            api("post", "recommendations", {"placement": "home_top", "filter": blank}).status_code
            == 200
        )


@pytest.mark.parametrize(
    "value", ["(" * 990, "[" * 990 + "]" * 990, "x" * 2000, "9" * 900, nested(15)]
)
def test_a_value_that_cannot_be_read_names_its_field(live_shop, api, value):
    reply = api("post", "training-jobs", {"recipe": "fusion", "set": {"text.steps": value}})
    assert field_of(reply) == "set.text.steps" and len(reply.json()["detail"]) < 300
