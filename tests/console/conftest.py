"""Two shops with a row of every table each: the own one of a person, and another."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from recommender.models import (
    Alert,
    ApiKey,
    AuditEntry,
    Dialogue,
    Erasure,
    Event,
    Feed,
    HookDelivery,
    Judgement,
    ModelVersion,
    Placement,
    PlatformHook,
    Product,
    ProductAttribute,
    Purge,
    RecommendationList,
    Review,
    SearchQuery,
    SearchSettings,
    ServedList,
    Shop,
    Shopper,
    Synonym,
    TrainingRun,
    Webhook,
    WebhookDelivery,
)

SECRET = "theirs-alone"


def fill(shop: Shop, word: str) -> dict:
    """A row of every table in a shop, each with a word that a page would show."""
    now = timezone.now()
    product = Product.objects.create(shop=shop, item_id=word, title=word)
    shopper = Shopper.objects.create(shop=shop, user_id=word)
    run = TrainingRun.objects.create(shop=shop, recipe="fusion", preset="quick")
    version = ModelVersion.objects.create(
        shop=shop, run=run, number=1, purpose="ranking", folder="nowhere"
    )
    url = f"https://{word}.example/"
    hook = PlatformHook.objects.create(shop=shop, platform="shopify", domain=word)
    feed = Feed.objects.create(shop=shop, url=f"https://{word}.example/feed.xml")
    webhook = Webhook.objects.create(shop=shop, url=url, event_types=["alert.raised"])
    made = [
        product,
        shopper,
        run,
        version,
        Event.objects.create(
            shop=shop, event_id=word, type="view", product=product, shopper=shopper, occurred_at=now
        ),
        Review.objects.create(shop=shop, review_id=word, item_id=word, text=word),
        Dialogue.objects.create(shop=shop, text=word, intent=word),
        Judgement.objects.create(shop=shop, query=word, item_id=word, grade=1),
        RecommendationList.objects.create(
            shop=shop, shopper=shopper, version=version, items=[], shopper_revision=1
        ),
        ServedList.objects.create(
            shop=shop, recommendation_id=word, placement=word, items=[], created_at=now
        ),
        Placement.objects.create(shop=shop, key=word, name=word),
        ApiKey.objects.issue(shop, word, ["recs:read"])[0],
        Alert.objects.create(shop=shop, kind="events", subject=word, message=word),
        Erasure.objects.create(shop=shop, receipt_id=word, counts={}),
        AuditEntry.objects.note(shop, None, AuditEntry.CHANGED, word),
        ProductAttribute.objects.create(shop=shop, name=word, type="text"),
        Purge.objects.create(shop=shop, target="items", selection={"filter": word}, total=1),
        Synonym.objects.create(shop=shop, phrases=[word], also_finds=["x"], state="proposed"),
        SearchSettings.objects.create(shop=shop, stop_words=[word]),
        SearchQuery.objects.create(
            shop=shop, query_id=word, text=word, normalized=word, total=1, created_at=now
        ),
        webhook,
        WebhookDelivery.objects.create(webhook=webhook, event_type=word, payload={"x": word}),
        hook,
        feed,
        HookDelivery.objects.create(hook=hook, digest=word, topic=word, status="taken"),
    ]
    return {type(row): row for row in made} | {Shop: shop}


@pytest.fixture
def two_shops(shop, django_user_model, client):
    """Rows of a shop that a person with every permission is a member of, and of one that they
    are not.
    """
    other = Shop.objects.create(key="other", name=SECRET)
    person = django_user_model.objects.create_user("ann", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    shop.people.add(person)
    client.force_login(person)
    return fill(shop, "ours"), fill(other, SECRET)
