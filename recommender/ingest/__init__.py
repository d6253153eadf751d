"""Bulk import of products, shoppers, events and labeled texts: idempotent; invalid rows are
reported with their number.
"""

from recommender.ingest.articles import post_articles, upsert_articles
from recommender.ingest.events import import_events
from recommender.ingest.labeled_texts import KINDS, upsert_labelled
from recommender.ingest.parsing import FieldError, Parser, is_text
from recommender.ingest.products import upsert_parts_of_products, upsert_products
from recommender.ingest.report import Report, RowError
from recommender.ingest.rest_events import post_events
from recommender.ingest.reviews import post_reviews
from recommender.ingest.shoppers import upsert_parts_of_shoppers, upsert_shoppers

__all__ = [
    "KINDS",
    "FieldError",
    "Parser",
    "Report",
    "RowError",
    "import_events",
    "is_text",
    "post_articles",
    "post_events",
    "post_reviews",
    "upsert_articles",
    "upsert_labelled",
    "upsert_parts_of_products",
    "upsert_parts_of_shoppers",
    "upsert_products",
    "upsert_shoppers",
]
