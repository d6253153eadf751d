"""The audit trail: who promoted, rolled back, started, changed or deleted what, kept when the
person is gone.
"""

from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from recommender.model_lifecycle import promotion
from recommender.models import ApiKey, AuditEntry, Placement, Product, Shop, Shopper, TrainingRun


@pytest.fixture(autouse=True)
def _nothing_is_queued(monkeypatch):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)


def trail(shop):
    return [
        (e.actor, e.action, e.subject, e.before, e.after)
        for e in AuditEntry.objects.of(shop).order_by("id")
    ]


def test_promotion_and_roll_back_are_kept_with_who_did_it(live_shop, staff, register):
    register(live_shop)
    staff.post("/console/s/tiny/models/2/promote/")
    staff.post("/console/s/tiny/models/2/promote/")  # it serves already
    staff.post("/console/s/tiny/models/rollback/")
    staff.post("/console/s/tiny/models/rollback/")  # nothing is left
    assert trail(live_shop) == [
        ("boss", "promoted", "ranking", "v1", "v2"),
        ("boss", "rolled_back", "ranking", "v2", "v1"),
    ]


def test_what_keys_and_the_engine_do_is_kept_as_theirs(live_shop, api, register):
    second, third = register(live_shop), register(live_shop)
    assert api("post", f"models/{second.label}/promote").status_code == 200
    assert api("post", "models/rollback", {}).status_code == 200
    promotion.decide(third, "always")
    key = f"API key {ApiKey.objects.get(name='test')}"
    assert trail(live_shop) == [
        (key, "promoted", "ranking", "v1", "v2"),
        (key, "rolled_back", "ranking", "v2", "v1"),
        ("automatically", "promoted", "ranking", "v1", "v3"),
    ]


def test_runs_that_are_started_cancelled_and_resumed_are_kept(stocked, staff, api):
    staff.post("/console/s/tiny/train/", {"recipe": "fusion", "preset": "quick", "promote": "ask"})
    run = TrainingRun.objects.get()
    staff.post(f"/console/s/tiny/runs/{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.created_by.username == "boss"
    api("post", f"training-jobs/job-{run.pk}/resume")
    sent = api(
        "post", "training-jobs", {"recipe": "fusion", "preset": "quick", "promote": "ask"}
    ).json()
    api("post", f"training-jobs/{sent['job_id']}/cancel")
    assert TrainingRun.objects.latest("id").created_by is None
    result = [(action, subject.split()[0]) for _, action, subject, _, _ in trail(stocked)]
    assert result == [
        ("started", "run"),
        ("cancelled", "run"),
        ("resumed", "run"),
        ("started", "run"),
        ("cancelled", "run"),
    ]
    assert [actor.startswith("API key") for actor, *_ in trail(stocked)] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_what_is_changed_in_tables_is_kept_and_shoppers_are_not_named(shop, staff):
    product = Product.objects.create(shop=shop, item_id="p", title="Lamp")
    placement = shop.placements.get(key="home_top")
    fields = {
        "shop": shop.pk,
        "key": "home_top",
        "name": "Top",
        "kind": "personal",
        "size": 6,
        "tail_percent": 0,
        "diversity": 0,
        "explore_percent": 0,
        "fallbacks": "popular",
        "filter_values": "{}",
    }
    staff.post(f"/console/recommender/placement/{placement.pk}/change/", fields)
    staff.post(f"/console/recommender/product/{product.pk}/delete/", {"post": "yes"})
    shopper = Shopper.objects.create(shop=shop, user_id="secret-name")
    staff.post(f"/console/recommender/shopper/{shopper.pk}/delete/", {"post": "yes"})
    entries = [(action, subject) for _, action, subject, _, _ in trail(shop)]
    assert entries == [
        ("changed", "placement Top"),
        ("deleted", f"product {product}"),
        ("deleted", "shopper"),
    ]
    detail = AuditEntry.objects.get(action="changed").detail
    assert (
        "Fallbacks: country, openers, popular, new → popular" in detail
        and "Name: 'home_top' → 'Top'" in detail
    )
    assert "secret-name" not in str(list(AuditEntry.objects.values_list()))


def test_djangos_own_log_keeps_no_id_of_a_shopper(shop, staff):
    shopper = Shopper.objects.create(shop=shop, user_id="secret-name")
    staff.post(f"/console/recommender/shopper/{shopper.pk}/delete/", {"post": "yes"})
    assert (
        not Shopper.objects.exists()
        and not LogEntry.objects.filter(object_repr__contains="secret-name").exists()
    )


def test_who_sees_a_shop_and_what_a_person_may_do_is_kept(shop, staff):
    person = User.objects.create_user("ann", is_staff=True)
    fields = {
        "username": "ann",
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    staff.post(f"/console/auth/user/{person.pk}/change/", {**fields, "shops": [shop.pk]})
    staff.post(
        f"/console/auth/user/{person.pk}/change/",
        {**fields, "shops": [shop.pk], "is_superuser": "on"},
    )
    staff.post(
        f"/console/auth/user/{person.pk}/change/", {**fields, "shops": [], "is_superuser": "on"}
    )
    assert [entry[2:] for entry in trail(shop)] == [
        ("person ann", "", "sees tiny"),
        ("person ann", "sees tiny", "sees tiny"),
        ("person ann", "sees tiny", ""),
    ]
    assert "is_superuser" in AuditEntry.objects.order_by("id")[1].detail


def test_keys_of_the_command_line_are_kept(shop):
    call_command("create_key", shop="tiny", scope=["recs:read"], name="till", stdout=StringIO())
    assert trail(shop)[0][:2] == ("manage.py create_key", "added") and "till" in trail(shop)[0][2]


def test_a_shop_with_a_trail_can_be_deleted(staff):
    staff.post(
        "/console/recommender/shop/add/",
        {"key": "third", "name": "Third", "currency": "EUR", "timezone": "UTC"},
    )
    made = Shop.objects.get(key="third")
    assert trail(made)
    assert (
        staff.post(f"/console/recommender/shop/{made.pk}/delete/", {"post": "yes"}).status_code
        == 302
    )
    assert not Shop.objects.filter(pk=made.pk).exists()


def test_a_run_is_cancelled_once(shop, staff):
    run = TrainingRun.objects.create(shop=shop, recipe="fusion", preset="quick", status="running")
    for _ in range(2):
        staff.post(f"/console/s/tiny/runs/{run.pk}/cancel/")
    assert [entry[1] for entry in trail(shop)] == ["cancelled"]


def test_nobody_changes_or_deletes_entries_or_people(live_shop, staff, register):
    register(live_shop)
    staff.post("/console/s/tiny/models/2/promote/")
    entry, boss = AuditEntry.objects.get(), User.objects.get(username="boss")
    page = staff.get("/console/recommender/auditentry/").content.decode()
    assert "boss" in page and "ranking" in page and "v2" in page
    for address in (f"recommender/auditentry/{entry.pk}/delete/", f"auth/user/{boss.pk}/delete/"):
        assert staff.post(f"/console/{address}", {"post": "yes"}).status_code == 403
    assert (
        staff.post(
            f"/console/recommender/auditentry/{entry.pk}/change/", {"actor": "nobody"}
        ).status_code
        == 403
    )
    staff.post(
        "/console/auth/user/",
        {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"},
    )
    assert User.objects.filter(pk=boss.pk).exists() and AuditEntry.objects.get().actor == "boss"


def test_the_models_page_tells_what_changed_lately(live_shop, staff, register):
    register(live_shop)
    staff.post("/console/s/tiny/models/2/promote/")
    staff.post("/console/s/tiny/models/rollback/")
    page = staff.get("/console/s/tiny/models/").content.decode()
    assert "What changed" in page and "Rolled back" in page and "v2 → v1" in page and "boss" in page
    version = staff.get("/console/s/tiny/models/1/").content.decode()
    assert "Rolled back" in version


def test_the_trail_of_another_shop_is_not_shown(live_shop, client, register):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    promotion.promote_version(register(live_shop), viewer)
    assert "ranking" not in client.get("/console/recommender/auditentry/").content.decode()
    live_shop.people.add(viewer)
    assert "ranking" in client.get("/console/recommender/auditentry/").content.decode()
    assert Placement.objects.exists()
