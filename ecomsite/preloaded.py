"""granian, with the site's packages imported before it forks its worker processes.

Workers share the memory of imported code (copy-on-write), and a worker that replaces a dead one
starts in a fraction of a second. Nothing is computed, connected or started before the fork.

usage: python -m ecomsite.preloaded [granian's options] APPLICATION
"""

import gc
import os
import sys

from recommender.infrastructure.process_memory import limit_arenas
from recommender.infrastructure.web_server import compute_in_one_thread


def preload() -> None:
    """Import what a web process of the site imports, and take it out of garbage collection.

    A collection in a worker would write to every object and so copy all of its memory.
    """
    limit_arenas()
    compute_in_one_thread()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
    import django

    django.setup()
    from django.urls import get_resolver

    from recommender.inference.model_cache import import_numbers

    _ = get_resolver().url_patterns
    import_numbers()
    gc.collect()
    gc.freeze()


def main() -> None:
    from granian import cli

    preload()
    sys.exit(cli.entrypoint())


if __name__ == "__main__":
    main()
