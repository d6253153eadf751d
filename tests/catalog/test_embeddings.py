"""New and reworded products: read as they arrive, found and recommended without a training."""

import shutil

import pytest

from recommender.catalog import embeddings
from recommender.inference import checkpoint_files, model_cache, ranking_model, verification
from recommender.models import Product, ProductVector
from recommender.recommendations import batch_scoring
from recommender.serving import change_feed
from recommender.serving.shop_state import state_of


@pytest.fixture(autouse=True)
def _look_always(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def shop_with_encoder(live_shop, checkpoints, served_encoder):
    """The live shop, whose champion has an int8 encoder."""
    shutil.copytree(served_encoder, checkpoints / live_shop.champion().folder / "onnx")
    return live_shop


def put(api, item_id, title, **fields):
    reply = api("put", f"items/{item_id}", {"title": title, **fields})
    assert reply.status_code in (200, 201), reply.content


def listed(api, placement, **fields):
    return [
        i["item_id"]
        for i in api(
            "post", "recommendations", {"placement": placement, "limit": 50, **fields}
        ).json()["items"]
    ]


def test_a_new_product_is_related_and_recommended_without_training(
    shop_with_encoder, api, tiny_twin
):
    twin = tiny_twin(shop_with_encoder)
    put(api, "NEW-1", twin.title)
    assert "NEW-1" not in listed(api, "product_page", context={"item_ids": [twin.item_id]})
    assert embeddings.embed_products(shop_with_encoder, ["NEW-1"]) == 1
    assert "NEW-1" in listed(api, "product_page", context={"item_ids": [twin.item_id]})[:20]
    assert listed(api, "product_page", context={"item_ids": ["NEW-1"]})[0] == twin.item_id
    buyer = (
        twin.events.filter(type="purchase", shopper__isnull=False)
        .order_by("-occurred_at")
        .first()
        .shopper
    )
    assert "NEW-1" in listed(api, "home_top", user_id=buyer.user_id)


@pytest.fixture
def tiny_twin():
    """A product that is bought often."""

    def find(shop):
        from django.db.models import Count

        return shop.products.annotate(n=Count("events")).order_by("-n", "item_id").first()

    return find


def test_what_is_new_does_not_load_the_encoder_again(shop_with_encoder, api, tiny_twin):
    base = state_of(shop_with_encoder).model()
    put(api, "NEW-1", tiny_twin(shop_with_encoder).title)
    embeddings.embed_products(shop_with_encoder, ["NEW-1"])
    extended = state_of(shop_with_encoder).model()
    assert extended is not base and extended.encoder is base.encoder is not None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("encoder.int8.onnx", b"torn"),
        ("tokenizer.json", b"torn"),
        ("encoder.json", b'{"dim": 3, "max_tokens": 16, "prefix": "", "sep": 3}'),
    ],
)
def test_a_champion_serves_without_its_encoder_while_that_cannot_be_read(
    shop_with_encoder, api, checkpoints, caplog, monkeypatch, name, content
):
    version = shop_with_encoder.champion()
    file = checkpoints / version.folder / "onnx" / name
    whole = file.read_bytes()
    file.write_bytes(content)
    assert listed(api, "home_top", user_id="shopper-003") and listed(
        api, "home_top", context={"interests": ["tea"]}
    )
    assert embeddings.embed_products(shop_with_encoder) == 0
    assert caplog.text.count("its encoder cannot be read") == 1
    with pytest.raises(checkpoint_files.BrokenCheckpoint, match="encoder"):
        verification.verify(version.folder)
    file.write_bytes(whole)
    assert state_of(shop_with_encoder).model().encoder is None
    checkpoint_files.unreadable.clear()
    assert state_of(shop_with_encoder).model().encoder is not None


def test_events_of_a_new_product_count_at_once(shop_with_encoder, api, tiny_twin):
    from django.utils import timezone

    twin = tiny_twin(shop_with_encoder)
    put(api, "NEW-1", twin.title)
    embeddings.embed_products(shop_with_encoder)
    event = {
        "event_id": "e-1",
        "type": "view",
        "session_id": "s-new",
        "item_id": "NEW-1",
        "occurred_at": timezone.now().isoformat(),
    }
    assert api("post", "events", {"events": [event]}).json()["accepted"] == 1
    assert twin.item_id in listed(api, "home_top", session_id="s-new")[:10]


def test_reading_again_changes_nothing_and_rewording_does(shop_with_encoder, api, tiny_twin):
    twin = tiny_twin(shop_with_encoder)
    put(api, "NEW-1", "something else entirely")
    assert embeddings.embed_products(shop_with_encoder) == 1
    assert (
        embeddings.embed_products(shop_with_encoder)
        == 0
        == embeddings.embed_products(shop_with_encoder, ["NEW-1"])
    )
    before = bytes(ProductVector.objects.get().vector)
    put(api, "NEW-1", twin.title)
    assert embeddings.embed_products(shop_with_encoder, ["NEW-1"]) == 1
    assert bytes(ProductVector.objects.get().vector) != before


def test_a_known_product_is_only_kept_when_its_text_says_something_new(
    shop_with_encoder, tiny_twin
):
    model = state_of(shop_with_encoder).model()
    known = tiny_twin(shop_with_encoder)
    other = shop_with_encoder.products.exclude(pk=known.pk).order_by("-item_id").first()
    row = model.rows[known.item_id]
    Product.objects.filter(pk=known.pk).update(title=other.title + " lantern oak table")
    made = embeddings.embed_products(shop_with_encoder, [known.item_id])
    again = state_of(shop_with_encoder).model()
    assert made == 1 and len(again.item_ids) == len(model.item_ids)
    assert (
        float(again.recommender.signals.vectors[row] @ model.recommender.signals.vectors[row])
        < 0.9999
    )


def test_batch_and_live_both_know_new_products(shop_with_encoder, api, tiny_twin):
    twin = tiny_twin(shop_with_encoder)
    put(api, "NEW-1", twin.title)
    embeddings.embed_products(shop_with_encoder)
    version = shop_with_encoder.champion()
    live = listed(api, "home_top", user_id="shopper-003")
    batch_scoring.score_shard(version, 0, 10**9)
    stored = api(
        "post", "recommendations", {"placement": "home_top", "limit": 30, "user_id": "shopper-003"}
    ).json()
    assert stored["stored"] and [i["item_id"] for i in stored["items"]] == live[:30]


def test_a_hidden_new_product_is_gone_at_once(shop_with_encoder, api, tiny_twin):
    twin = tiny_twin(shop_with_encoder)
    put(api, "NEW-1", twin.title)
    embeddings.embed_products(shop_with_encoder)
    assert "NEW-1" in listed(api, "product_page", context={"item_ids": [twin.item_id]})
    api("patch", "items/NEW-1", {"hidden": True})
    assert "NEW-1" not in listed(api, "product_page", context={"item_ids": [twin.item_id]})
    api("delete", "items/NEW-1")
    assert not ProductVector.objects.exists() and "NEW-1" not in listed(
        api, "product_page", context={"item_ids": [twin.item_id]}
    )


def test_without_a_champion_or_an_encoder_nothing_is_read(stocked, live_shop):
    assert embeddings.embed_products(stocked) == 0
    assert (
        model_cache.model_of(live_shop.champion().folder).encoder is None
        and embeddings.embed_products(live_shop) == 0
    )


def test_the_queue_may_be_gone_when_a_product_comes(
    shop_with_encoder, api, monkeypatch, django_capture_on_commit_callbacks
):
    from kombu.exceptions import OperationalError

    from recommender.infrastructure import task_queue
    from recommender.tasks import embed_every_shop

    def gone(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(task_queue.current_app, "send_task", gone)
    with django_capture_on_commit_callbacks(execute=True):
        put(api, "NEW-1", "a lamp")
    embed_every_shop()
    assert ProductVector.objects.get().product.item_id == "NEW-1"


def test_products_that_were_not_reworded_are_not_read_again(shop_with_encoder, api, monkeypatch):
    """A feed that changes prices names every product; a checkpoint knows its texts by their
    digests.
    """
    shop, read = shop_with_encoder, []
    ids = list(shop.products.values_list("item_id", flat=True))
    embed = ranking_model.Model.embed
    monkeypatch.setattr(
        ranking_model.Model, "embed", lambda self, texts: read.extend(texts) or embed(self, texts)
    )
    assert embeddings.embed_products(shop, ids) == 0 and read == []
    one = shop.products.get(item_id="LA/1")
    put(
        api,
        "LA/1",
        one.title + "s",
        categories=one.categories,
        brand=one.brand,
        description=one.description,
    )
    assert embeddings.embed_products(shop, ids) == 1 and [text[0] for text in read] == [
        one.title + "s"
    ]
    assert embeddings.embed_products(shop, ids) == 0 and len(read) == 1
    put(
        api,
        "LA/1",
        one.title,
        categories=one.categories,
        brand=one.brand,
        description=one.description,
    )
    assert embeddings.embed_products(shop, ids) == 1, "back to what it was: read again, once"
    assert embeddings.embed_products(shop, ids) == 0


def test_a_checkpoint_without_digests_compares_vectors(shop_with_encoder, checkpoints):
    (checkpoints / shop_with_encoder.champion().folder / "text_digests.npy").unlink()
    ids = list(shop_with_encoder.products.values_list("item_id", flat=True))
    assert embeddings.embed_products(shop_with_encoder, ids) < len(ids) // 4


def test_interests_have_one_answer_alone_or_beside_others(shop_with_encoder):
    encoder = state_of(shop_with_encoder).model().encoder
    texts = ["red teapot", "blue lantern", "a garden of glass and light"]
    together = encoder.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        assert abs(encoder.encode([text])[0] - vector).max() < 1e-6
