"""Copies among reviews: duplicates of an author's text, and floods of alike texts.

Texts are alike where they differ in capitals, blanks, digits and signs alone (`Review.digest`).
"""

from django.db import connection

from recommender.models import Review

FLOOD = 20
"""Alike texts, or texts of one author, within an hour; further ones are a flood."""
SHORT = 20
"""Characters below which alike texts are a copy only about the same product: many say “very good”.
"""
_COPIES = """
    WITH chosen AS (
        SELECT id, shop_id, digest, user_id, item_id, length(title || text) < %(short)s AS short,
            coalesce(created_at, received_at) AS said
        FROM recommender_review WHERE id = ANY(%(ids)s))
    SELECT c.id, EXISTS (
            SELECT 1 FROM recommender_review e
            WHERE e.shop_id = c.shop_id AND e.digest = c.digest AND e.user_id = c.user_id
                AND (e.item_id = c.item_id OR c.user_id <> '' AND NOT c.short)
                AND (c.user_id <> '' OR NOT c.short)
                AND (coalesce(e.created_at, e.received_at), e.id) < (c.said, c.id)),
        EXISTS (
            SELECT 1 FROM recommender_review e
            WHERE e.shop_id = c.shop_id AND e.digest = c.digest
                AND (e.item_id = c.item_id OR NOT c.short)
                AND coalesce(e.created_at, e.received_at) > c.said - interval '1 hour'
                AND (coalesce(e.created_at, e.received_at), e.id) < (c.said, c.id)
            OFFSET %(flood)s - 1),
        c.user_id <> '' AND EXISTS (
            SELECT 1 FROM recommender_review e
            WHERE e.shop_id = c.shop_id AND e.user_id = c.user_id
                AND coalesce(e.created_at, e.received_at) > c.said - interval '1 hour'
                AND (coalesce(e.created_at, e.received_at), e.id) < (c.said, c.id)
            OFFSET %(flood)s - 1)
    FROM chosen c"""


def copies_among(review_ids: list[int]) -> dict[int, str]:
    """Those of these reviews that are copies: primary key -> duplicate or flood."""
    values = {"ids": review_ids, "short": SHORT, "flood": FLOOD}
    with connection.cursor() as cursor:
        cursor.execute(_COPIES, values)
        rows = cursor.fetchall()
    return {
        pk: Review.FLOOD if alike or author else Review.DUPLICATE
        for pk, again, alike, author in rows
        if again or alike or author
    }
