"""Formats of shops' files: recognized by their content, read by what each one declares.

A format is a file of this folder: it declares how it is recognized, how its rows join, and from
which columns the fields come.
"""

from recommender.ingest.connectors import (
    amazon,
    bigcommerce,
    complete_journey,
    feeds,
    ga4,
    gorse,
    headerless,
    hm,
    instacart,
    judged_queries,
    magento,
    metarank,
    olist,
    openbandit,
    opensearch,
    personalize,
    platform_events,
    prestashop,
    recbole,
    rees46,
    retailrocket,
    segment,
    shopify,
    shopify_json,
    shopify_tables,
    shopware,
    snowplow,
    squarespace,
    wix,
    woocommerce,
)
from recommender.ingest.connectors.core import Format

MODULES = (
    shopify,
    shopify_json,
    shopify_tables,
    woocommerce,
    magento,
    prestashop,
    bigcommerce,
    squarespace,
    wix,
    shopware,
    feeds,
    ga4,
    segment,
    snowplow,
    opensearch,
    judged_queries,
    headerless,
    metarank,
    gorse,
    amazon,
    retailrocket,
    rees46,
    hm,
    olist,
    instacart,
    complete_journey,
    openbandit,
    recbole,
    personalize,
    platform_events,
)
"""The formats, the more special ones before those whose columns are common words."""
FORMATS: dict[str, Format] = {one.name: one for module in MODULES for one in module.FORMATS}
