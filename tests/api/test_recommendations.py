"""REST, as a shop's program calls it."""

import pytest

from recommender.serving import shop_state
from tests.api.request_bodies import ask, purchase, why


def test_a_personal_list_has_the_contracts_shape(live_shop, api):
    reply = ask(api, explain="full")
    assert reply.status_code == 200
    body = reply.json()
    assert (
        body["fallback"] == {"used": False, "kind": None}
        and body["model_version"] == "fusion@1"
        and body["recommendation_id"].startswith("r-")
    )
    assert [i["position"] for i in body["items"]] == [1, 2, 3, 4, 5]
    first = body["items"][0]
    assert {
        "item_id",
        "position",
        "score",
        "score_kind",
        "source",
        "rule",
        "reasons",
    } <= first.keys()
    assert first["explanation"]["base"] + sum(
        first["explanation"]["contributions"].values()
    ) == pytest.approx(first["score"], abs=1e-4)


def test_shares_of_the_history_are_told_in_full(live_shop, api):
    items = ask(api, explain="full").json()["items"]
    explained = next(i for i in items if i["explanation"]["history"])
    shares = [row["share"] for row in explained["explanation"]["history"]]
    assert (
        shares == sorted(shares, reverse=True)
        and sum(shares) == pytest.approx(1, abs=1e-2)
        and explained["because"] == explained["explanation"]["history"][0]
    )


def test_why_not_tells_the_stage_and_what_speaks_against(live_shop, api):
    wanted = {"placement": "home_top", "user_id": "shopper-003"}
    listed = [i["item_id"] for i in ask(api, limit=40).json()["items"]]
    shown = why(api, **{**wanted, "item_id": listed[0]}).json()
    assert (shown["stage"], shown["place"]) == ("shown", 1)
    lost = why(api, **{**wanted, "item_id": listed[20]}).json()
    assert (lost["stage"], lost["place"]) == ("ranked", 21) and lost["score"] < lost["last_score"]
    assert sum(lost["against"].values()) == pytest.approx(
        lost["score"] - lost["last_score"], abs=1e-4
    )
    live_shop.products.filter(item_id=listed[0]).update(hidden=True)
    assert why(api, **{**wanted, "item_id": listed[0]}).json()["stage"] == "hidden"
    assert (
        why(api, **{**wanted, "user_id": "nobody", "item_id": listed[1]}).json()["stage"]
        == "no_list"
    )


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"placement": "basket"}, 400, "placement"),
        ({"item_id": "none"}, 404, "item_id"),
        ({"item_id": None}, 400, "item_id"),
    ],
)
def test_why_not_refuses_what_it_cannot_answer(live_shop, api, fields, status, field):
    query = {
        k: v
        for k, v in {
            "placement": "home_top",
            "user_id": "shopper-003",
            "item_id": "LA/0",
            **fields,
        }.items()
        if v
    }
    reply = why(api, **query)
    assert reply.status_code == status and field in reply.content.decode()


def test_explain_off_gives_no_reasons(live_shop, api):
    assert all(
        i["reasons"] == [] and i["because"] is None for i in ask(api, explain="off").json()["items"]
    )


def test_the_next_list_knows_an_event_at_once(live_shop, api):
    before = [i["item_id"] for i in ask(api, limit=20, placement="discover").json()["items"]]
    gone = before[0]
    assert (
        api("post", "events", {"events": [purchase(items=[{"item_id": gone}])]}).json()["accepted"]
        == 1
    )
    after = [i["item_id"] for i in ask(api, limit=20, placement="discover").json()["items"]]
    assert gone not in after and after != before


@pytest.mark.parametrize(
    "who",
    [{"user_id": "nobody/at all ü"}, {"user_id": None, "session_id": "fresh"}, {"user_id": None}],
)
def test_the_unknown_get_a_list_and_are_told_so(live_shop, api, who):
    body = ask(api, **who).json()
    assert len(body["items"]) == 5 and body["fallback"] == {"used": True, "kind": "popular"}


def test_an_empty_shop_is_told_so(shop, api):
    body = ask(api).json()
    assert body["items"] == [] and body["fallback"] == {"used": True, "kind": "empty_catalogue"}


def test_a_basket_and_a_product_page(live_shop, api):
    for placement in ("basket", "product_page"):
        body = ask(api, placement=placement, context={"item_ids": ["LA/0", "LA/1"]}).json()
        assert len(body["items"]) == 5 and not {"LA/0", "LA/1"} & {
            i["item_id"] for i in body["items"]
        }


def test_related_takes_an_id_with_a_slash(live_shop, api):
    body = api("get", "items/related?item_id=LA%2F0&limit=4").json()
    assert (
        len(body["items"]) == 4 and sum(i["item_id"].startswith("LA/") for i in body["items"]) >= 3
    )


def test_a_filter_narrows_every_kind_of_list(live_shop, api):
    for reply in (
        ask(api, filter="price.amount < :max", params={"max": 4}),
        ask(api, user_id="never seen", filter="price < 4"),
        ask(api, placement="basket", context={"item_ids": ["LA/0"]}, filter="price < 4"),
        api("get", "items/related?item_id=LA%2F0&limit=4&filter=price%20%3C%204"),
    ):
        items = [i["item_id"] for i in reply.json()["items"]]
        assert (
            len(items) >= 4
            and not live_shop.products.filter(item_id__in=items, price__gte=4).exists()
        )
    assert (
        api("get", "items/related?item_id=LA%2F0&filter=price").json()["errors"][0]["field"]
        == "filter"
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"placement": "nowhere"}, "placement"),
        ({"placement": None}, "placement"),
        ({"user_id": 5}, "user_id"),
        ({"user_id": "a\x00"}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"explain": "why"}, "explain"),
        ({"filter": "price < cheap"}, "filter"),
        ({"filter": 3}, "filter"),
        ({"filter": "price < :max"}, "params.max"),
        ({"filter": "price < :max", "params": {"max": "3"}}, "params.max"),
        ({"params": 3}, "params"),
        ({"diversity": 2}, "diversity"),
        ({"diversity": "0.3"}, "diversity"),
        ({"diversity": -0.1}, "diversity"),
        ({"context": []}, "context"),
        ({"context": {"item_ids": "a"}}, "context"),
        ({"placement": "basket"}, "context.item_ids"),
    ],
)
def test_a_wrong_request_names_the_field(live_shop, api, fields, field):
    reply = ask(api, **fields)
    assert reply.status_code == 400 and reply["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert (
        body["errors"][0]["field"] == field
        and body["status"] == 400
        and body["title"] == "Bad Request"
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        (b"\xff\xfe", "UTF-8"),
        ('{"limit": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_malformed_json_is_a_clear_400(live_shop, api, body, says):
    reply = api("post", "recommendations", body)
    assert reply.status_code == 400 and says in reply.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "training-jobs/job-x",
        "training-jobs/99999999999999999999",
        "items/none",
        "users/none",
        "items/related?item_id=none",
        "nothing/here",
    ],
)
def test_what_is_not_there_is_a_404_problem(shop, api, path):
    reply = api("get", path)
    assert reply.status_code == 404 and reply["Content-Type"] == "application/problem+json"


def test_health_needs_no_key(client, db):
    assert client.get("/api/v1/health/live").json() == {"status": "ok"}
    assert client.get("/api/v1/health/ready").json()["checks"] == {
        "database": "ok",
        "queue": "ok",
        "search": "ok",
    }


def test_schema_and_docs_are_open(client, db):
    assert (
        client.get("/api/schema").status_code == 200 and client.get("/api/docs").status_code == 200
    )


def test_a_stored_list_costs_few_queries(live_shop, api, django_assert_max_num_queries):
    ask(api)
    with django_assert_max_num_queries(8):
        ask(api)


def test_an_unknown_address_is_a_problem_for_any_client(shop):
    from django.test import Client

    for path in ("search/things", "recommendations/"):
        reply = Client(enforce_csrf_checks=True).post(
            f"/api/v1/{path}", b"{}", content_type="application/json"
        )
        assert reply.status_code == 404 and reply["Content-Type"] == "application/problem+json"


def test_a_given_list_is_put_in_order_for_a_shopper(live_shop, api):
    hidden = ask(api, limit=4).json()["items"][-1]["item_id"]
    live_shop.products.filter(item_id=hidden).update(hidden=True)
    shop_state.clear()
    personal = [i["item_id"] for i in ask(api, limit=12).json()["items"]]
    live_shop.products.create(item_id="fresh", title="came after the training")
    given = ["fresh", *reversed(personal), "nowhere", personal[0], hidden]
    reply = api("post", "rerank", {"item_ids": given, "user_id": "shopper-003"}).json()
    listed = [i["item_id"] for i in reply["items"]]
    assert listed == [*personal, "fresh"] and reply["left_out"] == ["nowhere", hidden]
    assert [i["position"] for i in reply["items"]] == list(range(1, len(listed) + 1)) and all(
        i["reasons"] for i in reply["items"][:-1]
    )
    full = api(
        "post", "rerank", {"item_ids": given, "user_id": "shopper-003", "explain": "full"}
    ).json()["items"][0]
    assert full["explanation"]["base"] + sum(
        full["explanation"]["contributions"].values()
    ) == pytest.approx(full["score"], abs=1e-4)
    scores = [i["score"] for i in reply["items"]]
    assert (
        scores[:-1] == sorted(scores[:-1], reverse=True)
        and scores[-1] is None
        and reply["fallback"] == {"used": False, "kind": None}
    )


@pytest.mark.parametrize("who", [{}, {"user_id": "nobody"}, {"session_id": "s-1"}])
def test_where_nothing_is_known_a_given_list_stays_as_it_was(live_shop, api, who):
    reply = api("post", "rerank", {"item_ids": ["GA/1", "LA/1", "TE/1"], **who}).json()
    assert [i["item_id"] for i in reply["items"]] == ["GA/1", "LA/1", "TE/1"] and reply["fallback"][
        "kind"
    ] == "as_given"


def test_without_consent_a_given_list_stays_as_it_was(live_shop, api):
    live_shop.shoppers.filter(user_id="shopper-003").update(consent_personalisation=False)
    reply = api("post", "rerank", {"item_ids": ["GA/1", "LA/1"], "user_id": "shopper-003"}).json()
    assert [i["item_id"] for i in reply["items"]] == ["GA/1", "LA/1"] and reply["fallback"][
        "kind"
    ] == "no_consent"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "item_ids"),
        ({"item_ids": []}, "item_ids"),
        ({"item_ids": "LA/1"}, "item_ids"),
        ({"item_ids": ["x"] * 10_000}, "item_ids"),
        ({"item_ids": [3]}, "item_ids.0"),
        ({"item_ids": ["LA/1"], "limit": 3}, "limit"),
    ],
)
def test_a_wrong_list_to_put_in_order_is_refused(live_shop, api, body, field):
    reply = api("post", "rerank", body)
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == field


def test_a_page_shows_no_product_twice(live_shop, api):
    page = [
        {"placement": "home_top", "limit": 6},
        {"placement": "discover"},
        {"placement": "product_page", "context": {"item_ids": ["LA/0"]}},
        {"placement": "home_top", "limit": 4, "filter": "price < :most", "params": {"most": 9}},
    ]
    for user in ("shopper-003", "nobody"):
        reply = api("post", "recommendations:page", {"placements": page, "user_id": user}).json()
        items = [item["item_id"] for result in reply["lists"] for item in result["items"]]
        assert [len(result["items"]) for result in reply["lists"]] == [6, 6, 6, 4] and len(
            set(items)
        ) == len(items)
        assert [result["placement"] for result in reply["lists"]] == [
            one["placement"] for one in page
        ]
        assert all(
            [i["position"] for i in result["items"]] == list(range(1, len(result["items"]) + 1))
            for result in reply["lists"]
        )
        more = api("post", "recommendations", {"next": reply["lists"][1]["next"]}).json()
        assert more["items"] and not {i["item_id"] for i in more["items"]} & {
            i["item_id"] for result in reply["lists"][:2] for i in result["items"]
        }
    assert [i["item_id"] for i in ask(api, limit=6).json()["items"]] == [
        i["item_id"]
        for i in api(
            "post", "recommendations:page", {"placements": page, "user_id": "shopper-003"}
        ).json()["lists"][0]["items"]
    ]


@pytest.mark.parametrize(
    ("placements", "field"),
    [
        ([], "placements"),
        ("home_top", "placements"),
        ([{"placement": "home_top"}] * 21, "placements"),
        ([{"placement": "home_top"}, {}], "placements[1].placement"),
        ([{"placement": "home_top", "user_id": "x"}], "placements[0].user_id"),
        ([{"placement": "home_top", "limit": 0}], "placements[0].limit"),
        ([{"placement": "home_top", "filter": "price"}], "placements[0].filter"),
        ([{"placement": "basket"}], "placements[0].context.item_ids"),
    ],
)
def test_a_wrong_page_names_the_field(live_shop, api, placements, field):
    reply = api(
        "post", "recommendations:page", {"placements": placements, "user_id": "shopper-003"}
    )
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == field
