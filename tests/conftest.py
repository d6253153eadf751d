"""Fixtures of the application: shops in the database, clients of the API and the console.

Django is imported inside the fixtures: tests of the library load this file without Django.
"""

from functools import partial

import pytest

MIGRATED_SCHEDULE: dict[str, tuple[str, str]] = {}


@pytest.fixture
def shop(db):
    from recommender.models import Placement, Shop

    shop = Shop.objects.create(
        key="tiny", name="Tiny shop", currency="EUR", timezone="Europe/London"
    )
    for key, kind, only_new in (
        ("home_top", "personal", False),
        ("discover", "personal", True),
        ("product_page", "related", False),
        ("basket", "basket", False),
    ):
        Placement.objects.create(shop=shop, key=key, name=key, kind=kind, only_new=only_new, size=6)
    return shop


@pytest.fixture
def stocked(shop):
    """The shop with the tiny shop's products and events, moved so that they end yesterday."""
    from tests import stocked_shop

    stocked_shop.stock(shop)
    return shop


@pytest.fixture
def checkpoints(settings, tmp_path):
    settings.VITRINE_CHECKPOINTS = tmp_path / "checkpoints"
    return settings.VITRINE_CHECKPOINTS


@pytest.fixture
def register(checkpoints, tiny_checkpoint):
    """register(shop) -> a model version with a copy of the tiny checkpoint."""
    from tests import stocked_shop

    return partial(stocked_shop.register, checkpoint=tiny_checkpoint)


@pytest.fixture
def live_shop(stocked, register):
    """A stocked shop whose version 1 serves."""
    register(stocked).promote()
    return stocked


@pytest.fixture
def judging_shop(shop, checkpoints, opinion_checkpoint):
    """The shop with a champion that judges opinions."""
    from tests import stocked_shop

    stocked_shop.register(shop, opinion_checkpoint, "opinion").promote()
    return shop


@pytest.fixture
def desk_shop(stocked, checkpoints, opinion_checkpoint, intent_checkpoint, answers_checkpoint):
    """A stocked shop whose service desk has its models, two policies and three articles."""
    from tests import stocked_shop
    from tests.support import desk

    for checkpoint, recipe in (
        (opinion_checkpoint, "opinion"),
        (intent_checkpoint, "intent"),
        (answers_checkpoint, "answers"),
    ):
        stocked_shop.register(stocked, checkpoint, recipe).promote()
    desk.open_desk(stocked)
    return stocked


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The schedule that migrations create, before a transactional test empties the tables."""
    from django_celery_beat.models import PeriodicTask

    with django_db_blocker.unblock():
        MIGRATED_SCHEDULE.update(
            {task.name: (task.task, task.args) for task in PeriodicTask.objects.all()}
        )


@pytest.fixture
def migrated_schedule(db) -> dict[str, tuple[str, str]]:
    """Name -> (task, arguments) of the schedule in a newly migrated database."""
    return MIGRATED_SCHEDULE


@pytest.fixture(autouse=True)
def _fresh_process(request):
    """Caches in process memory are empty at the start of a test with a database."""
    if {"db", "transactional_db", "shop"} & set(request.fixturenames):
        from recommender.infrastructure import process_caches

        process_caches.clear_all()


@pytest.fixture
def home_top(shop):
    from recommender.models import Placement

    return Placement.objects.get(shop=shop, key="home_top")


@pytest.fixture
def api(shop, client):
    """api(method, path, body) as a client with every scope; api.key is the secret."""
    import json

    from recommender.models import ApiKey

    _, secret = ApiKey.objects.issue(shop, "test", ["admin"])

    def call(method: str, path: str, body=None, key: str = secret):
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        extra = {} if body is None else {"data": data, "content_type": "application/json"}
        return getattr(client, method)(
            f"/api/v1/{path}", headers={"authorization": f"Bearer {key}"}, **extra
        )

    call.key = secret
    return call


@pytest.fixture(autouse=True)
def _own_settings(settings, tmp_path):
    """No collected files, no thread that writes behind a test's back, search indexes of its own."""
    settings.VITRINE_WRITES_BEHIND = False
    settings.VITRINE_INDEXES = tmp_path / "search"
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def staff(client, django_user_model):
    """A client of a superuser who is signed in to the console."""
    client.force_login(django_user_model.objects.create_superuser("boss", password="x"))
    return client
