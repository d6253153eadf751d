"""The tiny shop in the database: its products, events and a trained model version."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from recommender.ingest import Parser, import_events, upsert_products
from recommender.ingest.events import with_content_keys
from recommender.models import ModelVersion, TrainingRun
from tests import tinyshop
from training.configuration.recipes import RECIPES


def stock(shop) -> None:
    """Bring products and events into a shop of the database, moved so that they end yesterday."""
    rows = tinyshop.events()
    shift = (timezone.now() - timedelta(days=1)) - rows[-1]["occurred_at"]
    parser = Parser(shop.zone)
    upsert_products(shop, enumerate(tinyshop.products()), ["title", "price"], parser)
    import_events(
        shop, with_content_keys(enumerate(rows)), parser, shift=timedelta(days=shift.days)
    )


def register(shop, checkpoint: Path, recipe: str = "fusion"):
    """A model version of the shop with a copy of this checkpoint, of a run that is finished."""
    run = TrainingRun.objects.create(shop=shop, recipe=recipe, status="finished")
    folder = f"shop-{shop.pk}/run-{run.pk}/checkpoint"
    shutil.copytree(checkpoint, settings.VITRINE_CHECKPOINTS / folder)
    report = json.loads((Path(checkpoint) / "report.json").read_text())
    return ModelVersion.objects.register(run, folder, report, RECIPES[recipe].purpose)
