"""Snapshot export: writes the data of a shop to the folder that training reads."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path

from django.db import connection

from recommender.inference import training_options
from recommender.models import Judgement, Message, Shop
from recommender.models.eligibility import price_in_force
from recommender.models.events import LEAST_LIKED, EventType

CHUNK = 50_000
LAST_DAY = date(9000, 1, 1)


class NothingToLearn(ValueError):
    """The shop has no products, or no events in the window."""


def snapshot_shop(
    shop: Shop,
    folder: Path,
    since: date | None = None,
    until: date | None = None,
    tick: Callable[[], None] = lambda: None,
    recipe: str = "fusion",
) -> dict:
    """Export products, shoppers, usable events and labeled texts; returns the manifest.

    since, until: first and last day, inclusive, in the shop's time zone tick: called now and then

    Raises NothingToLearn. The shop changes meanwhile, so events are read first and those of deleted
    products are dropped.
    """
    import polars as pl

    events = _frame(pl, _events(shop, since, until), _EVENT_SCHEMA, tick)
    products = _frame(pl, _products(shop), _PRODUCT_SCHEMA, tick)
    events = events.filter(
        pl.col("item_id").is_null() | pl.col("item_id").is_in(products["item_id"].implode())
    )
    written = {
        name: _frame(pl, rows(shop), _WRITTEN_SCHEMAS[name], tick)
        for name, rows in _WRITTEN.items()
    }
    lists = shown_results(shop) if training_options.purpose_of(recipe) == "search" else ()
    written["search_lists"] = _frame(pl, lists, _LIST_SCHEMA, tick)
    for name in ("judgements", "search_lists"):
        known = pl.col("item_id").is_in(products["item_id"].implode())
        written[name] = written[name].filter(known)
    written = {name: frame for name, frame in written.items() if len(frame)}
    needs = training_options.needs_of(recipe)
    if not len(products) and (("products",) in needs or ("events",) in needs):
        raise NothingToLearn("this shop has no products yet; import them first")
    if not len(events) and ("events",) in needs:
        raise NothingToLearn(
            "there are no events to learn from in this window; import orders or choose other dates"
        )
    shoppers = _frame(
        pl,
        _shoppers(shop),
        {"user_id": "String", "attributes": "String", "first_seen": "Datetime"},
        tick,
    )
    return training_options.write_snapshot(
        folder,
        shop.key,
        {"products": products, "events": events, "shoppers": shoppers, **written},
        shop.currency,
    )


_PRODUCT_SCHEMA = {
    "item_id": "String",
    "title": "String",
    "description": "String",
    "brand": "String",
    "categories": "List",
    "price": "Float64",
    "attributes": "String",
    "available_from": "Datetime",
    "hidden": "Boolean",
}
_EVENT_SCHEMA = {
    "user_id": "String",
    "item_id": "String",
    "type": "String",
    "occurred_at": "Datetime",
    "quantity": "Float64",
    "value": "Float64",
    "rating": "Float64",
    "session_id": "String",
    "query": "String",
}
_WRITTEN_SCHEMAS = {
    "reviews": {
        "review_id": "String",
        "item_id": "String",
        "user_id": "String",
        "rating": "Float64",
        "title": "String",
        "text": "String",
        "label": "String",
        "topic": "String",
        "split": "String",
        "created_at": "Datetime",
    },
    "dialogues": {"text": "String", "intent": "String", "answer": "String", "split": "String"},
    "judgements": {"query": "String", "item_id": "String", "grade": "Float64", "fold": "Int64"},
    "opinions": {"text": "String", "topic": "String", "polarity": "String", "origin": "String"},
}


_LIST_SCHEMA = {
    "list_id": "String",
    "query": "String",
    "item_id": "String",
    "position": "Int64",
    "clicked": "Boolean",
}
_SHOWN_RESULTS = """
    WITH clicked AS (
        SELECT DISTINCT e.recommendation_id, p.item_id
        FROM recommender_event e JOIN recommender_product p ON p.id = e.product_id
        WHERE e.shop_id = %(shop)s AND e.recommendation_id IS NOT NULL
            AND e.occurred_at >= %(since)s AND e.type IN ('click', 'add_to_cart', 'purchase'))
    SELECT l.recommendation_id, q.normalized, i.item ->> 'item_id',
        l.first_position + i.place - 1, c.item_id IS NOT NULL
    FROM (SELECT * FROM recommender_servedlist
        WHERE shop_id = %(shop)s AND placement = 'search' AND NOT simulated
            AND created_at >= %(since)s
        ORDER BY created_at DESC LIMIT %(most)s) AS l
    JOIN recommender_searchquery q ON q.shop_id = l.shop_id
        AND q.query_id = l.recommendation_id AND q.first_position = l.first_position
    LEFT JOIN recommender_shopper s ON s.id = l.shopper_id
    CROSS JOIN LATERAL jsonb_array_elements(l.items) WITH ORDINALITY AS i (item, place)
    LEFT JOIN clicked c ON c.recommendation_id = l.recommendation_id
        AND c.item_id = i.item ->> 'item_id'
    WHERE coalesce(s.consent_training, true)
    ORDER BY l.created_at, l.id, i.place"""


def shown_results(
    shop: Shop, since: datetime | None = None, most: int | None = None
) -> Iterator[tuple[str, str, str, int, bool]]:
    """(list, query, item id, position from 1, whether a click or more followed) of each product of
    the latest search results, without shoppers who refuse training.

    most: number of the results
    """
    values = {"shop": shop.pk, "since": since or "-infinity", "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN_RESULTS, values)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows


def _written(name: str, shop: Shop):
    """Rows of labeled texts, blanks as None; without shoppers who refuse training."""
    rows = getattr(shop, name).order_by("id")
    if name in ("reviews", "dialogues"):
        rows = rows.exclude(
            user_id__in=shop.shoppers.filter(consent_training=False).values("user_id")
        )
    if name == "judgements":
        rows = rows.filter(origin=Judgement.GIVEN)
    for row in rows.values_list(*_WRITTEN_SCHEMAS[name]).iterator(CHUNK):
        yield tuple(None if value == "" else value for value in row)


def _opinions(shop: Shop):
    """(text, topic, polarity, origin): examples of the shop's topics, and labels of persons,
    without those of shoppers who refuse training.
    """
    for topic in shop.topics.all():
        for polarity, examples in topic.examples.items():
            yield from ((text, topic.key, polarity, "example") for text in examples)
    refuse = shop.shoppers.filter(consent_training=False).values("user_id")
    for label in shop.opinion_labels.exclude(user_id__in=refuse).order_by("id"):
        yield label.text, label.topic, label.get_polarity_display(), "label"


def _dialogues(shop: Shop):
    """(text, intent, answer, split): solved dialogues, the examples of intents in the languages of
    the service desk, and messages whose answer helped.
    """
    yield from _written("dialogues", shop)
    desk = getattr(shop, "support_settings", None)
    languages = desk.languages if desk is not None else ()
    for intent in shop.intents.all():
        for language in languages:
            for text in intent.examples.get(language, ()):
                yield text, intent.key, None, None
    yield from helpful_messages(shop)


def helpful_messages(shop: Shop) -> Iterator[tuple[str, str | None, str | None, None]]:
    """(question, intent, answer, split) of messages whose answer helped, without shoppers who
    refuse training: templates teach the intent, quoted passages the answer.
    """
    refuse = shop.shoppers.filter(consent_training=False).values("user_id")
    answers = (
        Message.objects.filter(conversation__shop=shop, conversation__simulated=False, helped=True)
        .exclude(conversation__user_id__in=refuse)
        .filter(kind__in=[Message.TEMPLATE, Message.PASSAGES])
    )
    for one in answers.select_related("conversation").order_by("id"):
        question = one.conversation.messages.filter(pk__lt=one.pk, author=Message.SHOPPER).last()
        if question is not None and question.meant:
            passage = one.sources[0]["quote"] if one.kind == Message.PASSAGES else None
            intent = one.intent if one.kind == Message.TEMPLATE else None
            yield question.meant, intent, passage, None


_WRITTEN = {name: partial(_written, name) for name in ("reviews", "judgements")}
_WRITTEN["dialogues"] = _dialogues
_WRITTEN["opinions"] = _opinions


def _frame(pl, rows, schema: dict[str, str], tick: Callable[[], None]):
    kinds = {"Datetime": pl.Datetime("us", "UTC"), "List": pl.List(pl.String)}
    typed = {name: kinds.get(kind) or getattr(pl, kind) for name, kind in schema.items()}
    parts, chunk = [], []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            parts.append(pl.DataFrame(chunk, schema=typed, orient="row"))
            chunk = []
            tick()
    return pl.concat([*parts, pl.DataFrame(chunk, schema=typed, orient="row")])


def _products(shop: Shop):
    fields = (
        "item_id",
        "title",
        "description",
        "brand",
        "categories",
        "price",
        "attributes",
        "available_from",
        "hidden",
        "published",
        "sale_price",
        "sale_from",
        "sale_until",
    )
    for row in shop.products.order_by("item_id").values_list(*fields).iterator(CHUNK):
        price = price_in_force(row[5], *row[10:])
        yield (
            *row[:5],
            None if price is None else float(price),
            json.dumps(row[6], ensure_ascii=False) if row[6] else None,
            row[7],
            row[8] or not row[9],
        )


def _shoppers(shop: Shop):
    rows = (
        shop.shoppers.filter(consent_training=True)
        .order_by("user_id")
        .values_list("user_id", "attributes", "first_seen")
    )
    for user_id, attributes, first_seen in rows.iterator(CHUNK):
        yield (
            user_id,
            json.dumps(attributes, ensure_ascii=False) if attributes else None,
            first_seen,
        )


def events_between(shop: Shop, since: date | None, until: date | None):
    """Usable events of these days, inclusive, in the shop's time zone."""
    events = shop.events.usable()
    if since:
        events = events.filter(occurred_at__gte=datetime.combine(since, time.min, shop.zone))
    if until and until < LAST_DAY:
        events = events.filter(
            occurred_at__lt=datetime.combine(until + timedelta(days=1), time.min, shop.zone)
        )
    return events


def _events(shop: Shop, since: date | None, until: date | None):
    fields = (
        "shopper__user_id",
        "product__item_id",
        "type",
        "occurred_at",
        "quantity",
        "value",
        "rating",
        "session_id",
        "query",
    )
    events = events_between(shop, since, until)
    for row in events.in_order().values_list(*fields).iterator(CHUNK):
        poor = row[2] in ("rating", "review") and row[6] is not None and row[6] < LEAST_LIKED
        yield (*row[:2], EventType.DISLIKE.value, *row[3:]) if poor else row
