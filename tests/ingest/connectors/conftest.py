"""A shop whose products came from a product export of Shopify."""

import pytest

from tests.ingest.connectors.shopify_rows import CLASSIC


@pytest.fixture
def stocked_by_handle(take, shop):
    shop.currency = "GBP"
    shop.save()
    take({"products_export.csv": CLASSIC})
