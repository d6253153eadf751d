import os
import sys
import threading

from django.core.wsgi import get_wsgi_application

from ecomsite import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
# A thread that has its answer from the database need not wait 5 ms for one that computes.
sys.setswitchinterval(0.0005)
tracing.begin()
application = get_wsgi_application()

from recommender.serving import follow_news, warm_up  # noqa: E402  needs the apps

# Stored lists are served while the champions load.
threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
follow_news()
