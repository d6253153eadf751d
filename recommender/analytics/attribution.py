"""Attribution: clicks, purchases, revenue and loyalty per placement, model version and day.

A click or purchase is attributed to the list that it cites, if the product is in it, the list is
older, and it was not another shopper's. A purchase that cites none is attributed to the list of the
shopper's (or session's) last click on that product within `CREDIT`. Returns reduce revenue. The
pages of a list count as one list; sampled exposures count with their weight. A view that cites a
list counts as a click.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from django.db import connection

from recommender.analytics.off_policy import Estimate, estimates
from recommender.experiments.intervals import wilson
from recommender.models import Shop

CREDIT = timedelta(days=7)
CLOCKS = timedelta(minutes=5)
"""Tolerated clock skew of event sources."""
LOYAL_DAYS = (30, 90)
PARTS = ("placement", "version", "day", "experiment")
USUAL_PARTS = ("placement", "version", "day")

LISTS = """
    lists AS (
        SELECT l.id, l.recommendation_id, l.placement, l.version_id, l.session_id, l.items,
            l.weight, l.simulated, l.fallback, l.experiment, l.created_at,
            coalesce(l.shopper_id,
                CASE WHEN l.fallback <> 'no_consent' THEN seen.shopper_id END) AS shopper_id,
            coalesce(CASE WHEN l.simulated OR seen.at >= l.created_at - %(clocks)s THEN seen.at END,
                l.created_at) AS at
        FROM recommender_servedlist l
        LEFT JOIN LATERAL (
            SELECT min(e.occurred_at) FILTER (WHERE e.type = 'impression') AS at,
                min(e.shopper_id) AS shopper_id FROM recommender_event e
            WHERE e.shop_id = l.shop_id AND e.recommendation_id = l.recommendation_id) seen ON true
        WHERE l.shop_id = %(shop)s AND l.created_at >= %(since)s AND (%(simulated)s::boolean IS NULL
            OR l.simulated = %(simulated)s))"""
"""SQL: exposures, and when they were seen.

The first list of a new shopper was made before the shop knew them: the events that cite it say
whose it is.
"""
OWNED = """
        (l.simulated OR e.occurred_at >= l.created_at - %(clocks)s) AND (
            e.shopper_id = l.shopper_id OR e.session_id = l.session_id OR (l.shopper_id IS NULL
                AND (l.session_id IS NULL OR e.session_id IS NULL))
            OR (e.shopper_id IS NULL AND l.session_id IS NULL))"""
"""SQL: the event is newer than the list, and not known to be another shopper's.

Simulated lists are made for purchases of the past.
"""
COLUMNS_OF_EVENT = (
    "e.id AS pk, e.event_id, e.type, e.value, e.quantity, e.shopper_id, e.session_id, "
    "e.product_id, e.occurred_at"
)
AFTER = f"""
        SELECT c.list_id, {COLUMNS_OF_EVENT}, c.occurred_at AS clicked
        FROM cited c
        JOIN recommender_event e ON {{same}} AND e.shop_id = %(shop)s
            AND e.product_id + 0 = c.product_id AND e.type = 'purchase'
            AND e.recommendation_id IS NULL AND e.occurred_at BETWEEN c.occurred_at
                AND c.occurred_at + %(credit)s
        WHERE c.type <> 'purchase'"""
"""SQL: purchases after a click by the same shopper, or in the same session.

Two queries, so that each uses its own index. `+ 0` prevents the index on products, whose entries of
a best seller outnumber a shopper's week.
"""
CREDITED = f"""
    cited AS (
        SELECT l.id AS list_id, {COLUMNS_OF_EVENT}
        FROM lists l
        JOIN recommender_event e ON e.shop_id = %(shop)s
            AND e.recommendation_id = l.recommendation_id AND e.type IN ('click', 'view',
                'purchase')
        JOIN recommender_product p ON p.id = e.product_id
        WHERE l.items @> jsonb_build_array(jsonb_build_object('item_id', p.item_id))
            AND {OWNED}),
    after AS ({AFTER.format(same="e.shopper_id = c.shopper_id")}
        UNION ALL {AFTER.format(same="c.shopper_id IS NULL AND e.session_id = c.session_id")}),
    later AS (
        SELECT DISTINCT ON (pk) list_id, pk, event_id, type, value, quantity, shopper_id,
            session_id, product_id, occurred_at
        FROM after ORDER BY pk, clicked DESC, list_id DESC),
    marked AS (
        SELECT *, first_value(event_id) OVER (
            PARTITION BY type, list_id, coalesce(shopper_id::text, '-' || session_id), product_id,
                occurred_at ORDER BY pk) AS first_event
        FROM (SELECT * FROM cited UNION ALL SELECT * FROM later) every),
    credited AS (SELECT * FROM marked WHERE type <> 'purchase' OR event_id = first_event)"""
"""SQL: clicks and purchases with their list; a purchase sent under several event ids counts
once.
"""
MODEL = """
    LEFT JOIN recommender_modelversion v ON v.id = l.version_id
    LEFT JOIN recommender_trainingrun r ON r.id = v.run_id"""
RETURNED = """
    SELECT least(coalesce(sum(abs(coalesce(r.quantity, 1))), 0) / greatest(abs(coalesce(c.quantity,
        1)), 1e-9), 1) AS share
    FROM recommender_event r
    WHERE r.shopper_id = c.shopper_id AND r.product_id + 0 = c.product_id AND r.type = 'return'
        AND r.occurred_at >= c.occurred_at
        AND NOT EXISTS (
            SELECT 1 FROM recommender_event o WHERE o.shopper_id = c.shopper_id
                AND o.product_id + 0 = c.product_id AND o.type = 'purchase'
                AND o.occurred_at > c.occurred_at AND o.occurred_at <= r.occurred_at)"""
"""SQL: the share of an attributed purchase that was returned before the next purchase."""
EARNED = f"""
    WITH {LISTS}, {CREDITED},
    sums AS (
        SELECT c.list_id, count(DISTINCT c.pk) FILTER (WHERE c.type <> 'purchase') AS clicks,
            count(*) FILTER (WHERE c.type = 'purchase') AS purchases,
            sum(c.value * (1 - coalesce(back.share,
                0))) FILTER (WHERE c.type = 'purchase') AS revenue
        FROM credited c LEFT JOIN LATERAL ({RETURNED}) back ON c.type = 'purchase'
            AND c.shopper_id IS NOT NULL
        GROUP BY c.list_id),
    whole AS (
        SELECT {{named}}, max(l.weight) AS weight, bool_or(l.fallback <> '') AS fallback,
            bool_or(l.simulated) AS simulated,
            sum(s.clicks) AS clicks, sum(s.purchases) AS purchases, sum(s.revenue) AS revenue
        FROM lists l
        LEFT JOIN sums s ON s.list_id = l.id {MODEL}
        WHERE l.at >= %(since)s AND l.at < %(until)s
        GROUP BY {{parts}}, l.recommendation_id)
    SELECT {{by}}, sum(weight), sum(weight) FILTER (WHERE fallback),
        sum(weight) FILTER (WHERE simulated), sum(weight) FILTER (WHERE clicks > 0),
        sum(weight) FILTER (WHERE purchases > 0), sum(weight * clicks), sum(weight * purchases),
            sum(weight * revenue),
        sum(weight) ^ 2 / sum(weight ^ 2)
    FROM whole GROUP BY {{by}} ORDER BY {{by}}"""
"""SQL of `attributed_results`; the pages of a list count as one list."""
KINDS = {"placement": "text", "version": "text", "day": "date", "experiment": "text"}
COLUMNS = {
    "placement": "l.placement",
    "version": "r.recipe || '@' || v.number",
    "day": "(l.at AT TIME ZONE %(zone)s)::date",
    "experiment": "nullif(l.experiment, '')",
}


@dataclass(frozen=True)
class Attribution:
    """Results of the lists of one placement, version or day (None: not grouped by).

    Counts are estimates where exposures were sampled.
    """

    placement: str | None
    version: str | None
    day: date | None
    experiment: str | None
    """Key and arm of an A/B test: home-2026:B."""
    lists: float
    fallback: float
    """Lists that were a fallback."""
    simulated: float
    clicked: float
    """Lists with a click."""
    bought: float
    """Lists with a purchase."""
    clicks: float
    purchases: float
    revenue: float
    effective: float
    """Effective sample size of the weighted lists (Kish 1965)."""
    products_shown: int | None = None
    """Distinct products in these lists; None: not counted."""

    @property
    def click_rate(self) -> float:
        return self.clicked / self.lists

    @property
    def click_interval(self) -> tuple[float, float]:
        """95 % confidence interval of the click rate (Wilson)."""
        return wilson(self.click_rate, self.effective)

    @property
    def conversion(self) -> float:
        return self.bought / self.lists


def attributed_results(
    shop: Shop,
    since: date,
    until: date,
    by: tuple[str, ...] = USUAL_PARTS,
    simulated: bool | None = None,
) -> list[Attribution]:
    """Attribution of lists seen from `since` to `until`, inclusive, in the shop's time zone.

    by: at least one of PARTS simulated: only simulated lists, or only real ones; None: both
    """
    named = ", ".join(f"{COLUMNS[name]} AS {name}" for name in by)
    rows = _rows(
        EARNED.format(named=named, parts=", ".join(COLUMNS[name] for name in by), by=", ".join(by)),
        shop,
        since,
        until,
        simulated=simulated,
    )
    named = [(dict(zip(by, row, strict=False)), row[len(by) :]) for row in rows]
    return [
        Attribution(*(parts.get(name) for name in PARTS), *(float(value or 0) for value in values))
        for parts, values in named
    ]


COVERED = f"""
    WITH {LISTS},
    shown AS (
        SELECT DISTINCT {{by}}, place ->> 'item_id' AS item_id
        FROM (SELECT {{named}}, l.items FROM lists l {MODEL} WHERE l.at >= %(since)s
            AND l.at < %(until)s OFFSET 0) l
        CROSS JOIN jsonb_array_elements(l.items) place)
    SELECT {{by}}, count(*) FROM shown GROUP BY {{by}}"""
"""SQL of `coverage`. DISTINCT before the count hashes; count(DISTINCT ...) would sort all items."""


def coverage(
    shop: Shop,
    since: date,
    until: date,
    by: tuple[str, ...] = ("placement",),
    simulated: bool | None = None,
) -> dict[tuple, int]:
    """Number of distinct products shown, by the PARTS, None where not grouped by."""
    named = ", ".join(f"{COLUMNS[name]} AS {name}" for name in by)
    rows = _rows(
        COVERED.format(named=named, by=", ".join(by)), shop, since, until, simulated=simulated
    )
    grouped = [(dict(zip(by, row, strict=False)), row[-1]) for row in rows]
    return {tuple(parts.get(name) for name in PARTS): shown for parts, shown in grouped}


def earned_and_shown(
    shop: Shop, since: date, until: date, by: tuple[str, ...] = USUAL_PARTS
) -> list[Attribution]:
    """`attributed_results` of served lists, with the number of distinct products shown."""
    shown = coverage(shop, since, until, by)
    return [
        replace(row, products_shown=shown.get(tuple(getattr(row, part) for part in PARTS), 0))
        for row in attributed_results(shop, since, until, by)
    ]


LOYAL = f"""
    WITH {LISTS}, {CREDITED},
    firsts AS (
        SELECT {{parts}}, false AS anywhere, true AS bought, c.shopper_id, min(c.occurred_at) AS at
        FROM credited c JOIN lists l ON l.id = c.list_id {MODEL}
        WHERE c.type = 'purchase' AND c.shopper_id IS NOT NULL GROUP BY 1, 2, 3, 4, c.shopper_id
        UNION ALL
        SELECT {{parts}}, false, false, l.shopper_id, min(l.at) FROM lists l {MODEL}
        WHERE l.shopper_id IS NOT NULL GROUP BY 1, 2, 3, 4, l.shopper_id
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, true, kind.bought, e.shopper_id, min(e.occurred_at)
        FROM recommender_event e CROSS JOIN (VALUES (true), (false)) kind (bought)
        WHERE e.shop_id = %(shop)s AND e.shopper_id IS NOT NULL AND e.occurred_at >= %(since)s
            AND e.occurred_at < %(until)s
            AND (e.type = 'purchase' OR NOT kind.bought)
        GROUP BY kind.bought, e.shopper_id)
    SELECT f.placement, f.version, f.day, f.experiment, f.anywhere,
        count(*) FILTER (WHERE f.bought),
        count(*) FILTER (WHERE f.bought AND later.came),
        count(*) FILTER (WHERE NOT f.bought), count(*) FILTER (WHERE NOT f.bought AND later.came)
    FROM firsts f CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT 1 FROM recommender_event e WHERE e.shopper_id = f.shopper_id
                AND (e.type = 'purchase' OR NOT f.bought)
            AND e.occurred_at >= f.at + interval '12 hours'
                AND e.occurred_at < f.at + %(within)s) AS came) later
    WHERE f.at >= %(since)s AND f.at < %(until)s AND f.at + %(within)s <= now()
    GROUP BY 1, 2, 3, 4, 5 ORDER BY f.anywhere DESC, 1 NULLS FIRST, 2 NULLS FIRST, 3, 4"""


@dataclass(frozen=True)
class Loyalty:
    """Repeat buyers and returning shoppers of one placement, version or day, within `days`.

    Time begins with the first purchase credited to these lists (buyers), or with the first list
    seen (shoppers). anywhere: True in the row of the whole shop, for comparison, where time begins
    with the first purchase or event of the period.
    """

    placement: str | None
    version: str | None
    day: date | None
    experiment: str | None
    anywhere: bool
    days: int
    buyers: int
    """Shoppers who bought from these lists."""
    again: int
    """Of the buyers, those who bought anything again."""
    shoppers: int
    """Shoppers who saw these lists."""
    returned: int
    """Of the shoppers, those with any later event."""


def loyalty(
    shop: Shop,
    since: date,
    until: date,
    by: tuple[str, ...] = ("placement",),
    simulated: bool | None = None,
) -> list[Loyalty]:
    """Repeat purchases and returning shoppers, at least half a day after the first time.

    Only shoppers whose days have passed are counted.
    """
    parts = ", ".join(
        f"{COLUMNS[name] if name in by else f'NULL::{KINDS[name]}'} AS {name}" for name in PARTS
    )
    results = []
    for days in LOYAL_DAYS:
        rows = _rows(
            LOYAL.format(parts=parts),
            shop,
            since,
            until,
            within=timedelta(days=days),
            simulated=simulated,
        )
        results += [Loyalty(*row[:5], days, *row[5:]) for row in rows]
    return results


def _rows(statement: str, shop: Shop, since: date, until: date, **more) -> list[tuple]:
    first = datetime.combine(since, time.min, shop.zone)
    after = datetime.combine(until + timedelta(days=1), time.min, shop.zone)
    values = {
        "shop": shop.pk,
        "since": first,
        "until": after,
        "credit": CREDIT,
        "clocks": CLOCKS,
        "zone": shop.timezone,
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


EXPLORED = """
    SELECT place.value::text, EXISTS (
        SELECT FROM recommender_event e JOIN recommender_product p ON p.id = e.product_id
        WHERE e.shop_id = l.shop_id AND e.recommendation_id = l.recommendation_id
            AND e.type IN ('click', 'purchase')
            AND p.item_id = place.value ->> 'item_id')
    FROM recommender_servedlist l, jsonb_array_elements(l.items) AS place
    WHERE l.shop_id = %(shop)s AND l.placement = %(placement)s AND l.created_at >= %(since)s
        AND l.created_at < %(until)s
        AND jsonb_exists(place.value, 'p')
    LIMIT 1000000"""


def explored(shop: Shop, placement: str, since: date, until: date) -> list[Estimate]:
    """Off-policy estimates of clicks or purchases per place, at a placement that explores."""
    return estimates(
        (json.loads(place), clicked)
        for place, clicked in _rows(EXPLORED, shop, since, until, placement=placement)
    )
