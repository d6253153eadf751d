"""Synonyms proposed from behavior: what shoppers search for after a query that led to no click.

A proposal needs several visitors who replaced one word or phrase by another, and whose second
query led to a click. A person approves it before it is live.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from recommender.models import Shop, Synonym
from recommender.models.search_settings import LONGEST_PHRASE

DAYS, MINUTES = 60, 5
FEWEST_VISITORS = 3
MOST, READ = 100, 2_000
"""New proposals of one look; pairs of queries that are read for them."""
PAIRS = """
    WITH searches AS (
        SELECT q.query_id, min(q.normalized) AS normalized, min(q.created_at) AS at,
            min(q.session_id) AS session_id, max(q.total) AS total,
            EXISTS (SELECT FROM recommender_event e WHERE e.shop_id = %(shop)s
                AND e.recommendation_id = q.query_id
                AND e.type IN ('click', 'add_to_cart', 'purchase')) AS clicked
        FROM recommender_searchquery q
        WHERE q.shop_id = %(shop)s AND q.created_at >= %(since)s AND NOT q.simulated
            AND q.session_id IS NOT NULL
        GROUP BY q.query_id),
    followed AS (
        SELECT s.*, lead(normalized) OVER visit AS following, lead(at) OVER visit AS following_at,
            lead(clicked) OVER visit AS helped
        FROM searches s WINDOW visit AS (PARTITION BY session_id ORDER BY at))
    SELECT normalized, following, count(DISTINCT session_id) AS visitors FROM followed
    WHERE NOT clicked AND helped AND following <> normalized
        AND following_at < at + %(within)s * interval '1 minute'
    GROUP BY normalized, following HAVING count(DISTINCT session_id) >= %(fewest)s
    ORDER BY visitors DESC, normalized, following LIMIT %(most)s"""


@dataclass(frozen=True)
class Replaced:
    """What shoppers typed, what they typed instead, and how many visitors did."""

    phrase: str
    instead: str
    visitors: int


def replaced(shop: Shop) -> list[Replaced]:
    """Phrases that shoppers replaced, without the words that both queries share."""
    since = timezone.now() - timedelta(days=DAYS)
    values = {"shop": shop.pk, "since": since, "within": MINUTES, "fewest": FEWEST_VISITORS}
    with connection.cursor() as cursor:
        cursor.execute(PAIRS, values | {"most": READ})
        rows = cursor.fetchall()
    out = []
    for before, after, visitors in rows:
        phrase, instead = _differing(before.split(), after.split())
        if phrase and instead and max(len(phrase), len(instead)) <= LONGEST_PHRASE:
            out.append(Replaced(phrase, instead, visitors))
    return out


def _differing(before: list[str], after: list[str]) -> tuple[str, str]:
    """The parts that differ, without the common beginning and end; empty where one adds words."""
    begin = 0
    while begin < min(len(before), len(after)) and before[begin] == after[begin]:
        begin += 1
    end = 0
    while end < min(len(before), len(after)) - begin and before[-1 - end] == after[-1 - end]:
        end += 1
    return (
        " ".join(before[begin : len(before) - end]),
        " ".join(after[begin : len(after) - end]),
    )


def propose(shop: Shop) -> int:
    """Store proposals that the shop has not seen yet, each one-way; returns their number."""
    known = {
        (phrase, other)
        for phrases, others in shop.synonyms.values_list("phrases", "also_finds")
        for phrase in phrases
        for other in [*others, *phrases]
    }
    made = 0
    for one in replaced(shop):
        if (one.phrase, one.instead) in known:
            continue
        if made == MOST:
            break
        known.add((one.phrase, one.instead))
        row = Synonym(
            shop=shop,
            phrases=[one.phrase],
            also_finds=[one.instead],
            state=Synonym.PROPOSED,
            origin=Synonym.BEHAVIOUR,
        )
        row.save()
        made += 1
    return made
