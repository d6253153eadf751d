"""A Postman collection (format 2.1, which Bruno imports too) out of the schema and its examples."""

import json
import re
from typing import Any
from urllib.parse import quote

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES = {"base_url": "http://127.0.0.1:8000", "key": ""}


def postman_collection(schema: dict[str, Any]) -> dict[str, Any]:
    """One folder per group of operations; a request per example of a body."""
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, by_method in schema["paths"].items():
        for method, operation in by_method.items():
            requests = folders.setdefault(operation["tags"][0], [])
            requests += _requests(path, method.upper(), operation)
    return {
        "info": {"name": "Vitrine", "schema": FORMAT},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}"}]},
        "variable": [{"key": name, "value": value} for name, value in VARIABLES.items()],
        "item": [{"name": name, "item": folders[name]} for name in sorted(folders)],
    }


def _requests(path: str, method: str, operation: dict[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {})
    examples = content.get("application/json", {}).get("examples", {})
    if not examples:
        return [_request(operation["summary"], path, method, operation, None)]
    return [
        _request(f"{operation['summary']}: {e['summary']}", path, method, operation, e["value"])
        for e in examples.values()
    ]


def _request(
    name: str, path: str, method: str, operation: dict[str, Any], body: Any
) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    query = [
        {
            "key": p["name"],
            "value": str(p.get("example", "")),
            "disabled": not p.get("required", False),
            "description": p.get("description", ""),
        }
        for p in parameters
        if p["in"] == "query"
    ]
    examples = {p["name"]: str(p.get("example", "")) for p in parameters if p["in"] == "path"}
    whole = re.sub(r"{(\w+)}", lambda part: quote(examples[part[1]], safe=""), path)
    sent = [f"{q['key']}={quote(q['value'], safe='')}" for q in query if not q["disabled"]]
    request: dict[str, Any] = {
        "method": method,
        "header": [{"key": "Content-Type", "value": "application/json"}] if body else [],
        "url": {
            "raw": "{{base_url}}" + whole + ("?" + "&".join(sent) if sent else ""),
            "host": ["{{base_url}}"],
            "path": whole.strip("/").split("/"),
            "query": query,
        },
    }
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    if not operation.get("security"):
        request["auth"] = {"type": "noauth"}
    return {"name": name, "request": request}
