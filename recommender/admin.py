"""Django discovers the console's tables here."""

from recommender.console import integration_tables, people, tables  # noqa: F401
