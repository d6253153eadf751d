import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
application = get_wsgi_application()

from recommender.serving import warm_up  # noqa: E402  needs the apps

# Stored lists are served while the champions load.
threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
