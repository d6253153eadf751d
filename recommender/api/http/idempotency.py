"""Idempotency keys: a POST that creates something acts once per value of `Idempotency-Key`.

The reply is stored in the transaction of the call itself. A second call with the same key, at the
same time or within a day, waits for it and gets the same reply. After an error nothing is stored.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.problem_details import Conflict
from recommender.api.http.renderers import to_json
from recommender.models.idempotent_replies import VALID, IdempotentReply

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
LONGEST = 255
Handler = Callable[..., Response]


def idempotent(secret: str = "") -> Callable[[Handler], Handler]:
    """Decorator of a handler. secret: field of its reply that is not stored; null when repeated."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def call(self: Any, request: Request, *args, **kwargs) -> Response:
            name = request.headers.get(HEADER)
            if name is None or self.params.get("dry_run"):
                return handler(self, request, *args, **kwargs)
            if not 0 < len(name) <= LONGEST or not name.isprintable():
                message = f"must be 1 to {LONGEST} printable characters"
                raise ValidationError({HEADER: [message]})
            with transaction.atomic():
                row, replay = _claim(request, name)
                if replay:
                    return Response(row.body, status=row.status, headers={REPLAYED: "true"})
                response = handler(self, request, *args, **kwargs)
                row.status, row.body = response.status_code, _stored(response.data, secret)
                row.save(update_fields=["status", "body"])
            return response

        call.is_idempotent = True
        return call

    return decorate


def _claim(request: Request, name: str) -> tuple[IdempotentReply, bool]:
    """The row of this key, and whether its reply is repeated. Raises Conflict."""
    data = orjson.loads(to_json(request.data))
    content = [request.method, request.get_full_path(), data]
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    fingerprint = hashlib.sha256(text).hexdigest()
    keys = [request.auth.pk, request.auth.replaces_id]
    rows = IdempotentReply.objects.filter(api_key__in=keys, name=name)
    rows.filter(created_at__lt=timezone.now() - VALID).delete()
    of_predecessor = rows.filter(api_key=request.auth.replaces_id).first()
    row, created = of_predecessor, False
    if row is None:
        row, created = IdempotentReply.objects.get_or_create(
            api_key=request.auth, name=name, defaults={"fingerprint": fingerprint}
        )
    if not created and row.fingerprint != fingerprint:
        raise Conflict(f"{HEADER}: was used for another request within the last day.")
    return row, not created


def _stored(data: dict[str, Any], secret: str) -> dict[str, Any]:
    stored = orjson.loads(to_json(data))
    return {**stored, secret: None} if secret else stored
