"""Outside rows become products, shoppers and events: in bulk, idempotent, each bad row named."""

from recommender.ingest.events import import_events
from recommender.ingest.fields import FieldError, Parser, is_text
from recommender.ingest.labelled import KINDS, upsert_labelled
from recommender.ingest.posted import post_events
from recommender.ingest.products import upsert_products
from recommender.ingest.report import Report, RowError
from recommender.ingest.shoppers import upsert_shoppers

__all__ = [
    "KINDS",
    "FieldError",
    "Parser",
    "Report",
    "RowError",
    "import_events",
    "is_text",
    "post_events",
    "upsert_labelled",
    "upsert_products",
    "upsert_shoppers",
]
