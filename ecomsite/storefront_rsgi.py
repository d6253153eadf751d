"""RSGI entry point of the storefront server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "ecomsite.storefront"
site = get_wsgi_application()

from recommender.infrastructure.gateway import Gateway, Lane, Limits  # noqa: E402  needs no settings; stands after them like the site's own

application = Gateway(
    site, (Lane("pages", 4),), Limits(64 * 1024, 10), live=("/health/live", b'{"status":"ok"}')
)
