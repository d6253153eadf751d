"""Sample shop: UCI Online Retail (Daqing Chen, CC BY 4.0), shipped with the project."""

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone
from tqdm import tqdm

from recommender.ingest import Parser, Report, import_events, upsert_products, upsert_shoppers
from recommender.ingest.events import with_content_keys
from recommender.ingest.files import read_rows
from recommender.ingest.mapping import mapped
from recommender.models import Placement, Shop

FOLDER = Path(__file__).parent / "online_retail"
LAST_DAY = datetime.date(2011, 12, 9)
PRODUCT_MAP = {"item_id": "stock_code", "price": "median_price_gbp"}
EVENT_MAP = {
    "user_id": "customer_id",
    "item_id": "stock_code",
    "occurred_at": "timestamp",
    "session_id": "invoice",
    "price": "unit_price",
}
SHOPPER_MAP = {"user_id": "customer_id", "attributes.country": "country"}


def create_shop() -> Shop:
    """Create the sample shop with its placements, or return the existing one."""
    with transaction.atomic():
        shop, _ = Shop.objects.get_or_create(
            key="demo",
            defaults={
                "name": "Online Retail",
                "currency": "GBP",
                "timezone": "Europe/London",
                "is_demo": True,
            },
        )
        Placement.objects.create_usual(shop)
    return shop


def shift_weeks(today: datetime.date) -> int:
    """Number of whole weeks by which the sample moves so that it ends last week."""
    return (today - LAST_DAY).days // 7


def load(shop: Shop, quiet: bool = False) -> list[tuple[str, Report]]:
    """Import the sample, moved so that it ends last week; yields a report per file."""
    parser = Parser(ZoneInfo("Europe/London"))
    shift = datetime.timedelta(weeks=shift_weeks(timezone.localdate()))
    products = mapped(read_rows(FOLDER / "items.csv.gz"), PRODUCT_MAP, {"is_product": "1"})
    reports = [("products", upsert_products(shop, products, ["title", "price"], parser))]
    lines = mapped(read_rows(FOLDER / "transactions.csv.gz"), EVENT_MAP, {})
    bar = tqdm(
        lines,
        total=541_909,
        unit=" lines",
        unit_scale=True,
        desc="events",
        disable=quiet or None,
        mininterval=1,
    )
    reports.append(("events", import_events(shop, with_content_keys(bar), parser, shift)[0]))
    known = (
        row
        for row in mapped(read_rows(FOLDER / "transactions.csv.gz"), SHOPPER_MAP, {})
        if row[1]["user_id"]
    )
    return [*reports, ("shoppers", upsert_shoppers(shop, known, ["attributes"], parser))]
