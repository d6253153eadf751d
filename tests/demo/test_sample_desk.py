"""Service desk of the sample shop."""

from recommender.demo.sample_desk import ARTICLES, open_desk
from recommender.models import Article
from recommender.support.defaults import settings_of


def test_an_untouched_desk_is_filled_once(shop, monkeypatch):
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    open_desk(shop)
    assert settings_of(shop).policies["return_days"] == "30"
    assert shop.articles.count() == len(ARTICLES) == len(queued)
    shop.articles.all().delete()
    open_desk(shop)
    assert not Article.objects.exists(), "what a person deleted does not come back"
