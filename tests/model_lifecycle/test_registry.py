from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from recommender.model_lifecycle import promotion, runs
from recommender.models import Change, ModelVersion, Shop, TrainingRun
from recommender.models.registry import RunStatus


@pytest.fixture
def versions(stocked, register):
    return [register(stocked) for _ in range(3)]


def test_a_second_champion_is_refused_by_the_database(versions):
    versions[0].promote()
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=versions[1].pk).update(status="champion")


def test_each_shop_has_its_own_champion(versions, register):
    other = Shop.objects.create(key="other", name="Other")
    versions[0].promote()
    register(other).promote()
    assert ModelVersion.objects.filter(status="champion").count() == 2


def test_promotion_retires_the_old_and_tells_the_news(versions):
    versions[0].promote()
    versions[1].promote()
    versions[0].refresh_from_db()
    assert versions[0].status == "retired"
    assert Change.objects.filter(kind="champion").count() == 2


def test_roll_back_goes_back_one_by_one(versions, stocked):
    for version in versions:
        version.promote()
    assert promotion.roll_back(stocked) == versions[1]
    assert promotion.roll_back(stocked) == versions[0]
    assert promotion.roll_back(stocked) is None
    assert stocked.champion() == versions[0]


def test_numbers_count_within_the_shop(versions):
    assert [v.number for v in versions] == [1, 2, 3]


def test_only_one_worker_claims_a_run(shop):
    run = TrainingRun.objects.create(shop=shop)
    assert TrainingRun.objects.claim(run.pk) and not TrainingRun.objects.claim(run.pk)


def test_a_run_whose_worker_fell_silent_can_be_claimed_again(shop):
    run = TrainingRun.objects.create(shop=shop)
    TrainingRun.objects.claim(run.pk)
    TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert TrainingRun.objects.claim(run.pk)


def test_a_silent_run_becomes_a_failed_one_with_its_reason(shop, checkpoints):
    run = TrainingRun.objects.create(
        shop=shop,
        status="running",
        stage="Fine-tuning",
        heartbeat_at=timezone.now() - timedelta(minutes=5),
    )
    folder = run.folder
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("step 40\nstep 50\n")
    assert runs.tend_silent_runs() == 1
    run.refresh_from_db()
    assert (
        run.status == "failed" and "Fine-tuning" in run.error and run.log_tail == "step 40\nstep 50"
    )


def test_a_fresh_run_is_left_alone(shop):
    TrainingRun.objects.create(shop=shop, status="running", heartbeat_at=timezone.now())
    assert runs.tend_silent_runs() == 0


def test_a_run_ends_once(shop):
    run = TrainingRun.objects.create(shop=shop, status="running")
    assert run.finish(RunStatus.FAILED, "x") and not run.finish(RunStatus.FINISHED)
    run.refresh_from_db()
    assert run.status == "failed"


def test_cancelling_a_queued_run_ends_it_at_once(shop):
    run = TrainingRun.objects.create(shop=shop)
    assert run.request_cancel() and not TrainingRun.objects.claim(run.pk)
    run.refresh_from_db()
    assert run.status == "cancelled" and not run.request_cancel()


def test_a_broken_version_is_not_rolled_back_to(stocked, register, checkpoints):
    from recommender.inference.checkpoint_files import BrokenCheckpoint

    first, second = register(stocked).promote(), register(stocked).promote()
    (checkpoints / first.folder / "ranker.txt").unlink()
    with pytest.raises(BrokenCheckpoint):
        promotion.roll_back(stocked)
    assert stocked.champion() == second


def test_the_first_schedule_is_rows(migrated_schedule):
    assert {"Score shoppers with new events", "Find runs whose worker died"} <= set(
        migrated_schedule
    )
    assert migrated_schedule["Weekly full training"][1] == '["standard"]'
    assert migrated_schedule["Nightly training"][0] == "recommender.tasks.learn_on_every_shop"
