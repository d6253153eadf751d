"""What breaks clients of an older schema is found; what does not is let through."""

import copy
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from recommender.api.http.compatibility import breaking_changes

RELEASED = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())


def changed(change):
    schema = copy.deepcopy(RELEASED)
    change(schema)
    return breaking_changes(RELEASED, schema)


def components(schema):
    return schema["components"]["schemas"]


def parameters(schema, path="/api/v1/items", method="get"):
    return schema["paths"][path][method]["parameters"]


BREAKING = {
    "GET /api/v1/recipes is gone": lambda s: s["paths"].pop("/api/v1/recipes"),
    "DELETE /api/v1/items/{item_id} is gone": lambda s: s["paths"]["/api/v1/items/{item_id}"].pop(
        "delete"
    ),
    ".took_ms is gone": lambda s: components(s)["RecommendationReply"]["properties"].pop("took_ms"),
    ".took_ms may be missing now": lambda s: components(s)["RecommendationReply"][
        "required"
    ].remove("took_ms"),
    "is string, not integer": lambda s: components(s)["RecommendationReply"]["properties"].update(
        took_ms={"type": "string"}
    ),
    ".placement may be null now": lambda s: components(s)["FacetsReply"]["properties"][
        "placement"
    ].update(nullable=True),
    "body.colour is required now": lambda s: components(s)["PurgeRequest"].update(
        required=["target", "colour"]
    ),
    "body.confirm is gone": lambda s: components(s)["PurgeRequest"]["properties"].pop("confirm"),
    "the value 'thing'": None,
    "the value 'events' is not accepted any more": lambda s: components(s)["TargetEnum"][
        "enum"
    ].remove("events"),
    "parameter limit: maximum is narrower": lambda s: next(
        p for p in parameters(s) if p["name"] == "limit"
    )["schema"].update(maximum=10),
    "parameter filter is gone": lambda s: s["paths"]["/api/v1/items"]["get"].update(
        parameters=[p for p in parameters(s) if p["name"] != "filter"]
    ),
    "parameter colour is new and required": lambda s: parameters(s).append(
        {"in": "query", "name": "colour", "required": True, "schema": {"type": "string"}}
    ),
    "parameter filter is required now": lambda s: next(
        p for p in parameters(s) if p["name"] == "filter"
    ).update(required=True),
    "status 202 is gone": lambda s: s["paths"]["/api/v1/events"]["post"]["responses"].pop("202"),
    "operationId list_items is renamed": lambda s: s["paths"]["/api/v1/items"]["get"].update(
        operationId="all_items"
    ),
}
BREAKING = {words: change for words, change in BREAKING.items() if change}
HARMLESS = [
    lambda s: components(s)["RecommendationReply"]["properties"].update(new={"type": "string"}),
    lambda s: components(s)["PurgeRequest"]["properties"].update(new={"type": "string"}),
    lambda s: components(s)["TargetEnum"]["enum"].append("users"),
    lambda s: s["paths"].update({"/api/v1/new": s["paths"]["/api/v1/recipes"]}),
    lambda s: parameters(s).append({"in": "query", "name": "new", "schema": {"type": "string"}}),
    lambda s: next(p for p in parameters(s) if p["name"] == "limit")["schema"].update(maximum=9999),
    lambda s: s["paths"]["/api/v1/items"]["get"].update(summary="Others"),
    lambda s: s["paths"]["/api/v1/items"]["get"]["responses"].pop("503"),
]


@pytest.mark.parametrize("words", BREAKING)
def test_a_breaking_change_is_found(words):
    changes = changed(BREAKING[words])
    assert any(words in change for change in changes), changes


@pytest.mark.parametrize("number", range(len(HARMLESS)))
def test_other_changes_are_let_through(number):
    assert changed(HARMLESS[number]) == []


def test_the_released_schema_is_the_one_of_this_code():
    out = StringIO()
    call_command("api_schema", stdout=out)
    assert "up to date" in out.getvalue()


def test_the_command_refuses_a_change_that_breaks(tmp_path, settings):
    older = copy.deepcopy(RELEASED)
    older["paths"]["/api/v1/gone"] = older["paths"]["/api/v1/recipes"]
    (tmp_path / "docs").mkdir()
    file = tmp_path / "docs" / "openapi.json"
    file.write_text(json.dumps(older))
    settings.BASE_DIR = tmp_path
    for arguments in ([], ["--write"]):
        with pytest.raises(CommandError, match="GET /api/v1/gone is gone"):
            call_command("api_schema", *arguments, stdout=StringIO())
    call_command("api_schema", "--write", "--break", stdout=StringIO())
    call_command("api_schema", stdout=StringIO())
    del older["paths"]["/api/v1/gone"], older["paths"]["/api/v1/recipes"]
    file.write_text(json.dumps(older))
    with pytest.raises(CommandError, match="out of date"):
        call_command("api_schema", stdout=StringIO())
