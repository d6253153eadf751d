"""Making of passages: from articles, solved dialogues, products and reviews, as they change.

A source that has changed since gets new passages; passages without a source are deleted. The
vectors come from the champion of the recipe `answers`.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from recommender.inference import passage_encoder
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.ingest.masking import masked
from recommender.model_lifecycle import runs
from recommender.models import Change, ModelVersion, Passage, Shop, SupportSettings
from recommender.reviews import judging
from recommender.reviews.languages import language_of
from recommender.support.defaults import settings_of
from recommender.support.sentences import passages

log = logging.getLogger(__name__)

ANSWERS = "answers"
"""Purpose of the model versions that read questions and passages, and the recipe."""
CHUNK = 500
EMBEDDED = 256
MOST_SOURCES = 100_000
"""Newest sources of a kind that have passages."""
MOST_REVIEWS = 20
"""Newest reviews of a product that answers quote."""
SHORTEST_REVIEW = 40
"""Characters; shorter reviews say too little to be quoted."""
LONGEST_VALUE = 200


@dataclass(frozen=True)
class Source:
    """A kind of source, a table with the alias `s`.

    key: column of the shop's id; columns: SQL of the values that `parts` reads behind id and
    updated_at; usable: condition of rows that have passages
    newest: column by which only the newest MOST_REVIEWS rows count; empty: all do
    parts: (title, texts, fields of the passages) of a row
    """

    kind: str
    table: str
    key: str
    columns: str
    usable: str
    parts: Callable[[tuple], tuple[str, list[str], dict[str, str]]]
    newest: str = ""

    @property
    def outdated(self) -> str:
        """SQL of (primary key) of sources whose passages are not of their current state, the
        newest first, for (shop, most).
        """
        of = f"SELECT s.* FROM recommender_{self.table} s WHERE s.shop_id = %s AND {self.usable}"
        if self.newest:
            of = f"""SELECT * FROM (SELECT n.*, row_number() OVER (PARTITION BY n.{self.newest}
                ORDER BY n.id DESC) AS place FROM ({of}) n) m WHERE place <= {MOST_REVIEWS}"""
        return f"""SELECT s.id FROM ({of} ORDER BY id DESC LIMIT %s) s WHERE NOT EXISTS (
            SELECT FROM recommender_passage a WHERE a.shop_id = s.shop_id
            AND a.kind = '{self.kind}' AND a.source_id = s.{self.key}
            AND a.source_at = s.updated_at)"""

    @property
    def gone(self) -> str:
        """Condition of passages `a` whose source does not exist any more."""
        return f"""NOT EXISTS (SELECT FROM recommender_{self.table} s WHERE s.shop_id = a.shop_id
            AND s.{self.key} = a.source_id AND {self.usable})"""

    @property
    def rows(self) -> str:
        """SQL of the rows with these primary keys."""
        return f"""SELECT s.{self.key}, s.updated_at, {self.columns}
            FROM recommender_{self.table} s WHERE s.id = ANY(%s)"""


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
        known = [one for one in values if isinstance(one, str | int | float)]
        text = ", ".join(str(one) for one in known if not isinstance(one, bool)).strip(", ")
        if text and len(text) <= LONGEST_VALUE and name != "brand":
            yield name, text


def _review(row: tuple) -> tuple[str, list[str], dict[str, str]]:
    _, _, title, text, item_id, language = row
    return title, passages(text), {"item_id": item_id, "language": language}


SOURCES = (
    Source(
        Passage.ARTICLE,
        "article",
        "article_id",
        "s.title, s.text, s.url, s.language",
        "true",
        _article,
    ),
    Source(
        Passage.DIALOGUE,
        "dialogue",
        "dialogue_id",
        "s.text, s.answer",
        "s.answer ~ '\\S' AND s.split <> 'test'",
        _dialogue,
    ),
    Source(
        Passage.PRODUCT,
        "product",
        "item_id",
        "s.title, s.brand, s.description, s.attributes",
        "NOT s.hidden AND (s.description ~ '\\S' OR s.brand <> '' OR s.attributes <> '{}')",
        _product,
    ),
    Source(
        Passage.REVIEW,
        "review",
        "review_id",
        "s.title, s.text, s.item_id, s.language",
        "s.copy = '' AND s.item_id <> '' AND s.split <> 'test' "
        f"AND length(s.text) >= {SHORTEST_REVIEW}",
        _review,
        newest="item_id",
    ),
)


def update_passages(shop: Shop, kinds: Collection[str] = Passage.KINDS) -> int:
    """Make, delete and embed passages as their sources of these kinds have changed; returns how
    many changed. Nothing for a shop without a service desk.
    """
    if shop.articles.exists():
        train_first_models(shop)
    elif not SupportSettings.objects.filter(shop=shop).exists():
        return 0
    changed = sum(_update(shop, source) for source in SOURCES if source.kind in kinds)
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
        cursor.execute(source.outdated, [shop.pk, MOST_SOURCES])
        outdated = [pk for (pk,) in cursor.fetchall()]
    for begin in range(0, len(outdated), CHUNK):
        with connection.cursor() as cursor:
            cursor.execute(source.rows, [outdated[begin : begin + CHUNK]])
            rows = cursor.fetchall()
        changed += _replace(shop, source, rows)
    if changed:
        seconds = time.monotonic() - started
        log.info("shop %s: %d %s passages in %.1f s", shop.pk, changed, source.kind, seconds)
    return changed


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
    count, last = 0, 0
    waiting = Passage.objects.of(shop).exclude(encoder=version.folder).exclude(text="")
    waiting = waiting.order_by("pk").only("title", "text")
    while rows := list(waiting.filter(pk__gt=last)[:EMBEDDED]):
        last = rows[-1].pk
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
