"""Embeddings of new and changed products by the champion's encoder, without a training."""

import logging
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import Q

from recommender.catalog.product_fields import TEXT_FIELDS
from recommender.inference import (
    checkpoint_files,
    model_cache,
    ranking_model,
    search_model,
)
from recommender.inference.ranking_model import Addition, Model
from recommender.inference.search_model import SearchModel
from recommender.models import Change, ModelVersion, Product, ProductVector, Shop

log = logging.getLogger(__name__)

CHUNK = 64
MOST_ADDED = 20_000
"""Most products that are newer than a checkpoint; the newest count."""


def embed_products(shop: Shop, item_ids: Collection[str] | None = None) -> int:
    """Embed products whose text the champion, or a version that a placement names, does not know.

    item_ids: None: all products that the version does not know. Returns the number of vectors.
    """
    versions = ModelVersion.objects.filter(shop=shop, purpose__in=("ranking", "search"))
    return sum(
        _embed_for(shop, v, item_ids)
        for v in versions.filter(Q(status="champion") | Q(pk__in=shop.placements.values("version")))
    )


def _model_of(version: ModelVersion) -> Model | SearchModel:
    """The model of a version. Raises BrokenCheckpoint."""
    if version.purpose == "search":
        return search_model.search_model_of(version.folder)
    return model_cache.model_of(version.folder)


def _embed_for(shop: Shop, version: ModelVersion, item_ids: Collection[str] | None) -> int:
    try:
        model = _model_of(version)
    except checkpoint_files.BrokenCheckpoint as error:
        log.error("shop %s: %s reads nothing new: %s", shop.pk, version, error)
        return 0
    if model.encoder is None:
        return 0
    done = 0
    rows: list[tuple[int, str, tuple, str]] = []
    for row in _unread(shop, version, model, item_ids):
        rows.append(row)
        if len(rows) == CHUNK:
            done += _embed(shop, version, model, rows)
            rows = []
    return done + _embed(shop, version, model, rows)


def _unread(
    shop: Shop, version: ModelVersion, model: Model | SearchModel, item_ids: Collection[str] | None
) -> Iterable[tuple[int, str, tuple, str]]:
    """(primary key, item id, text, digest) of products whose text this version has not encoded."""
    read = ProductVector.objects.filter(version=version)
    if item_ids is None:
        ids = list(shop.products.values_list("item_id", flat=True).iterator(20_000))
        rows = model.known(ids)
        item_ids = [item_id for item_id in ids if item_id not in rows]
    else:
        rows = model.known(item_ids)
    digests = dict(
        read.filter(product__item_id__in=item_ids).values_list("product_id", "text_digest")
    )
    products = shop.products.filter(item_id__in=item_ids).order_by("-id")
    for pk, item_id, *text in products.values_list("pk", "item_id", *TEXT_FIELDS)[:MOST_ADDED]:
        digest = ranking_model.text_digest(tuple(text))
        row = rows.get(item_id)
        known = digests[pk] == digest if pk in digests else model.knows_text(row, digest)
        if not known:
            yield pk, item_id, tuple(text), digest


def _embed(
    shop: Shop,
    version: ModelVersion,
    model: Model | SearchModel,
    rows: list[tuple[int, str, tuple, str]],
) -> int:
    """Store the vectors that differ from those in the checkpoint, and invalidate caches."""
    if not rows:
        return 0
    vectors = model.embed([text for _, _, text, _ in rows])
    texts = [
        (row, vector)
        for row, vector in zip(rows, vectors, strict=True)
        if not model.knows_vector(row[1], vector)
        or ProductVector.objects.filter(version=version, product=row[0]).exists()
    ]
    made = [
        ProductVector(shop=shop, version=version, product_id=pk, vector=vector, text_digest=digest)
        for (pk, _, _, digest), vector in texts
    ]
    with transaction.atomic():
        known = set(
            Product.objects.select_for_update()
            .filter(pk__in=[v.product_id for v in made])
            .values_list("pk", flat=True)
        )
        made = [v for v in made if v.product_id in known]
        ProductVector.objects.bulk_create(
            made,
            update_conflicts=True,
            unique_fields=["version", "product"],
            update_fields=["vector", "text_digest", "created_at"],
        )
        if made:
            Change.objects.create(shop=shop, kind=Change.VECTORS, key=str(version.pk))
    return len(made)


def additions(version: ModelVersion, model: Model | SearchModel) -> list[Addition]:
    """Products whose embedding was stored for this version after its training: new products, and
    known ones whose text has changed. At most MOST_ADDED, by ascending primary key.
    """
    fields = (
        "product__item_id",
        "vector",
        "product__price",
        "product__brand",
        "product__categories",
    )
    rows = list(
        ProductVector.objects.filter(version=version)
        .order_by("-product_id")
        .values_list(*fields)[:MOST_ADDED]
    )[::-1]
    if isinstance(model, SearchModel):  # ranks by texts alone
        return [Addition(row[0], bytes(row[1]), None, None, None) for row in rows]
    brands = _akin(
        version, model, "brand__in", {row[3] for row in rows if row[3]}, lambda brand, _: brand
    )
    firsts = {row[4][0] for row in rows if row[4]}
    categories = _akin(
        version, model, "categories__0__in", firsts, lambda _, paths: paths[0] if paths else ""
    )
    return [
        Addition(
            item_id,
            bytes(vector),
            None if price is None else float(price),
            brands.get(brand),
            categories.get(paths[0]) if paths else None,
        )
        for item_id, vector, price, brand, paths in rows
    ]


def _akin(
    version: ModelVersion, model: Model, lookup: str, values: set[str], key
) -> dict[str, str]:
    """Per brand or category, a product that the checkpoint knows."""
    if not values:
        return {}
    products = Product.objects.filter(shop=version.shop_id, **{lookup: values}).values_list(
        "item_id", "brand", "categories"
    )
    return {
        key(brand, paths): item_id
        for item_id, brand, paths in products.iterator(2000)
        if item_id in model.rows
    }
