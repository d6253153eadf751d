import csv
import itertools
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from recommender.models import ApiKey, Event, Product, Shop, Shopper
from training.data.snapshot import read_snapshot


def run(*arguments, **options) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, verbosity=0, **options)
    return out.getvalue()


@pytest.fixture
def orders(tmp_path):
    products, path = tmp_path / "products.csv", tmp_path / "orders.csv"
    products.write_text("code,name,sell\nA,Lamp,1\nB,Mug,1\nPOST,Postage,0\n")
    path.write_text(
        "who,what,when,n,cost,order\nu1,A,2026-01-05 10:00:00,1,2.5,o1\nu1,B,2026-01-05 "
        "10:00:00,2,1.0,o1\n,A,2026-01-06 10:00:00,1,2.5,o2\nu2,POST,2026-01-06 11:00:00,1,9,o3\n"
    )
    return products, path


MAP = [
    "--map",
    "user_id=who",
    "item_id=what",
    "occurred_at=when",
    "quantity=n",
    "price=cost",
    "session_id=order",
]


def test_a_file_becomes_products_shoppers_and_events(shop, orders, tmp_path):
    products, path = orders
    assert "2 new" in run(
        "import_products", str(products), "--where", "sell=1", "--map", "item_id=code", "title=name"
    )
    rejected = tmp_path / "bad.csv"
    assert "3 new, 0 changed, 0 same, 1 rejected" in run(
        "import_events", str(path), *MAP, "--rejected", str(rejected)
    )
    assert list(csv.reader(rejected.open()))[1] == ["5", "item_id", "is not a known product"]
    assert "0 new, 0 changed, 3 same, 1 rejected" in run(
        "import_events", str(path), *MAP, "--rejected", str(rejected)
    )
    assert (
        Product.objects.count(),
        Event.objects.count(),
        Event.objects.filter(shopper=None).count(),
    ) == (2, 3, 1)


def test_import_shoppers(shop, tmp_path):
    (tmp_path / "s.csv").write_text("id,land\nu1,FR\n")
    assert "1 new" in run(
        "import_shoppers", str(tmp_path / "s.csv"), "--map", "user_id=id", "attributes.country=land"
    )
    assert Shopper.objects.get().attributes == {"country": "FR"}


def test_a_dry_run_writes_nothing(shop, orders):
    assert run(
        "import_products", str(orders[0]), "--map", "item_id=code", "title=name", "--dry-run"
    ).startswith("dry run: products: 3 new")
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import_events", "nowhere.csv"], "no such file"),
        (["import_events", "nowhere.csv", "--shop", "other"], "--shop"),
        (["import_events", "nowhere.csv", "--map", "x"], "--map"),
        (["import_events", "nowhere.csv", "--timezone", "Mars/North"], "--timezone"),
        (["create_key", "--scope", "everything"], "--scope"),
        (["train", "--set", "stepz=1"], "stepz"),
        (["score"], "no model serves"),
        (["snapshot", "nowhere"], "no products"),
        (["create_shop", "Not A Key"], "key"),
    ],
)
def test_a_wrong_argument_is_named(shop, arguments, says):
    with pytest.raises(CommandError, match=says):
        run(*arguments)


def test_create_key_prints_only_the_key(shop):
    secret = run("create_key", "--shop", "tiny", "--scope", "recs:read", "--days", "3").strip()
    row = ApiKey.objects.find(secret)
    assert (
        row.scopes == ["recs:read"]
        and row.expires_at is not None
        and secret not in str(row.__dict__)
    )


def test_a_key_is_rotated_with_an_overlap(shop):
    old = ApiKey.objects.issue(shop, "shop server", ["recs:read", "events:write"])[0]
    ApiKey.objects.filter(pk=old.pk).update(per_minute=77)
    secret = run("create_key", "--shop", "tiny", "--rotate", old.prefix, "--overlap", "2").strip()
    fresh = ApiKey.objects.find(secret)
    assert (fresh.name, fresh.scopes, fresh.per_minute, fresh.expires_at) == (
        "shop server",
        ["recs:read", "events:write"],
        77,
        None,
    )
    old.refresh_from_db()
    assert not old.expired and timedelta(days=1) < old.expires_at - timezone.now() <= timedelta(
        days=2
    )
    run("create_key", "--shop", "tiny", "--rotate", fresh.prefix, "--overlap", "0")
    fresh.refresh_from_db()
    assert fresh.expired
    with pytest.raises(CommandError, match="--rotate"):
        run("create_key", "--shop", "tiny", "--rotate", "vt_nope")


def test_create_shop(db):
    origin = "https://shop.example"
    made = run("create_shop", "second", "--timezone", "Europe/Paris", "--origin", origin)
    assert "home_top" in made and Shop.objects.get(key="second").origins == [origin]
    key = ["create_key", "--shop", "second", "--public", "--placement", "home_top"]
    row = ApiKey.objects.find(run(*key).strip())
    assert row.placements == ["home_top"] and row.scopes == ["events:write", "recs:read"]
    with pytest.raises(CommandError, match="'nosuch' is not one of"):
        run(*key[:-1], "nosuch")
    with pytest.raises(CommandError, match="only a --public key"):
        run("create_key", "--shop", "second", "--scope", "recs:read", "--placement", "home_top")
    assert Shop.objects.get(key="second").timezone == "Europe/Paris"


def test_snapshot_writes_what_training_reads(stocked, tmp_path):
    Shopper.objects.filter(user_id="shopper-000").update(consent_training=False)
    Event.objects.filter(shopper__user_id="shopper-001").update(simulated=True)
    run("snapshot", str(tmp_path / "out"), "--shop", "tiny")
    snapshot = read_snapshot(tmp_path / "out")
    known = {snapshot.user_ids[u] for u in set(snapshot.events.user.tolist()) if u >= 0}
    assert "shopper-002" in known and not {"shopper-000", "shopper-001"} & known


def test_score_makes_the_lists_that_are_due(live_shop):
    assert "80 of 80 shoppers have a list by v1" in run("score")
    assert run("score").startswith("0 lists made")


def test_serve_becomes_the_server(monkeypatch):
    started = []
    monkeypatch.setattr("os.execv", lambda program, command: started.append((program, command)))
    call_command("serve", "--port", "8123", "--workers", "3", "--host", "0.0.0.0")
    [(program, command)] = started
    assert program == sys.executable and command[1:3] == ["-m", "ecomsite.preloaded"]
    assert command[-1] == "ecomsite.rsgi:application"
    options = dict(itertools.pairwise(command))
    assert (options["--port"], options["--workers"], options["--host"], options["--interface"]) == (
        "8123",
        "3",
        "0.0.0.0",
        "rsgi",
    )
    assert "--respawn-failed-workers" in command


def test_services_status(db):
    assert "postgres: " in run("services", "status")


def test_doctor_finds_nothing_wrong(live_shop):
    assert "ok" in run("doctor")


def test_demo_refuses_a_port_in_use(settings, tmp_path):
    import socket

    settings.VITRINE_HOME = tmp_path
    with socket.socket() as taken, pytest.raises(CommandError, match="port"):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run("demo", "--port", str(taken.getsockname()[1]))


def test_fields_of_any_json_line_are_taken(shop, tmp_path):
    (tmp_path / "p.jsonl").write_text(
        '{"item_id": "a", "title": "A"}\n{"item_id": "b", "title": "B", "price": 3}\n'
    )
    run("import_products", str(tmp_path / "p.jsonl"))
    assert float(Product.objects.get(item_id="b").price) == 3
