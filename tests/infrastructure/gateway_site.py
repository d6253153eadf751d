"""A small site behind the gateway, for tests/infrastructure/test_gateway.py: it says what
reached it, and is slow where it is asked to be.
"""

import json
import time

from recommender.infrastructure.gateway import Gateway, Lane, Limits


def site(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith(("/sleep", "/slow")):
        time.sleep(float(environ["QUERY_STRING"] or 1))
    if path == "/raise":
        raise ValueError("no")
    body = environ["wsgi.input"].read()
    seen = {
        "path": path.encode("latin-1").decode(),
        "body": body.decode(),
        "length": environ["CONTENT_LENGTH"],
        "headers": {k: v for k, v in environ.items() if k.startswith("HTTP_")},
        "query": environ["QUERY_STRING"],
        "address": environ["REMOTE_ADDR"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


LANES = (Lane("serving", 2, queued=20), Lane("slow", 1, ("/slow",), queued=3))
application = Gateway(
    site,
    LANES,
    Limits(body_bytes=10_000, body_seconds=2, bodies=100),
    live=("/live", b'{"status":"ok"}'),
)
