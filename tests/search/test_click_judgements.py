"""Judgments derived from clicks: graded without the bias of positions, behind given ones."""

import random

from django.utils import timezone

from recommender.models import Event, Judgement, SearchQuery, ServedList
from recommender.search.click_judgements import derive_judgements
from recommender.search.evaluation import judged_queries

RELEVANCE = {"A": 0.9, "B": 0.5, "C": 0.02}


def show(shop, rng, turns=300):
    """Results in random order; position k is looked at with probability 1 / k."""
    now, products = timezone.now(), {p.item_id: p for p in shop.products.all()}
    lists, queries, events = [], [], []
    for turn in range(turns):
        order = rng.sample(sorted(RELEVANCE), 3)
        lists.append(
            ServedList(
                shop=shop,
                recommendation_id=f"q-{turn}",
                placement="search",
                items=[{"item_id": item_id} for item_id in order],
                created_at=now,
            )
        )
        queries.append(
            SearchQuery(
                shop=shop,
                query_id=f"q-{turn}",
                text="mug",
                normalized="mug",
                total=3,
                created_at=now,
            )
        )
        for place, item_id in enumerate(order, 1):
            if rng.random() < RELEVANCE[item_id] / place:
                events.append(
                    Event(
                        shop=shop,
                        event_id=f"{turn}-{item_id}",
                        type="click",
                        product=products[item_id],
                        occurred_at=now,
                        recommendation_id=f"q-{turn}",
                    )
                )
    for rows in (lists, queries, events):
        type(rows[0]).objects.bulk_create(rows)


def test_queries_without_a_click_say_nothing(shop):
    for item_id in RELEVANCE:
        shop.products.create(item_id=item_id, title=f"Mug {item_id}")
    show(shop, random.Random(0))
    now = timezone.now()
    for turn in range(400):
        items = [{"item_id": item_id} for item_id in "ABC"]
        name = f"n-{turn}"
        kept = {"shop": shop, "created_at": now}
        ServedList.objects.create(recommendation_id=name, placement="search", items=items, **kept)
        SearchQuery.objects.create(
            query_id=name, text="x", normalized=f"x {turn % 20}", total=3, **kept
        )
    assert derive_judgements(shop) == 3
    grades = dict(shop.judgements.values_list("item_id", "grade"))
    assert grades == {"A": 3, "B": 2, "C": 0}


def test_grades_are_on_the_scale_of_the_given_ones(shop):
    for item_id in RELEVANCE:
        shop.products.create(item_id=item_id, title=f"Mug {item_id}")
    show(shop, random.Random(0))
    Judgement.objects.create(shop=shop, judgement_id="1", query="Mug", item_id="C", grade=1)
    assert derive_judgements(shop) == 2  # "Mug" and C is given
    derived = shop.judgements.filter(origin=Judgement.CLICKS)
    assert dict(derived.values_list("item_id", "grade")) == {"A": 1, "B": 1}
    assert judged_queries(shop, 10) == {"mug": {"A": 1, "B": 1, "C": 1}}
    assert judged_queries(shop, 10, ["MUG", "cup"])["MUG"] == {"A": 1, "B": 1, "C": 1}


def test_clicks_become_grades_and_given_ones_count_instead(shop):
    for item_id in RELEVANCE:
        shop.products.create(item_id=item_id, title=f"Mug {item_id}")
    show(shop, random.Random(0))
    Judgement.objects.create(shop=shop, judgement_id="1", query="mug", item_id="C", grade=2)
    assert derive_judgements(shop) == 2
    rows = shop.judgements.filter(origin=Judgement.CLICKS)
    assert {row.item_id: row.grade for row in rows} == {"A": 2, "B": 1}
    assert judged_queries(shop, 10) == {"mug": {"A": 2, "B": 1, "C": 2}}
    assert derive_judgements(shop) == 2 and shop.judgements.count() == 3
    Judgement.objects.create(shop=shop, judgement_id="2", query="mug", item_id="A", grade=0)
    assert judged_queries(shop, 10)["mug"]["A"] == 0


def test_without_clicks_the_earlier_ones_go(shop):
    Judgement.objects.create(
        shop=shop, judgement_id="1", query="mug", item_id="A", grade=3, origin=Judgement.CLICKS
    )
    assert derive_judgements(shop) == 0 and not shop.judgements.exists()
