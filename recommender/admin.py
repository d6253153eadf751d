"""Django discovers the console's tables here."""

from recommender.console import tables  # noqa: F401
