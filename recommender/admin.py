"""Django discovers the console's tables here."""

from recommender.console import integration_tables, people, search_tables, tables  # noqa: F401
