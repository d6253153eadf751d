"""Values as shops write them in files; REST takes none of these spellings."""

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from recommender.ingest import FieldError, Parser, import_events
from recommender.models import Event, Product, Shopper

FILES = Parser(ZoneInfo("Europe/Paris"), currency="EUR")
REST = Parser(typed=True)


@pytest.mark.parametrize(
    ("value", "id"),
    [
        (" H1 ", "H1"),
        ("17850.0", "17850"),
        (17850.0, "17850"),
        (17850, "17850"),
        ("00042", "00042"),
        ("1.5", "1.5"),
        ("v1.0", "v1.0"),
        ("NULL", None),
        ("nan", None),
        (float("nan"), None),
        ("(not set)", None),
        ("undefined", None),
        ("0", "0"),
        ("Guest", "Guest"),
        ("2e5b", "2e5b"),
    ],
)
def test_an_id_has_no_blanks_and_no_float(value, id):
    assert FILES.id("item_id", value) == id


@pytest.mark.parametrize("word", ["Guest", "0", "NULL", "None", "(not set)", " "])
def test_words_for_nobody_are_no_shopper(word):
    assert FILES.id("user_id", word) is None


@pytest.mark.parametrize("value", ["4.00634E+12", "4,00634E+12", "4e+12"])
def test_an_id_that_a_spreadsheet_cut_is_refused(value):
    with pytest.raises(FieldError, match=r"item_id: .* a spreadsheet has cut the id"):
        FILES.id("item_id", value)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1,299.00", 1299),
        ("1.299,00 €", 1299),
        ("1 299.00", 1299),
        ("3,50 €", 3.5),
        ("EUR 15", 15),
        ("15.00 EUR", 15),
        ("1'299.50", 1299.5),
        ("1,5", 1.5),
        ("12.990", 12.99),
        ("-5", -5),
        ("-5,00 €", -5),
        ("1e3", 1000),
        ("NULL", None),
        (" ", None),
        (7, 7),
    ],
)
def test_amounts_have_currencies_and_separators(text, amount):
    assert FILES.money("price", text) == amount


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$99.00", "is not in EUR"),
        ("15.00 USD", "is not in EUR"),
        ("from 12.99", "is not an amount"),
        ("12-15", "is not an amount"),
        ("2 for 3.00", "is not an amount"),
        ("free", "is not an amount"),
    ],
)
def test_an_amount_in_another_currency_or_with_words_is_refused(text, says):
    with pytest.raises(FieldError, match=f"price: .*{says}"):
        FILES.money("price", text)
    if "EUR" in says:
        assert Parser(currency="USD").money("price", text) in (99, 15)


@pytest.mark.parametrize(
    "text",
    [
        "1599391467",
        1599391467,
        1599391467.0,
        "1599391467000",
        "1599391467000000",
        "1599391467000000000",
        "1599391467.000",
        "2020-09-06 11:24:27 UTC",
        "2020-09-06T11:24:27Z",
        "2020-09-06 07:24:27 -0400",
        "2020-09-06 13:24:27",
        "9/6/2020 1:24:27 PM",
        "Sep 6, 2020 13:24:27",
        "06.09.2020 13:24:27",
    ],
)
def test_moments_have_many_forms(text):
    parser = Parser(ZoneInfo("Europe/Paris"), date_order="dmy" if "." in str(text)[:3] else "mdy")
    assert parser.moment("occurred_at", text) == datetime(2020, 9, 6, 11, 24, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("01/12/2025", "say dmy or mdy"),
        ("10", "not a whole date"),
        ("Jan 2025", "not a whole date"),
        ("2025-01-12 10:00 EST", "not a date"),
        ("soon", "not a date"),
        ("45669.5", "not a date"),
        ("", None),
    ],
)
def test_an_unclear_date_is_refused(text, says):
    if says is None:
        assert FILES.moment("occurred_at", text) is None
        return
    with pytest.raises(FieldError, match=says):
        FILES.moment("occurred_at", text)


def test_a_date_that_can_be_read_one_way_needs_no_order():
    for text in ("4/18/16, 4:46 PM", "18.4.2016 16:46"):
        assert FILES.moment("occurred_at", text) == datetime(2016, 4, 18, 14, 46, tzinfo=UTC)


@pytest.mark.parametrize("method", ["money", "number", "integer", "boolean", "moment"])
@pytest.mark.parametrize("word", ["NULL", "None", "(not set)", "N/A", "-"])
def test_words_for_nothing_are_no_value(method, word):
    assert getattr(FILES, method)("field", word) is None
    with pytest.raises(FieldError):
        getattr(REST, method)("field", word)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("money", "3,50 €"),
        ("moment", "1599391467"),
        ("moment", "9/6/2020"),
        ("boolean", "on"),
    ],
)
def test_rest_takes_typed_values_only(method, value):
    with pytest.raises(FieldError):
        getattr(REST, method)("field", value)
    assert REST.id("user_id", "Guest") == "Guest" and REST.id("item_id", " H1 ") == " H1 "
    assert REST.availability("stock_state", "in stock") == "in stock"


def imported(command: str, path, shop, *options) -> str:
    out = StringIO()
    call_command(command, str(path), *options, shop=shop.key, stdout=out, verbosity=0)
    return out.getvalue()


def test_a_shops_own_words_are_taken(shop, tmp_path):
    (tmp_path / "p.csv").write_text(
        "item_id;title;price;stock_state;hidden\n"
        "1;Lamp;3,50 €;in stock;n\n2.0;Mug;1.299,00;https://schema.org/OutOfStock;off\n"
        "3;Cup;1;limited availability;Y\n"
    )
    assert "3 new, 0 changed" in imported("import_products", tmp_path / "p.csv", shop)
    rows = Product.objects.order_by("item_id").values_list("item_id", "price", "stock_state")
    assert [(i, float(p), s) for i, p, s in rows] == [
        ("1", 3.5, "in_stock"),
        ("2", 1299, "out_of_stock"),
        ("3", 1, "in_stock"),
    ]
    assert list(Product.objects.filter(hidden=True).values_list("item_id", flat=True)) == ["3"]
    (tmp_path / "e.csv").write_text(
        "user_id,session_id,item_id,type,occurred_at\n"
        "NULL,s1,1,AddToCart,1599391467\nGuest,s1,2.0,transaction,1599391467000\n"
        "7.0,s2, 1 ,Purchase ,2020-09-06 11:24:27 UTC\n"
    )
    assert "3 new" in imported("import_events", tmp_path / "e.csv", shop)
    events = Event.objects.values_list("type", "shopper__user_id", "product__item_id")
    assert {*events} == {
        ("add_to_cart", None, "1"),
        ("purchase", None, "2"),
        ("purchase", "7", "1"),
    }
    assert Shopper.objects.count() == 1


def test_events_in_another_currency_are_refused(shop):
    row = {"event_id": "e", "user_id": "u", "item_id": "a", "type": "view"}
    row |= {"occurred_at": "2026-01-05T10:00:00Z", "currency": "usd"}
    report, _ = import_events(shop, [(2, row)], Parser(shop.zone, currency=shop.currency))
    assert [(e.field, e.message) for e in report.errors] == [
        ("currency", f"must be {shop.currency}, this shop's")
    ]
    for written in ("NULL", "", None, f" {shop.currency.lower()} "):
        parser = Parser(shop.zone, currency=shop.currency)
        report, _ = import_events(shop, [(2, row | {"currency": written})], parser)
        assert [error.field for error in report.errors] == ["item_id"], "the product is unknown"


def test_a_misspelt_field_is_named_with_the_nearest(shop, tmp_path):
    (tmp_path / "p.csv").write_text("id,name\n1,Lamp\n")
    with pytest.raises(CommandError, match="no field 'titel'; did you mean 'title'"):
        imported("import_products", tmp_path / "p.csv", shop, "--map", "item_id=id", "titel=name")
    with pytest.raises(CommandError, match=r"no field 'qqq'; there are attributes, .*title"):
        imported("import_products", tmp_path / "p.csv", shop, "--map", "item_id=id", "qqq=name")


def test_a_filter_that_keeps_nothing_says_what_there_is(shop, tmp_path):
    (tmp_path / "p.csv").write_text("item_id,title,status\n1,Lamp,active\n2,Mug,draft\n")
    said = imported("import_products", tmp_path / "p.csv", shop, "--where", "status=Active")
    assert "--where keeps no row; status holds active, draft" in said
    (tmp_path / "p.csv").write_text("item_id,title\n")
    assert "no rows below" in imported("import_products", tmp_path / "p.csv", shop)
