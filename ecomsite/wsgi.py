import os
import sys
import threading

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from ecomsite import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
# A request computes in one thread: several requests at once use the cores better than threads that
# wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")
# A thread that has its answer from the database need not wait 5 ms for one that computes.
sys.setswitchinterval(0.0005)
TRACED = tracing.begin()
django = get_wsgi_application()

from recommender.api.http.fast_path import plain_reply  # noqa: E402  needs the apps
from recommender.infrastructure.proxies import apply_forwarded  # noqa: E402
from recommender.recommendations.warm_up import warm_up  # noqa: E402
from recommender.serving.shop_state import follow_changes  # noqa: E402


def application(environ, start_response):
    """The site, behind the fast path, for the client that trusted proxies tell of. A whole reply
    goes to the server as a list, sent at once.

    Where requests are traced, they all take Django's way, which makes the spans.
    """
    apply_forwarded(environ, settings.TRUSTED_PROXIES)
    if not TRACED and (reply := plain_reply(environ)) is not None:
        status, headers, body = reply
        start_response(status, headers)
        return [body]
    response = django(environ, start_response)
    if getattr(response, "streaming", True):
        return response
    body = [response.content]
    response.close()
    return body


# Stored lists are served while the champions load.
threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
follow_changes()
