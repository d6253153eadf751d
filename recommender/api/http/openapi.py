"""OpenAPI schema: key scheme, errors, descriptions of parameters, examples of bodies."""

import json
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from recommender.api.http.examples import EXAMPLES

KEY = "key"
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong, in words"},
        "errors": {
            "type": "array",
            "description": "each wrong field",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "count": {
            "type": "integer",
            "description": "of a purge without `confirm`: how many rows match",
        },
        "as_of": {
            "type": "string",
            "format": "date-time",
            "description": "of a purge without `confirm`: when they were counted",
        },
        "request_id": {
            "type": "string",
            "description": "of errors on our side: the log has the details under it",
        },
    },
}
ERRORS = {
    "400": "A field or the body is not as described; `errors` names each.",
    "401": "There is no key, or it is not known, or it has expired.",
    "403": "The key lacks the scope, or it is a public one on another page than the shop's.",
    "404": "What the address or a field names is not there.",
    "408": "The body did not arrive in time.",
    "409": "Right, but not in the state that things are in.",
    "413": "The body is too large.",
    "429": "Too many requests with this key; `Retry-After` says when to try again.",
    "503": (
        "The database or the queue does not answer, or there are too many calls at once; "
        "`Retry-After` says when to try again."
    ),
}
PARAMETERS = {
    "receipt_id": "of the reply to DELETE users",
    "item_id": "the shop's own id of a product, percent-encoded",
    "user_id": "the shop's own id of a shopper, percent-encoded",
    "event_id": "the shop's own id of an event, percent-encoded",
    "review_id": "the shop's own id of a review, percent-encoded",
    "article_id": "the shop's own id of an article, percent-encoded",
    "conversation_id": "id of a conversation, of the reply to assist",
    "number": "number of a version, 3 or fusion@3",
    "job_id": "id of a training job, such as job-12",
    "key": "key of a placement, such as home_top",
    "key_id": "id of an API key, such as key-4",
    "purge_id": "id of a purge, such as purge-7",
    "webhook_id": "id of a webhook, such as webhook-2",
    "delivery_id": "id of a delivery, such as delivery-31",
    "name": "its name",
}
"""Words of the parameters in paths; those of queries are at their serializers."""
PARAMETER_EXAMPLES = {
    "receipt_id": "erased-5f1c",
    "item_id": "22423",
    "user_id": "4711",
    "event_id": "order-1001-view",
    "review_id": "rev-1",
    "article_id": "returns",
    "conversation_id": "conv_1",
    "brand": "Alto",
    "category": "Home > Lighting",
    "channel": "review",
    "topic": "delivery",
    "number": "fusion@3",
    "job_id": "job-12",
    "key": "home_top",
    "key_id": "key-4",
    "purge_id": "purge-7",
    "webhook_id": "webhook-2",
    "delivery_id": "delivery-31",
    "name": "height_cm",
    "placement": "home_top",
    "from": "2026-01-01",
    "to": "2026-01-31",
    "fields": "item_id,title",
    "filter": "price < 20 and brand = 'Regency'",
    "attribute": "country=United Kingdom",
    "since": "2026-01-01T00:00:00Z",
    "until": "2026-02-01T00:00:00Z",
    "session_id": "s-9f2",
    "recommendation_id": "r-of-the-reply",
    "recipe": "fusion",
    "purpose": "ranking",
    "by": "placement,day",
    "q": "cake st",
}
"""Example values of parameters in paths and queries, by name."""
FIELD_EXAMPLES = {
    "list_users": "user_id,consent",
    "get_user": "user_id,consent",
    "list_events": "event_id,type,items",
    "get_event": "event_id,type,items",
    "list_reviews": "review_id,opinions",
    "list_opinion_clauses": "text,topic,polarity",
    "list_articles": "article_id,title",
    "get_article": "article_id,title",
    "list_conversations": "conversation_id,state",
    "list_training_jobs": "job_id,status",
    "get_training_job": "job_id,status",
    "list_models": "model_version,status",
    "get_model": "model_version,metrics",
    "list_recipes": "recipe,purpose",
    "get_recipe": "recipe,settings",
    "list_placements": "placement,name",
    "get_placement": "placement,name",
    "list_keys": "key_id,name,last_used_at",
    "get_key": "key_id,name,last_used_at",
    "list_alerts": "alert_id,title,message",
    "list_attributes": "name,type",
    "get_attribute": "name,type",
    "list_purges": "purge_id,status",
    "get_purge": "purge_id,status,deleted",
    "list_webhooks": "webhook_id,url",
    "get_webhook": "webhook_id,url",
    "list_deliveries": "delivery_id,status,error",
}
"""Examples of `fields`, by operation; others list products. They name whole parts, which the
schema describes.
"""
CONFLICTS = ("promote", "rollback", "cancel", "resume", "predictions", "analyze")
"""Words in the paths of operations that reply with 409."""
FINDS_ITEMS = ("/items/related", "/items/shoppers", "/recommendations/why-not")


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "recommender.api.http.authentication.KeyAuthentication"
    name = KEY

    def get_security_definition(self, auto_schema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": (
                "A key of the shop, made by `manage.py create_key`: Authorization: Bearer KEY"
            ),
        }


TAGS = {
    "collect": "events",
    "rerank": "recommendations",
    "predictions": "recommendations",
    "erasures": "users",
    "recipes": "training-jobs",
    "browse": "search",
    "suggest": "search",
    "opinions": "reviews",
}
"""Groups of operations, by the first part of their path; default: that part."""
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="of your choice: a repeated call with it within a day gets the first reply",
)


class Schema(AutoSchema):
    """Schema of a view: its declared query string and idempotency key are part of it."""

    def get_override_parameters(self) -> list[Any]:
        query = getattr(self.view, "query", {}).get(self.method)
        handler = getattr(self.view, self.method.lower(), None)
        key = [IDEMPOTENCY_KEY] if getattr(handler, "is_idempotent", False) else []
        return ([query] if query else []) + key

    def get_tags(self) -> list[str]:
        first = self.path.removeprefix("/api/v1/").partition("/")[0].partition(":")[0]
        return [TAGS.get(first, first)]

    def get_description(self) -> str:
        """None: summaries say what a call does, docstrings of views are for their readers."""
        return ""


def whole(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Post-processing hook of drf-spectacular: adds errors, examples and parameters' words."""
    result = json.loads(json.dumps(result, default=str).replace("RequestRequest", "Request"))
    schemas = result["components"]["schemas"]
    schemas["Problem"] = PROBLEM
    for name in [name for name, schema in schemas.items() if _is_page(schema)]:
        row = schemas[name]["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
        schemas[row].pop("required", None)  # `fields` may leave any of them out
    for name, schema in schemas.items():
        if "enum" not in schema and name != "Problem":
            schema.pop("description", None)  # docstrings of serializers are for their readers
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation)
    return result


def _give_example(operation_id: str, parameter: dict[str, Any]) -> None:
    name = parameter["name"]
    if name == "name" and operation_id == "get_recipe":
        parameter["example"] = "fusion"
    elif name == "fields" and operation_id in FIELD_EXAMPLES:
        parameter["example"] = FIELD_EXAMPLES[operation_id]
    elif name in PARAMETER_EXAMPLES:
        parameter["example"] = PARAMETER_EXAMPLES[name]


def _is_page(schema: dict[str, Any]) -> bool:
    return schema.get("properties", {}).keys() >= {"items", "next_cursor"}


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter.setdefault("description", PARAMETERS.get(parameter["name"], ""))
        _give_example(operation["operationId"], parameter)
    if example := EXAMPLES.get(f"{method.upper()} {path}"):
        for content in operation["requestBody"]["content"].values():
            content["examples"] = {
                name.replace(" ", "_"): {"summary": name, "value": value}
                for name, value in example.items()
            }
    for status in _errors(path, method, operation, parameters):
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"].setdefault(
            status, {"description": ERRORS[status], "content": content}
        )


def _errors(
    path: str, method: str, operation: dict[str, Any], parameters: list[dict[str, Any]]
) -> list[str]:
    """Statuses of errors that an operation may reply with."""
    if "/health/" in path:
        return []
    statuses = ["401", "403", "429", "503"]
    if "requestBody" in operation:
        statuses += ["400", "408", "413"]
    if any(parameter["in"] == "query" for parameter in parameters):
        statuses.append("400")
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses += ["400", *(["404"] if method != "put" else [])]  # PUT makes what is not there
    if path.endswith(FINDS_ITEMS):
        statuses.append("404")
    if any(word in path for word in CONFLICTS):
        statuses.append("409")
    return sorted(set(statuses))
