"""Making of passages: from articles, solved dialogues, products and reviews, as they change.

A source that has changed since gets new passages; passages without a source are deleted. The
vectors come from the champion of the recipe `answers`.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from recommender.inference import passage_encoder
from recommender.ingest.masking import masked
from recommender.model_lifecycle import runs
from recommender.models import Change, ModelVersion, Passage, Shop, SupportSettings
from recommender.reviews import judging
from recommender.reviews.languages import language_of
from recommender.serving.champions import readable_champion
from recommender.support.defaults import settings_of
from recommender.support.sentences import passages

log = logging.getLogger(__name__)

ANSWERS = "answers"
"""Purpose of the model versions that read questions and passages, and the recipe."""
LOCK = 7_203
"""Number of the PostgreSQL advisory lock on the passages of a shop."""
LONGEST_JOB = 60.0
"""Seconds of embedding after which a job leaves the rest to the next one."""
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
        return f"""SELECT s.id FROM ({self.eligible}) s WHERE NOT EXISTS (
            SELECT FROM recommender_passage a WHERE a.shop_id = s.shop_id
            AND a.kind = '{self.kind}' AND a.source_id = s.key AND a.source_at = s.updated_at)"""

    @property
    def eligible(self) -> str:
        """SQL of the sources that have passages, the newest first, for (shop, most)."""
        names = f"s.id, s.shop_id, s.{self.key} AS key, s.updated_at"
        place = f"PARTITION BY s.{self.newest} ORDER BY s.id DESC"
        names += f", row_number() OVER ({place}) AS place" if self.newest else ", 1 AS place"
        return f"""SELECT * FROM (SELECT {names} FROM recommender_{self.table} s
            WHERE s.shop_id = %s AND {self.usable}) n
            WHERE place <= {MOST_REVIEWS} ORDER BY id DESC LIMIT %s"""

    @property
    def gone(self) -> str:
        """Condition of passages `a` whose source has none any more, for (shop, most)."""
        return f"NOT EXISTS (SELECT FROM ({self.eligible}) s WHERE s.key = a.source_id)"

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
        "NOT s.hidden AND s.published "
        "AND (s.description ~ '\\S' OR s.brand <> '' OR s.attributes <> '{}')",
        _product,
    ),
    Source(
        Passage.REVIEW,
        "review",
        "review_id",
        "s.title, s.text, s.item_id, s.language",
        "s.channel = 'review' AND s.copy = '' AND s.item_id <> '' AND s.split <> 'test' "
        f"AND length(s.text) >= {SHORTEST_REVIEW}",
        _review,
        newest="item_id",
    ),
)


def update_passages(shop: Shop, kinds: Collection[str] = Passage.KINDS) -> int | None:
    """Make, delete and embed passages as their sources of these kinds have changed; returns how
    many changed. None where another worker is at it, or where some are left to embed: the caller
    comes again. Nothing for a shop without a service desk.
    """
    if shop.articles.exists():
        train_first_models(shop)
    elif not SupportSettings.objects.filter(shop=shop).exists():
        return 0
    with _alone(shop) as is_alone:
        if not is_alone:
            return None
        changed = sum(_update(shop, source) for source in SOURCES if source.kind in kinds)
        embedded, is_done = embed_passages(shop)
    if changed or embedded:
        Change.objects.create(shop=shop, kind=Change.SUPPORT)
    return changed + embedded if is_done else None


@contextmanager
def _alone(shop: Shop) -> Iterator[bool]:
    """Lock the passages of a shop against other workers; False where one has the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, shop.pk])
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, shop.pk])


def _update(shop: Shop, source: Source) -> int:
    started, changed = time.monotonic(), 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM recommender_passage a WHERE a.shop_id = %s AND a.kind = %s "
            f"AND {source.gone}",
            [shop.pk, source.kind, shop.pk, MOST_SOURCES],
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
    """Put the passages of these sources in place of their old ones; returns how many differ. A
    source without any gets an empty one, so that it counts as read. Passages that stay the same,
    such as those of a product with another price, keep their vectors.
    """
    stored: dict[str, list[Passage]] = {}
    ids = [row[0] for row in rows]
    of_sources = Passage.objects.filter(shop=shop, kind=source.kind, source_id__in=ids)
    for passage in of_sources.order_by("position").defer("vector"):
        stored.setdefault(passage.source_id, []).append(passage)
    made, same = [], []
    for row in rows:
        title, texts, fields = source.parts(row)
        passages = [
            Passage(
                shop=shop,
                kind=source.kind,
                source_id=row[0],
                source_at=row[1],
                position=position,
                title=title,
                text=text,
                **(fields | {"language": fields.get("language") or language_of(text)}),
            )
            for position, text in enumerate(texts or [""])
        ]
        before = stored.get(row[0], [])
        if [_content(one) for one in before] == [_content(one) for one in passages]:
            same += [(one.pk, row[1]) for one in before]
        else:
            made.append((row[0], passages))
    with transaction.atomic():
        of_sources.filter(source_id__in=[source_id for source_id, _ in made]).delete()
        Passage.objects.bulk_create([one for _, passages in made for one in passages])
        Passage.objects.bulk_update(
            [Passage(pk=pk, source_at=at) for pk, at in same], ["source_at"]
        )
    return sum(len(passages) for _, passages in made)


def _content(passage: Passage) -> tuple[str, ...]:
    names = ("title", "text", "url", "language", "item_id")
    return tuple(getattr(passage, name) for name in names)


def answers_version(shop: Shop) -> ModelVersion | None:
    """The champion that reads questions; where it is broken, the version before it."""
    return readable_champion(shop, ANSWERS, passage_encoder.encoder_of)


def embed_passages(shop: Shop) -> tuple[int, bool]:
    """Embed passages that the champion's encoder has not read: (their number, whether all are).

    It ends after LONGEST_JOB, so that other work of the queue has a turn.
    """
    version = answers_version(shop)
    if version is None:
        return 0, True
    count, last, ends = 0, 0, time.monotonic() + LONGEST_JOB
    waiting = Passage.objects.of(shop).exclude(encoder=version.folder).exclude(text="")
    waiting = waiting.order_by("pk").only("title", "text")
    while rows := list(waiting.filter(pk__gt=last)[:EMBEDDED]):
        last = rows[-1].pk
        vectors = passage_encoder.embed(version.folder, [encoded_text(row) for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            row.vector, row.encoder = vector, version.folder
        Passage.objects.bulk_update(rows, ["vector", "encoder"])
        count += len(rows)
        if time.monotonic() > ends:
            return count, False
    return count, True


def encoded_text(passage: Passage) -> str:
    """What the encoder reads of a passage."""
    return f"{passage.title}. {passage.text}" if passage.title else passage.text


def train_first_models(shop: Shop) -> None:
    """Queue the first trainings of a shop's service desk."""
    multilingual = any(code != "en" for code in settings_of(shop).languages)
    overrides = {"text.encoder": "multilingual"} if multilingual else {}
    for recipe in ("intent", ANSWERS, judging.OPINION):
        runs.start_first(shop, recipe, overrides)
