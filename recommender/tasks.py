"""Celery entry points: take an id, claim, call one function."""

from celery import shared_task

from recommender import pipeline, scoring
from recommender.models import ModelVersion, ServedList, Shop, TrainingRun
from recommender.models.registry import USUAL_PRESET


@shared_task
def train(run_id: int) -> None:
    if TrainingRun.objects.claim(run_id):
        pipeline.run_training(TrainingRun.objects.select_related("shop").get(pk=run_id))


@shared_task
def score_shop(shop_id: int) -> None:
    scoring.score_shop(Shop.objects.get(pk=shop_id))


@shared_task
def score_shard(version_id: int, first: int, last: int) -> None:
    scoring.score_shard(ModelVersion.objects.select_related("shop").get(pk=version_id), first, last)


@shared_task
def train_every_shop(preset: str = USUAL_PRESET) -> None:
    """A run for each shop that has events and none under way."""
    for shop in Shop.objects.all():
        if shop.events.exists() and not shop.runs.active().exists():
            pipeline.start_run(shop, preset=preset)


@shared_task
def score_every_shop() -> None:
    for shop in Shop.objects.all():
        scoring.score_shop(shop)


@shared_task
def fail_silent_runs() -> None:
    pipeline.tend_silent_runs()


@shared_task
def forget_old_served_lists() -> None:
    ServedList.objects.forget_old()
