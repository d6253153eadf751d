"""Pages of opinions with 1,000,000 reviews of 20,000 products over two years.

Reviews and opinions are inserted as a judge would leave them, two opinions a review, through the
triggers that keep their counts. A page is measured in a process of the site, from the request to
the rendered page, after a first one.
"""

import json

from bench.__main__ import measure
from bench.search_serving import run_python, services

REVIEWS, REPEATS = 1_000_000, 9
FILL = """
import sys
import django
django.setup()
from django.db import connection
from recommender.models import ModelVersion, Placement, Shop, TrainingRun
reviews = int(sys.argv[1])
shop = Shop.objects.create(key="large", name="large")
Placement.objects.create_usual(shop)
run = TrainingRun.objects.create(shop=shop, recipe="opinion", status="finished")
version = ModelVersion.objects.create(
    shop=shop, run=run, number=1, purpose="opinion", folder="none", status="champion"
)
with connection.cursor() as cursor:
    cursor.execute('''
        INSERT INTO recommender_product (shop_id, item_id, title, description, brand, categories,
            attributes, locale, images, stock_state, item_group_id, hidden)
        SELECT %s, 'p-' || n, 'Product number ' || n, '', 'brand ' || n %% 200,
            ARRAY['Home > Kind ' || n %% 50], '{}', '', '{}', '', '', false
        FROM generate_series(1, 20000) n''', [shop.pk])
    for begin in range(0, reviews, 50_000):
        cursor.execute('''
            WITH written AS (
                INSERT INTO recommender_review (shop_id, review_id, item_id, user_id, title, text,
                    label, topic, split, created_at, judged_at, judged_by_id, language)
                SELECT %s, 'r-' || n, 'p-' || 1 + (random() ^ 2 * 19999)::int, 'u-' || n, '',
                    'Great quality, late delivery, number ' || n, '', '', '',
                    now() - (n %% 730) * interval '1 day', now(), %s, 'en'
                FROM generate_series(%s + 1, %s + 50000) n RETURNING id, item_id, created_at)
            INSERT INTO recommender_opinion (shop_id, review_id, day, item_id, brand, categories,
                channel, topic, polarity, confidence, why_not, "begin", "end", labeled)
            SELECT %s, w.id, w.created_at::date, w.item_id, 'brand ' || w.id %% 200,
                ARRAY['Home', 'Home > Kind ' || w.id %% 50], 'review',
                (ARRAY['delivery', 'quality', 'price', 'size', 'service', 'appearance'])
                    [1 + (random() * 5)::int],
                (ARRAY[-1, 0, 1, 1])[1 + (random() * 3)::int], 0.5 + random() / 2, '',
                p.at, p.at + 13, false
            FROM written w CROSS JOIN (VALUES (0), (15)) AS p (at)''',
            [shop.pk, version.pk, begin, begin, shop.pk])
    cursor.execute("VACUUM ANALYZE")
"""
PAGES = """
import json, statistics, sys, time
import django
django.setup()
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
repeats = int(sys.argv[1])
boss = get_user_model().objects.create_superuser("boss", password="x")
client = Client(SERVER_NAME="localhost")
client.force_login(boss)
out = {}
for name, query in (
    ("opinions", {}),
    ("opinions_reading", {"polarity": "negative", "topic": "quality"}),
    ("opinions_product", {"item_id": "p-7"}),
    ("opinions_compare", {}),
    ("labels", {}),
):
    address, taken = reverse(f"admin:{name}", args=["large"], query=query), []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        reply = client.get(address)
        taken.append(1000 * (time.perf_counter() - begun))
        assert reply.status_code == 200, (name, reply.status_code)
    out[name] = statistics.median(taken[1:])
print(json.dumps(out))
"""


def run() -> dict[str, dict]:
    with services() as environment:
        run_python(environment, "manage.py", "collectstatic", "--no-input", "-v", "0")
        run_python(environment, "-c", FILL, str(REVIEWS))
        environment = {**environment, "VITRINE_HTTPS": "0"}
        pages = json.loads(run_python(environment, "-c", PAGES, str(REPEATS)).splitlines()[-1])
    return {f"{name}.ms_1m": measure(value, "ms") for name, value in pages.items()}
