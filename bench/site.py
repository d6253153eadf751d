"""Settings of the benchmark's server: the site's own, with the addresses to compare with."""

from ecomsite.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
