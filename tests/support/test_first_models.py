"""The first models of a service desk are trained when it is first used."""

import pytest

from recommender.model_lifecycle.runs import start_first
from recommender.models import Article, Message, TrainingRun
from recommender.support.answering import Question, answer
from recommender.support.defaults import settings_of
from recommender.support.passages import update_passages


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


def recipes(shop):
    return sorted(TrainingRun.objects.filter(shop=shop).values_list("recipe", flat=True))


def test_a_first_question_goes_to_a_person_and_queues_the_trainings_once(shop):
    made = answer(shop, Question("where is my order", "s1"))
    assert made.kind == Message.HANDOVER
    assert recipes(shop) == ["answers", "intent", "opinion"]
    answer(shop, Question("where is my order", "s2"))
    assert len(recipes(shop)) == 3
    assert set(TrainingRun.objects.values_list("promote", flat=True)) == {"always"}


def test_a_first_article_queues_them_with_the_multilingual_encoder_for_other_languages(shop):
    settings = settings_of(shop)
    settings.languages = ["en", "zh"]
    settings.save()
    update_passages(shop)
    assert recipes(shop) == []
    Article.objects.create(shop=shop, article_id="a", title="A", text="B.")
    update_passages(shop)
    chosen = {run.overrides.get("text.encoder") for run in TrainingRun.objects.all()}
    assert chosen == {"multilingual"}


def test_a_shop_with_chinese_products_starts_with_chinese(shop):
    from recommender.models import Product

    Product.objects.create(shop=shop, item_id="x", title="红色蜡烛")
    assert settings_of(shop).languages == ["zh", "en"]


@pytest.mark.parametrize(
    "statuses, runs",
    [
        ([], 1),
        (["failed"], 2),
        (["failed", "failed"], 3),
        (["failed"] * 3, 3),
        (["cancelled"], 1),
        (["queued"], 1),
        (["failed", "finished"], 2),
    ],
)
def test_a_failed_first_training_is_repeated_twice(shop, statuses, runs):
    for status in statuses:
        TrainingRun.objects.create(shop=shop, recipe="intent", status=status)
    start_first(shop, "intent")
    assert TrainingRun.objects.count() == runs
