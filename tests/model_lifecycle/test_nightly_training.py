"""What a night brings: the encoder goes on from the champion, then the ranking is made with it."""

import json
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from recommender import tasks
from recommender.model_lifecycle import errors, run_options, runs
from recommender.models import ModelVersion, TrainingRun
from recommender.models.registry import RunStatus
from tests.tiny_models import CONFIG
from training.encoders.bert import TextEncoder
from training.recipes.incremental import origin

QUICK = {
    "text.steps": 4,
    "text.evaluate_every": 2,
    "text.batch_size": 16,
    "text.frozen_layers": 1,
    "text.projection_steps": 4,
    "onnx": False,
}


@pytest.fixture
def queued(monkeypatch):
    """The runs that were queued."""
    ids = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and ids.append(pk),
    )
    return ids


def carry_out(pk: int, **overrides) -> TrainingRun:
    """As a worker does, with fields that make it short."""
    run = TrainingRun.objects.get(pk=pk)
    run.overrides |= overrides
    run.save(update_fields=["overrides"])
    tasks.train(pk)
    run.refresh_from_db()
    return run


def test_a_night_goes_on_from_the_champion_and_makes_the_ranking_with_it(
    live_shop, queued, tiny_encoder, checkpoints
):
    tasks.learn_on_every_shop()
    tasks.learn_on_every_shop()
    assert len(queued) == 1
    first = carry_out(queued[0], **QUICK)
    assert (first.recipe, first.status) == ("incremental", "finished"), first.error
    encoder = first.version
    second = TrainingRun.objects.get(pk=queued[1])
    assert (second.recipe, second.preset, second.follows, second.promote) == (
        "fusion",
        "quick",
        first,
        "if-not-worse",
    )
    assert second.overrides["served_encoder"] == str(
        encoder if encoder.is_champion else live_shop.champion()
    )
    second = carry_out(
        second.pk, **CONFIG, **{"text.encoder": str(tiny_encoder), "served_encoder": str(encoder)}
    )
    assert second.status == "finished", second.error
    served, given = (
        TextEncoder.load(str(checkpoints / v.folder / "encoder")) for v in (second.version, encoder)
    )
    texts = ["red teapot", "blue lantern"]
    assert np.allclose(served.encode(texts), given.encode(texts), atol=1e-5)
    assert (
        second.version.report["served"]["encoder"].endswith("encoder") and second.follows == first
    )
    run_file = json.loads((checkpoints / second.version.folder / "run.json").read_text())
    assert (
        run_file["encoder_until"]
        == json.loads((checkpoints / encoder.folder / "run.json").read_text())["served_until"]
        <= run_file["served_until"]
    )
    assert origin(checkpoints / second.version.folder) == origin(checkpoints / encoder.folder)


def test_the_ranking_is_judged_without_the_encoder_that_has_learned_the_held_out_days(
    live_shop, queued, tiny_encoder, checkpoints, settings
):
    reports = []
    for more in ({}, {"served_encoder": "v1"}):
        settings.VITRINE_TRAINING_NAMES = frozenset({str(tiny_encoder)})
        run = runs.start_run(
            live_shop,
            preset="quick",
            overrides={**CONFIG, "text.encoder": str(tiny_encoder), **more},
            promote="never",
        )
        tasks.train(run.pk)
        reports.append(ModelVersion.objects.get(run=run).report)
    assert (
        json.dumps(reports[0]["all"]) == json.dumps(reports[1]["all"])
        and reports[0]["discovery"] == reports[1]["discovery"]
    )


def test_a_shop_without_an_encoder_has_its_ranking_made(stocked, queued):
    tasks.learn_on_every_shop()
    run = TrainingRun.objects.get(pk=queued[0])
    assert (run.recipe, run.preset, run.then) == ("fusion", "quick", {})


@pytest.mark.parametrize(
    ("status", "followers"),
    [(RunStatus.FAILED, 1), (RunStatus.FINISHED, 1), (RunStatus.CANCELLED, 0)],
)
def test_the_ranking_is_made_after_a_failed_run_but_not_after_one_that_somebody_stopped(
    live_shop, queued, monkeypatch, status, followers
):
    def ended(run, folder):
        if status == RunStatus.FAILED:
            raise errors.RunFailed("nothing to judge by")
        if status == RunStatus.CANCELLED:
            raise errors.RunCancelled

    monkeypatch.setattr(runs, "_train", ended)
    run = runs.learn_on(live_shop)
    tasks.train(run.pk)
    assert run.followers.count() == followers and len(queued) == 1 + followers
    if followers:
        assert run.followers.get().overrides == {"served_encoder": str(live_shop.champion())}


def test_a_stopped_night_whose_worker_died_is_not_followed(live_shop, queued):
    run = runs.learn_on(live_shop)
    long_ago = timezone.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(
        status="running", heartbeat_at=long_ago, cancel_requested=True
    )
    tasks.fail_silent_runs()
    run.refresh_from_db()
    assert run.status == "cancelled" and not run.followers.exists()


def test_a_run_that_ends_again_is_followed_once(live_shop, queued, monkeypatch):
    monkeypatch.setattr(
        runs, "_train", lambda run, folder: (_ for _ in ()).throw(errors.RunFailed("no"))
    )
    run = runs.learn_on(live_shop)
    tasks.train(run.pk)
    assert runs.resume_run(run)
    tasks.train(run.pk)
    assert run.followers.count() == 1


def test_the_encoder_that_was_promoted_last_goes_on(live_shop, register):
    ranking, encoder = live_shop.champion(), register(live_shop)
    ModelVersion.objects.filter(pk=encoder.pk).update(purpose="encoder")
    encoder.refresh_from_db()
    encoder.promote()
    assert run_options.newest_encoder(live_shop) == encoder
    ranking.promote()
    assert run_options.newest_encoder(live_shop) == ranking
    TrainingRun.objects.filter(pk=encoder.run_id).update(recipe="mlm")
    ModelVersion.objects.get(pk=encoder.pk).promote()
    assert run_options.newest_encoder(live_shop) == ranking
