"""Making of passages: from articles, solved dialogues, products and reviews, as they change.

A source that has changed since gets new passages; passages without a source are deleted. The
vectors come from the champion of the recipe `answers`.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from recommender.inference import passage_encoder
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.ingest.masking import masked
from recommender.model_lifecycle import runs
from recommender.models import Change, ModelVersion, Passage, Shop
from recommender.reviews import judging
from recommender.reviews.languages import language_of
from recommender.support.defaults import settings_of
from recommender.support.sentences import passages

log = logging.getLogger(__name__)

ANSWERS = "answers"
"""Purpose of the model versions that read questions and passages, and the recipe."""
CHUNK = 500
EMBEDDED = 256
MOST_REVIEWS = 20
"""Newest reviews of a product that answers quote."""
SHORTEST_REVIEW = 40
"""Characters; shorter reviews say too little to be quoted."""
LONGEST_VALUE = 200


@dataclass(frozen=True)
class Source:
    """A kind of source. changed: SQL of (id, updated_at, …) of sources with outdated passages, for
    (shop, most); gone: condition of passages `a` whose source does not exist any more;
    parts: (title, texts, fields of the passages) of a row
    """

    kind: str
    changed: str
    gone: str
    parts: Callable[[tuple], tuple[str, list[str], dict[str, str]]]


def _outdated(kind: str, key: str) -> str:
    """Condition of a source `s` whose passages are not of its current state."""
    return f"""NOT EXISTS (SELECT FROM recommender_passage a WHERE a.shop_id = s.shop_id
        AND a.kind = '{kind}' AND a.source_id = s.{key} AND a.source_at = s.updated_at)"""


def _missing(table: str, key: str, more: str = "") -> str:
    return f"""NOT EXISTS (SELECT FROM recommender_{table} s WHERE s.shop_id = a.shop_id
        AND s.{key} = a.source_id {more})"""


def _article(row: tuple) -> tuple[str, list[str], dict[str, str]]:
    _, _, title, text, url, language = row
    return title, passages(text), {"url": url, "language": language}


def _dialogue(row: tuple) -> tuple[str, list[str], dict[str, str]]:
    _, _, question, answer = row
    return masked(question), passages(masked(answer)), {}


def _product(row: tuple) -> tuple[str, list[str], dict[str, str]]:
    item_id, _, title, brand, description, attributes = row
    facts = [f"Brand: {brand}"] if brand else []
    facts += [
        f"{name.replace('_', ' ').strip().capitalize()}: {value}"
        for name, value in _attribute_texts(attributes)
    ]
    texts = passages(description) if description else []
    texts += passages(". ".join(facts)) if facts else []
    return title, texts, {"item_id": item_id}


def _attribute_texts(attributes: str) -> Iterator[tuple[str, str]]:
    """(name, value) of the attributes that are short texts. attributes: a JSON object"""
    for name, value in json.loads(attributes).items():
        values = value if isinstance(value, list) else [value]
        texts = [str(one) for one in values if isinstance(one, str | int | float)]
        text = ", ".join(one for one in texts if not isinstance(one, bool) and one.strip())
        if text and len(text) <= LONGEST_VALUE and name != "brand":
            yield name, text


def _review(row: tuple) -> tuple[str, list[str], dict[str, str]]:
    _, _, title, text, item_id, language = row
    return title, passages(text), {"item_id": item_id, "language": language}


SOURCES = (
    Source(
        Passage.ARTICLE,
        f"""SELECT s.article_id, s.updated_at, s.title, s.text, s.url, s.language
        FROM recommender_article s
        WHERE s.shop_id = %s AND {_outdated("article", "article_id")} LIMIT %s""",
        _missing("article", "article_id"),
        _article,
    ),
    Source(
        Passage.DIALOGUE,
        f"""SELECT s.dialogue_id, s.updated_at, s.text, s.answer FROM recommender_dialogue s
        WHERE s.shop_id = %s AND s.answer ~ '\\S' AND s.split <> 'test'
        AND {_outdated("dialogue", "dialogue_id")} LIMIT %s""",
        _missing("dialogue", "dialogue_id", "AND s.answer ~ '\\S'"),
        _dialogue,
    ),
    Source(
        Passage.PRODUCT,
        f"""SELECT s.item_id, s.updated_at, s.title, s.brand, s.description, s.attributes
        FROM recommender_product s WHERE s.shop_id = %s AND NOT s.hidden
        AND (s.description ~ '\\S' OR s.brand <> '' OR s.attributes <> '{{}}')
        AND {_outdated("product", "item_id")} LIMIT %s""",
        _missing("product", "item_id", "AND NOT s.hidden"),
        _product,
    ),
    Source(
        Passage.REVIEW,
        f"""SELECT s.review_id, s.updated_at, s.title, s.text, s.item_id, s.language
        FROM (SELECT r.*, row_number() OVER (PARTITION BY r.item_id
                ORDER BY coalesce(r.created_at, r.received_at) DESC, r.id DESC) AS place
            FROM recommender_review r WHERE r.shop_id = %s AND r.copy = '' AND r.item_id <> ''
            AND length(r.text) >= {SHORTEST_REVIEW} AND r.split <> 'test') s
        WHERE s.place <= {MOST_REVIEWS} AND {_outdated("review", "review_id")} LIMIT %s""",
        _missing("review", "review_id", "AND s.copy = ''"),
        _review,
    ),
)


def update_passages(shop: Shop) -> int:
    """Make, delete and embed passages as their sources have changed; returns how many changed."""
    if shop.articles.exists():
        train_first_models(shop)
    changed = sum(_update(shop, source) for source in SOURCES)
    changed += embed_passages(shop)
    if changed:
        Change.objects.create(shop=shop, kind=Change.SUPPORT)
    return changed


def _update(shop: Shop, source: Source) -> int:
    started, changed = time.monotonic(), 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM recommender_passage a WHERE a.shop_id = %s AND a.kind = %s "
            f"AND {source.gone}",
            [shop.pk, source.kind],
        )
        changed += cursor.rowcount
    while rows := _rows(shop, source):
        changed += _replace(shop, source, rows)
    if changed:
        seconds = time.monotonic() - started
        log.info("shop %s: %d %s passages in %.1f s", shop.pk, changed, source.kind, seconds)
    return changed


def _rows(shop: Shop, source: Source) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(source.changed, [shop.pk, CHUNK])
        return cursor.fetchall()


def _replace(shop: Shop, source: Source, rows: Sequence[tuple]) -> int:
    """Put the passages of these sources in place of their old ones. A source without any gets an
    empty one, so that it counts as read.
    """
    made = []
    for row in rows:
        title, texts, fields = source.parts(row)
        for position, text in enumerate(texts or [""]):
            language = fields.get("language") or language_of(text)
            about = fields | {"language": language, "title": title, "text": text}
            made.append(
                Passage(
                    shop=shop,
                    kind=source.kind,
                    source_id=row[0],
                    source_at=row[1],
                    position=position,
                    **about,
                )
            )
    with transaction.atomic():
        Passage.objects.filter(
            shop=shop, kind=source.kind, source_id__in=[row[0] for row in rows]
        ).delete()
        Passage.objects.bulk_create(made)
    return len(made)


def answers_version(shop: Shop) -> ModelVersion | None:
    """The champion that reads questions; where it is broken, the version before it."""
    version = shop.champion(ANSWERS)
    while version is not None:
        try:
            passage_encoder.encoder_of(version.folder)
        except BrokenCheckpoint as error:
            log.error("shop %s: %s cannot read questions: %s", shop.pk, version, error)
            version = version.previous()
        else:
            return version
    return None


def embed_passages(shop: Shop) -> int:
    """Embed passages that the champion's encoder has not read; returns their number."""
    version = answers_version(shop)
    if version is None:
        return 0
    count = 0
    waiting = Passage.objects.of(shop).exclude(encoder=version.folder).exclude(text="")
    while rows := list(waiting.order_by("pk").only("title", "text")[:EMBEDDED]):
        vectors = passage_encoder.embed(version.folder, [encoded_text(row) for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            row.vector, row.encoder = vector, version.folder
        Passage.objects.bulk_update(rows, ["vector", "encoder"])
        count += len(rows)
    return count


def encoded_text(passage: Passage) -> str:
    """What the encoder reads of a passage."""
    return f"{passage.title}. {passage.text}" if passage.title else passage.text


def train_first_models(shop: Shop) -> None:
    """Queue the first trainings of a shop's service desk."""
    multilingual = any(code != "en" for code in settings_of(shop).languages)
    overrides = {"text.encoder": "multilingual"} if multilingual else {}
    for recipe in ("intent", ANSWERS, judging.OPINION):
        runs.start_first(shop, recipe, overrides)
