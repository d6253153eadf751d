import os
import sys
import threading

from django.core.wsgi import get_wsgi_application

from ecomsite import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
# A request computes in one thread: several requests at once use the cores better than threads that wait for each other.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")
# A thread that has its answer from the database need not wait 5 ms for one that computes.
sys.setswitchinterval(0.0005)
tracing.begin()
django = get_wsgi_application()


def application(environ, start_response):
    """The site. A whole reply goes to the server as a list, which it sends at once; to iterate over one takes the lock again for each part."""
    response = django(environ, start_response)
    if getattr(response, "streaming", True):
        return response
    body = [response.content]
    response.close()
    return body


from recommender.serving import follow_news  # noqa: E402  needs the apps
from recommender.warmup import warm_up  # noqa: E402

# Stored lists are served while the champions load.
threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
follow_news()
