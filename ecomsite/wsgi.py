import os
import sys
import threading

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from ecomsite import tracing
from recommender.infrastructure.web_server import compute_in_one_thread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
compute_in_one_thread()
# A thread that has its answer from the database need not wait 5 ms for one that computes.
sys.setswitchinterval(0.0005)
TRACED = tracing.begin()
django = get_wsgi_application()

from recommender.api.http.fast_path import plain_reply  # noqa: E402  needs the apps
from recommender.infrastructure.process_memory import trim_regularly  # noqa: E402
from recommender.infrastructure.proxies import apply_forwarded  # noqa: E402
from recommender.recommendations.warm_up import warm_up  # noqa: E402
from recommender.search.live_index import indexer  # noqa: E402
from recommender.serving.shop_state import follow_changes  # noqa: E402


def application(environ, start_response):
    """The WSGI application: the site behind the fast path, with client addresses from trusted
    proxies.

    A complete response goes to the server as a list and is sent at once. With tracing, all requests
    take Django's path, which creates the spans.
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
threading.Thread(target=trim_regularly, name="trim", daemon=True).start()
follow_changes()
indexer.start()
