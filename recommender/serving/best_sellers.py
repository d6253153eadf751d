"""Best sellers of a shop: products by buyers who did not return them.

A buyer is a shopper, or an anonymous session; one who returned all pieces of a
product did not keep it. Simulated events and shoppers without consent to training do not count.
Events from pages (`from_page`) count only where the shop trusts its pages, because anybody can send
them with the public key.
"""

from datetime import timedelta

from django.db import connection

BUYERS = """
    SELECT e.product_id, coalesce(e.shopper_id, -1) AS shopper_id, CASE
        WHEN e.shopper_id IS NULL THEN e.session_id END AS session_id,
        count(*) FILTER (WHERE e.type = 'purchase') AS lines
    FROM recommender_event e
    JOIN recommender_shop h ON h.id = e.shop_id
    LEFT JOIN recommender_shopper s ON s.id = e.shopper_id
    WHERE e.shop_id = %(shop)s AND e.type IN ('purchase', 'return') AND e.product_id IS NOT NULL
        AND NOT e.simulated
        AND (NOT e.from_page OR h.trusts_pages) AND (s.id IS NULL OR s.consent_training) {more}
    GROUP BY 1, 2, 3
    HAVING sum(CASE WHEN e.type = 'purchase' THEN abs(coalesce(e.quantity, 1))
        ELSE -abs(coalesce(e.quantity, 1)) END) > 0"""
"""SQL: (product, buyer) pairs that were not returned in full."""
RANKED = """
    WITH buyers AS ({buyers})
    SELECT p.item_id FROM buyers b JOIN recommender_product p ON p.id = b.product_id
    GROUP BY p.item_id ORDER BY count(*) DESC, sum(b.lines) DESC, p.item_id LIMIT %(most)s"""


def most_sold(shop_id: int, most: int, within: timedelta | None = None) -> list[str]:
    """Products by number of buyers, of all time or within the last days."""
    return _ranked(shop_id, most, within, "")


def most_sold_in(shop_id: int, country: str, most: int, within: timedelta) -> list[str]:
    """Products by number of buyers of one country."""
    return _ranked(
        shop_id, most, within, "AND s.attributes ->> 'country' = %(country)s", country=country
    )


def begun_with(shop_id: int, most: int, within: timedelta) -> list[str]:
    """Products bought on the first day of shoppers who came within the last days."""
    first = """AND e.shopper_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM recommender_event b WHERE b.shopper_id = e.shopper_id AND b.type = 'purchase'
            AND NOT b.simulated
            AND b.occurred_at < e.occurred_at - interval '1 day')"""
    return _ranked(shop_id, most, within, first)


def _ranked(shop_id: int, most: int, within: timedelta | None, more: str, **values) -> list[str]:
    if within is not None:
        more += " AND e.occurred_at >= now() - %(within)s"
    statement = RANKED.format(buyers=BUYERS.format(more=more))
    with connection.cursor() as cursor:
        cursor.execute(statement, {"shop": shop_id, "most": most, "within": within, **values})
        return [row[0] for row in cursor.fetchall()]
