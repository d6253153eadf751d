"""Placements over REST."""

import pytest

from recommender.infrastructure import process_caches
from recommender.models import Placement, Shop
from tests.api.request_bodies import ask, field_of

PLAIN = {
    "placement": "sale",
    "name": "Sale",
    "kind": "personal",
    "size": 4,
    "only_new": False,
    "model_version": None,
    "fallbacks": ["popular"],
    "filter": "price < :max",
    "filter_values": {"max": 5},
    "diversity": 0.2,
    "tail_percent": 10,
    "explore_percent": 0,
    "rules": [{"effect": "hide", "item_ids": ["GA/1"]}],
    "experiment": None,
}


def test_a_placement_is_made_used_changed_and_deleted(live_shop, api):
    made = api("put", "placements/sale", PLAIN)
    assert made.status_code == 201 and made.json() == PLAIN
    assert api("get", "placements/sale").json() == PLAIN
    process_caches.clear_all()
    items = ask(api, placement="sale", limit=4, hydrate=True).json()["items"]
    assert items and all(float(i["item"]["price"]["amount"]) < 5 for i in items)
    changed = api("patch", "placements/sale", {"filter_values": {"max": 3}}).json()
    assert changed == {**PLAIN, "filter_values": {"max": 3}}
    replaced = api("put", "placements/sale", {"kind": "trending"})
    assert replaced.status_code == 200
    assert replaced.json()["filter"] == "" and replaced.json()["name"] == "sale"
    assert replaced.json()["fallbacks"] == list(Placement.CHAIN)
    assert [p["placement"] for p in api("get", "placements?kind=trending").json()["items"]] == [
        "sale"
    ]
    assert api("delete", "placements/sale").status_code == 204
    process_caches.clear_all()
    assert field_of(ask(api, placement="sale")) == "placement"
    assert api("delete", "placements/sale").status_code == 404
    trail = live_shop.audit.filter(subject__startswith="placement")
    assert [entry.action for entry in trail] == ["deleted", "changed", "changed", "added"]
    assert "filter_values" in trail[2].detail


def test_a_placement_takes_a_version(live_shop, api, register):
    second = register(live_shop)
    body = api("patch", "placements/home_top", {"model_version": second.label}).json()
    assert body["model_version"] == second.label
    process_caches.clear_all()
    assert ask(api).json()["model_version"] == second.label
    assert (
        api("patch", "placements/home_top", {"model_version": None}).json()["model_version"] is None
    )


def test_a_filter_that_lets_nothing_pass_is_asked_about(live_shop, api):
    refused = api("patch", "placements/home_top", {"filter": "price > 1000"})
    assert refused.status_code == 409 and "none of 40 products" in refused.json()["detail"]
    assert Placement.objects.get(shop=live_shop, key="home_top").filter == ""
    path = "placements/home_top?although_empty=true"
    assert api("patch", path, {"filter": "price > 1000"}).status_code == 200
    assert api("patch", "placements/home_top", {"size": 5}).status_code == 200  # unchanged filter


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"placement": "other"}, "placement"),
        ({"kind": "odd"}, "kind"),
        ({"size": 0}, "size"),
        ({"size": 101}, "size"),
        ({"filter": "prize < 3"}, "filter"),
        ({"filter": "price < :max"}, "filter_values.max"),
        ({"filter_values": []}, "filter_values"),
        ({"fallbacks": ["magic"]}, "fallbacks.0"),
        ({"diversity": 2}, "diversity"),
        ({"model_version": "fusion@99"}, "model_version"),
        ({"rules": [{"effect": "pin"}]}, "rules[0]"),
        ({"experiment": {"key": "x"}}, "experiment.arms"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_placement_names_its_field(live_shop, api, body, field):
    for method in ("put", "patch"):
        assert field_of(api(method, "placements/home_top", body)) == field


@pytest.mark.parametrize("key", ["Upper", "a b", "-a", "x" * 65, "é"])
def test_a_key_of_a_placement_is_plain(live_shop, api, key):
    assert field_of(api("put", f"placements/{key}", {})) == "placement"


def test_placements_belong_to_their_shop(live_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    Placement.objects.create(shop=other, key="theirs", name="x")
    assert api("get", "placements/theirs").status_code == 404
    assert "theirs" not in {p["placement"] for p in api("get", "placements").json()["items"]}
