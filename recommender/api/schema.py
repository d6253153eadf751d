"""The last touch to the OpenAPI schema."""

import json
from typing import Any


def plain_names(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Serializers of requests are called so already; the generator says it once more."""
    return json.loads(json.dumps(result, default=str).replace("RequestRequest", "Request"))
