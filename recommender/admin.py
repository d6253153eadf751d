"""Django discovers the console's tables here."""

from recommender.console import people, tables  # noqa: F401
