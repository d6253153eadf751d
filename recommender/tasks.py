"""Celery entry points: take an id, claim it, call one function."""

from collections.abc import Callable
from smtplib import SMTPException

from celery import Task, shared_task
from django.db import transaction

from recommender.catalog import embeddings
from recommender.infrastructure import task_queue
from recommender.ingest import feeds, purge
from recommender.model_lifecycle import runs
from recommender.models import (
    Alert,
    Conversation,
    HookDelivery,
    IdempotentReply,
    ModelVersion,
    Passage,
    SearchQuery,
    ServedList,
    Shop,
    SupportSettings,
    TrainingRun,
    Webhook,
    WebhookDelivery,
)
from recommender.models.registry import USUAL_PRESET
from recommender.monitoring import alerts, operations
from recommender.recommendations import batch_scoring
from recommender.reviews import judging, surges
from recommender.shoppers import erasure
from recommender.support import passages
from recommender.webhooks import delivery

SCORE_AGAIN, SCORE_AGAIN_SECONDS = 3, 30
PASSAGES_AGAIN_SECONDS = 5


@shared_task
def train(run_id: int) -> None:
    if TrainingRun.objects.claim(run_id):
        runs.run_training(TrainingRun.objects.select_related("shop").get(pk=run_id))


@shared_task
def score_shop(shop_id: int) -> None:
    batch_scoring.score_shop(Shop.objects.get(pk=shop_id))


@shared_task(bind=True)
def score_shard(self: Task, version_id: int, first: int, last: int) -> None:
    """Batch-score a shard of shoppers. Shoppers whom another worker has locked are retried a few
    times.
    """
    version = ModelVersion.objects.select_related("shop").get(pk=version_id)
    batch_scoring.score_shard(version, first, last)
    if (
        self.request.retries < SCORE_AGAIN
        and version.is_champion
        and batch_scoring.due(version).filter(pk__gte=first, pk__lte=last).exists()
    ):
        raise self.retry(countdown=SCORE_AGAIN_SECONDS)


@shared_task
def train_every_shop(preset: str = USUAL_PRESET) -> None:
    """Queue a training for each shop with events and no active run."""
    _for_idle_shops(lambda shop: runs.start_run(shop, preset=preset, promote="if-not-worse"))


@shared_task
def learn_on_every_shop() -> None:
    """Queue the nightly training for each shop with events and no active run."""
    _for_idle_shops(runs.learn_on)


def _for_idle_shops(start: Callable[[Shop], TrainingRun]) -> None:
    """Start a run in each shop with events and no active run.

    The shop row is locked, so that two schedulers start one run.
    """
    for pk in Shop.objects.values_list("pk", flat=True):
        with transaction.atomic():
            shop = Shop.objects.select_for_update().get(pk=pk)
            if shop.events.exists() and not shop.runs.active().exists():
                start(shop)


@shared_task
def score_every_shop() -> None:
    for shop in Shop.objects.all():
        batch_scoring.score_shop(shop)


@shared_task
def fail_silent_runs() -> None:
    runs.tend_silent_runs()


@shared_task
def judge_reviews(shop_id: int) -> None:
    """Judge the opinions of pending reviews; what is left after a while is queued again."""
    if not judging.judge_pending(Shop.objects.get(pk=shop_id)):
        task_queue.enqueue("judge_reviews", shop_id)


@shared_task
def judge_every_shop() -> None:
    """Judge reviews that were missed while the queue was gone or a judge was trained."""
    for shop in Shop.objects.all():
        if shop.reviews.pending().exists():
            task_queue.enqueue("judge_reviews", shop.pk)


@shared_task
def judge_again(shop_id: int) -> None:
    """Judge all reviews of a shop again."""
    judging.judge_again(Shop.objects.get(pk=shop_id))
    task_queue.enqueue("judge_reviews", shop_id)


@shared_task(bind=True)
def update_passages(self: Task, shop_id: int, kind: str = "") -> None:
    """Make and embed passages of what has changed, of one kind of source or all. Where another
    worker is at it, or some are left, it is tried again.
    """
    kinds = [kind] if kind else Passage.KINDS
    if passages.update_passages(Shop.objects.get(pk=shop_id), kinds) is None:
        raise self.retry(countdown=PASSAGES_AGAIN_SECONDS, max_retries=None)


@shared_task
def update_every_shops_passages() -> None:
    """Update the passages of every shop with a service desk."""
    for pk in SupportSettings.objects.values_list("shop", flat=True):
        task_queue.enqueue("update_passages", pk)


@shared_task
def embed_products(shop_id: int, item_ids: list[str] | None = None) -> None:
    embeddings.embed_products(Shop.objects.get(pk=shop_id), item_ids)


@shared_task
def embed_every_shop() -> None:
    """Embed products that were missed while the queue was gone or a version was promoted."""
    for shop in Shop.objects.all():
        embeddings.embed_products(shop)


@shared_task
def watch_trainings(shop_id: int) -> None:
    operations.note_trainings(Shop.objects.get(pk=shop_id))


@shared_task
def monitor_every_shop() -> None:
    for shop in Shop.objects.all():
        operations.monitor(shop)


@shared_task
def watch_opinions() -> None:
    """Look for surges of opinions in every shop."""
    for shop in Shop.objects.all():
        surges.watch(shop)


@shared_task(autoretry_for=(OSError, SMTPException), retry_backoff=60, max_retries=5)
def mail_alert(alert_id: int, address: str) -> None:
    alerts.mail_alert(Alert.objects.select_related("shop").get(pk=alert_id), address)


@shared_task
def pull_feeds() -> None:
    """Pull the feeds that are due."""
    feeds.pull_due()


@shared_task
def erase_shoppers(shop_id: int) -> None:
    """Erase all shoppers of a shop, some in each task."""
    if erasure.erase_some(Shop.objects.get(pk=shop_id)):
        task_queue.enqueue("erase_shoppers", shop_id)


@shared_task
def finish_erasures() -> None:
    erasure.finish_erasures()


@shared_task
def forget_old_served_lists() -> None:
    ServedList.objects.forget_old()
    SearchQuery.objects.forget_old()
    IdempotentReply.objects.forget_old()
    WebhookDelivery.objects.forget_old()
    HookDelivery.objects.forget_old()
    Conversation.objects.forget_old()
    Webhook.objects.forget_old_secrets()


@shared_task
def run_purge(purge_id: int) -> None:
    purge.run_purge(purge_id)


@shared_task
def tend_purges() -> None:
    purge.tend_purges()


@shared_task
def deliver_webhook(delivery_id: int) -> None:
    delivery.deliver(delivery_id)


@shared_task
def deliver_webhooks() -> None:
    delivery.deliver_due()
