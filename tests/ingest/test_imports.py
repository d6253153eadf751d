import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.ingest import FieldError, Parser, import_events, upsert_products, upsert_shoppers
from recommender.ingest.events import with_content_keys
from recommender.ingest.files import FileError, read_rows
from recommender.ingest.mapping import mapped
from recommender.ingest.staging import stage
from recommender.models import Change, Event, Product, Shopper

LONDON = Parser(ZoneInfo("Europe/London"))
STRICT = Parser(typed=True)


@pytest.fixture
def catalog(shop):
    upsert_products(
        shop,
        [(1, {"item_id": "a", "title": "A"}), (2, {"item_id": "b/ü", "title": "B"})],
        ["title"],
        LONDON,
    )
    return shop


def purchase(**fields) -> dict:
    return {
        "user_id": "u1",
        "item_id": "a",
        "type": "purchase",
        "occurred_at": "2026-01-02 10:00:00",
        "session_id": "s",
        **fields,
    }


def load(shop, *rows, **options):
    return import_events(shop, with_content_keys(enumerate(rows, 1)), LONDON, **options)[0]


def test_products_are_new_then_same_then_changed(shop):
    rows = [(1, {"item_id": "a", "title": "A", "price": "2.50"})]
    assert (
        str(upsert_products(shop, rows, ["title", "price"], LONDON))
        == "1 new, 0 changed, 0 same, 0 rejected"
    )
    assert (
        str(upsert_products(shop, rows, ["title", "price"], LONDON))
        == "0 new, 0 changed, 1 same, 0 rejected"
    )
    assert (
        str(upsert_products(shop, [(1, {"item_id": "a", "title": "B"})], ["title"], LONDON))
        == "0 new, 1 changed, 0 same, 0 rejected"
    )
    product = Product.objects.get(shop=shop, item_id="a")
    assert (product.title, float(product.price)) == ("B", 2.5)


def test_a_change_of_products_is_news_and_no_change_is_none(shop):
    rows = [(1, {"item_id": "a", "title": "A"})]
    upsert_products(shop, rows, ["title"], LONDON)
    upsert_products(shop, rows, ["title"], LONDON)
    assert Change.objects.filter(shop=shop, kind="product").count() == 1


def test_the_same_lines_twice_change_nothing_and_true_doubles_survive(catalog):
    rows = [purchase(), purchase(), purchase(item_id="b/ü")]
    assert str(load(catalog, *rows)) == "3 new, 0 changed, 0 same, 0 rejected"
    assert str(load(catalog, *rows)) == "0 new, 0 changed, 3 same, 0 rejected"
    assert Event.objects.count() == 3


def test_a_later_import_moved_by_more_weeks_is_still_the_same(catalog):
    load(catalog, purchase(), shift=timedelta(weeks=1))
    assert load(catalog, purchase(), shift=timedelta(weeks=2)).same == 1


def test_a_dry_run_counts_and_writes_nothing(catalog):
    assert load(catalog, purchase(), dry_run=True).new == 1
    assert not Event.objects.exists() and not Shopper.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"item_id": "zzz"}, "item_id", "is not a known product"),
        ({"item_id": ""}, "item_id", "is required"),
        ({"price": "0"}, "price", "must be above 0"),
        ({"price": "cheap"}, "price", "'cheap' is not an amount"),
        ({"quantity": "0"}, "quantity", "must not be 0"),
        ({"quantity": "nan"}, "quantity", "is out of range"),
        ({"type": "stroll"}, "type", "is not one of"),
        ({"occurred_at": "yesterday"}, "occurred_at", "is not a date and time"),
        ({"occurred_at": ""}, "occurred_at", "is required"),
        ({"occurred_at": "2999-01-01"}, "occurred_at", "lies in the future"),
        ({"user_id": "", "session_id": ""}, "user_id", "is required when there is no session_id"),
        ({"user_id": "x" * 257}, "user_id", "is longer than 256 characters"),
        ({"session_id": "a\x00b"}, "session_id", "must not hold a NUL character"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_in(catalog, fields, field, message):
    report = load(catalog, purchase(), purchase(**fields), purchase(item_id="b/ü"))
    assert report.new == 2
    assert [(e.line, e.field) for e in report.errors] == [(2, field)] and message in report.errors[
        0
    ].message


def test_a_negative_quantity_is_a_return(catalog):
    load(catalog, purchase(quantity="-3", price="2"))
    event = Event.objects.get()
    assert (event.type, event.quantity, event.value) == ("return", 3, 6)


def test_times_without_a_zone_are_the_shops(catalog):
    load(catalog, purchase(occurred_at="2026-07-01 12:00:00"))
    assert Event.objects.get().occurred_at == datetime(2026, 7, 1, 11, 0, tzinfo=UTC)


def test_anonymous_events_have_no_shopper(catalog):
    load(catalog, purchase(user_id=""))
    assert Event.objects.get().shopper is None


def test_a_shopper_with_news_has_a_new_revision(catalog):
    load(catalog, purchase())
    load(catalog, purchase())
    load(catalog, purchase(item_id="b/ü"))
    assert Shopper.objects.get(user_id="u1").revision == 2


def rest(**fields) -> dict:
    when = (timezone.now() - timedelta(minutes=1)).isoformat()
    return {
        "event_id": "e1",
        "type": "purchase",
        "user_id": "u1",
        "items": [{"item_id": "a"}, {"item_id": "b/ü"}],
        "occurred_at": when,
        **fields,
    }


def test_an_event_of_two_products_is_whole_or_not_there(catalog):
    report, new = import_events(
        catalog, [(0, rest(items=[{"item_id": "a"}, {"item_id": "zzz"}]))], STRICT
    )
    assert (report.errors[0].field, new) == (
        "items[1].item_id",
        set(),
    ) and not Event.objects.exists()
    report, new = import_events(catalog, [(0, rest())], STRICT)
    assert new == {"e1"} and list(
        Event.objects.order_by("line").values_list("line", "product__item_id")
    ) == [(0, "a"), (1, "b/ü")]


def test_an_event_id_that_is_known_is_a_duplicate_whatever_it_says(catalog):
    import_events(catalog, [(0, rest())], STRICT)
    report, new = import_events(catalog, [(0, rest(items=[{"item_id": "a"}] * 3))], STRICT)
    assert new == set() and report.same == 1 and Event.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"occurred_at": "2026-01-01T10:00:00"}, "occurred_at"),
        ({"items": [{"item_id": "a", "quantity": "2"}]}, "items[0].quantity"),
        ({"items": [{"item_id": 7}]}, "items[0].item_id"),
        ({"items": []}, "items"),
        ({"items": [3]}, "items[0]"),
        ({"items": [{"item_id": "a", "position": 0}]}, "items[0].position"),
        ({"event_id": None}, "event_id"),
        ({"type": None}, "type"),
        ({"simulated": "yes"}, "simulated"),
    ],
)
def test_rest_rows_are_typed(catalog, fields, field):
    report, _ = import_events(catalog, [(0, rest(**fields))], STRICT)
    assert [e.field for e in report.errors] == [field]


def test_shoppers_and_their_consent(shop):
    rows = [(1, {"user_id": "u", "attributes": {"country": "FR"}, "consent_training": "no"})]
    assert upsert_shoppers(shop, rows, ["attributes", "consent_training"], LONDON).new == 1
    shopper = Shopper.objects.get()
    assert (shopper.attributes, shopper.consent_training, shopper.consent_personalisation) == (
        {"country": "FR"},
        False,
        True,
    )


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    st.lists(
        st.tuples(
            TEXT,
            st.lists(TEXT, max_size=3),
            st.dictionaries(TEXT, TEXT | st.booleans() | st.none(), max_size=2),
        ),
        max_size=5,
    )
)
def test_copy_brings_back_what_was_sent(db, rows):
    with transaction.atomic(), connection.cursor() as cursor:
        stage(
            cursor,
            "round_trip",
            {"n": "int", "t": "text", "a": "text[]", "j": "jsonb"},
            [(i, *row) for i, row in enumerate(rows)],
        )
        cursor.execute("SELECT t, a, j FROM round_trip ORDER BY n")
        result = [
            (t, a, json.loads(j) if isinstance(j, str) else j) for t, a, j in cursor.fetchall()
        ]
        cursor.execute("DROP TABLE round_trip")
    assert result == rows


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.floats(),
        st.integers(),
        st.booleans(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
    )
)
def test_any_value_is_read_or_refused_by_name(value):
    for parser in (STRICT, LONDON):
        for read in (parser.id, parser.number, parser.moment, parser.boolean, parser.mapping):
            try:
                read("field", value)
            except FieldError as error:
                assert error.field == "field" and error.message


RAGGED = "item_id,title,brand\nE1,Shirt, blue,Acme\nE2\nE3,Mug,Ada,,\n\nE4,Lamp,Bo\n"


def test_a_row_of_other_cells_than_the_header_is_rejected(catalog, tmp_path):
    (tmp_path / "p.csv").write_text(RAGGED)
    report = upsert_products(catalog, read_rows(tmp_path / "p.csv"), ["title", "brand"], LONDON)
    assert [(e.line, e.field, e.message) for e in report.errors] == [
        (2, "row", "has 4 cells; the header has 3"),
        (3, "row", "has 1 cells; the header has 3"),
    ]
    assert list(
        Product.objects.filter(item_id__startswith="E")
        .order_by("item_id")
        .values_list("item_id", "title", "brand")
    ) == [
        ("E3", "Mug", "Ada"),
        ("E4", "Lamp", "Bo"),
    ]


def test_an_event_of_other_cells_than_the_header_is_rejected(catalog, tmp_path):
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,occurred_at\nu1,a,2026-01-05T10:00:00Z,7\nu1\nu1,a,2026-01-06T10:00:00Z\n"
    )
    report, _ = import_events(catalog, with_content_keys(read_rows(tmp_path / "e.csv")), LONDON)
    assert report.new == 1 and [(e.line, e.field) for e in report.errors] == [
        (2, "row"),
        (3, "row"),
    ]


def test_a_filter_does_not_hide_a_row_that_does_not_fit(tmp_path):
    (tmp_path / "p.csv").write_text("item_id,sell,title\n1,Lamp\n2,0,Mug\n3,1,Cup\n")
    assert [line for line, _ in mapped(read_rows(tmp_path / "p.csv"), {}, {"sell": "1"})] == [2, 4]


def test_a_column_that_comes_twice_must_be_named(tmp_path):
    (tmp_path / "p.csv").write_text("item_id,title,title,x,x\n1,Lamp,Lampe,,\n")
    with pytest.raises(
        FileError,
        match=r"'title' comes more than once: name one with --map title='title \(column 2\)'",
    ):
        list(mapped(read_rows(tmp_path / "p.csv"), {}, {}, ["item_id", "title"]))
    with pytest.raises(FileError, match=r"no column 'x'; there are .*x \(column 4\)"):
        list(mapped(read_rows(tmp_path / "p.csv"), {"brand": "x"}, {}))
    ((_, row),) = mapped(
        read_rows(tmp_path / "p.csv"), {"title": "title (column 3)"}, {}, ["item_id", "title"]
    )
    assert row["title"] == "Lampe"


def test_mapping_fills_fields_and_keeps_chosen_rows():
    rows = iter(
        [(2, {"code": "a", "land": "FR", "ok": "1"}), (3, {"code": "b", "land": "DE", "ok": "0"})]
    )
    _, row = next(mapped(rows, {"item_id": "code", "attributes.country": "land"}, {"ok": "1"}))
    assert row["attributes"] == {"country": "FR"} and row["item_id"] == "a"


def test_rows_of_a_file_with_one_event_id_are_its_lines(catalog):
    rows = [
        purchase(event_id="order-1"),
        purchase(event_id="order-1", item_id="b/ü"),
        purchase(event_id="order-2"),
    ]
    assert load(catalog, *rows).new == 3
    assert load(catalog, *rows).same == 3
    assert list(
        Event.objects.filter(event_id="order-1")
        .order_by("line")
        .values_list("product__item_id", flat=True)
    ) == ["a", "b/ü"]


def test_a_blank_consent_in_a_file_keeps_what_was_said(shop):
    upsert_shoppers(
        shop, [(1, {"user_id": "u", "consent_training": "no"})], ["consent_training"], LONDON
    )
    upsert_shoppers(
        shop,
        [
            (1, {"user_id": "u", "consent_training": ""}),
            (2, {"user_id": "v", "consent_training": ""}),
        ],
        ["consent_training"],
        LONDON,
    )
    assert list(Shopper.objects.order_by("user_id").values_list("consent_training", flat=True)) == [
        False,
        True,
    ]


def test_a_name_in_brackets_is_a_category(shop):
    assert (
        upsert_products(
            shop,
            [(1, {"item_id": "a", "title": "A", "categories": "[Sale] Lamps|Home"})],
            ["title", "categories"],
            LONDON,
        ).new
        == 1
    )
    assert Product.objects.get().categories == ["[Sale] Lamps", "Home"]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(FileError, match="no column 'titel'"):
        list(mapped(iter([(2, {"title": "x"})]), {"title": "titel"}, {}))
