"""RSGI entry point of granian (`manage.py serve`): the site behind a gateway that buffers request
bodies.
"""

from django.conf import settings

from ecomsite.wsgi import application as site
from recommender.infrastructure.gateway import Gateway, Lane, Limits

LANES = (
    Lane("serving", settings.VITRINE_THREADS),
    Lane("probe", 1, ("/api/v1/health/", "/metrics"), queued=50),
    Lane(
        "slow",
        1,
        (
            "/api/v1/analytics",
            "/api/v1/attributes",
            "/api/v1/items/shoppers",
            "/api/v1/purges",
            "/api/v1/recommendations:batch",
            "/api/v1/recommendations/why-not",
            "/api/v1/webhooks",
        ),
        queued=100,
    ),
    Lane("pages", 2, ("/console", "/static", "/api/docs", "/api/schema"), queued=200),
)
application = Gateway(
    site,
    LANES,
    Limits(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, settings.VITRINE_BODY_SECONDS),
    live=("/api/v1/health/live", b'{"status":"ok"}'),
)
