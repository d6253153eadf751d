"""Files of a shop: recognition, proposed mappings, warnings, consent, and what is refused."""

import gzip
import json
import zipfile
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from recommender.ingest import Parser, upsert_products
from recommender.ingest.connectors import FORMATS
from recommender.ingest.connectors.generic import category_list, proposed
from recommender.ingest.connectors.joins import blocks, grouped
from recommender.ingest.containers import FileError
from recommender.ingest.decimal_commas import comma_columns
from recommender.ingest.file_report import MOST_REASONS, FileReport
from recommender.ingest.report import RowError
from recommender.ingest.shop_files import NeedsConsent, Wish, import_files
from recommender.models import Event, Product
from tests.ingest.test_data_rules import at_once

PRODUCTS = "sku;name;preis;kategorie\nA1;Café;3,50;Küche > Becher\nA2;Tasse;1.299,00;Küche\n"


def test_a_file_of_no_known_format_gets_a_proposed_mapping(take):
    report = take({"artikel.csv": PRODUCTS.encode("cp1252")})
    assert (report.format, report.counts["products"]) == ("generic_products", 2)
    assert report.filled["preis"] == ["price"]
    tasse = Product.objects.get(item_id="A2")
    assert (tasse.title, tasse.price, tasse.categories) == ("Tasse", 1299, ["Küche"])


@pytest.mark.parametrize(
    ("columns", "kind", "mapping"),
    [
        (
            [
                "InvoiceNo",
                "StockCode",
                "Description",
                "Quantity",
                "InvoiceDate",
                "UnitPrice",
                "CustomerID",
            ],
            "events",
            {
                "session_id": "InvoiceNo",
                "item_id": "StockCode",
                "user_id": "CustomerID",
                "occurred_at": "InvoiceDate",
                "quantity": "Quantity",
                "price": "UnitPrice",
            },
        ),
        (
            ["Product ID", "Product Name", "Brand"],
            "products",
            {"item_id": "Product ID", "title": "Product Name", "brand": "Brand"},
        ),
        (
            ["review_id", "product_id", "stars", "review_text"],
            "reviews",
            {
                "review_id": "review_id",
                "item_id": "product_id",
                "rating": "stars",
                "text": "review_text",
            },
        ),
        (
            ["query", "doc_id", "relevance"],
            "judgements",
            {"query": "query", "item_id": "doc_id", "grade": "relevance"},
        ),
        (["customer_id", "country"], "shoppers", {"user_id": "customer_id"}),
        (["x", "y"], "", {}),
    ],
)
def test_a_mapping_is_proposed_from_the_names_of_columns(columns, kind, mapping):
    assert proposed(columns, []) == (kind, mapping)


def test_a_column_whose_values_do_not_fit_fills_no_field():
    rows = [{"sku": "a", "name": "A", "type": "Lamp", "time": "2025-01-01", "user": "u"}]
    assert "type" not in proposed(list(rows[0]), rows)[1]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("Clothing > Tops, Sale", ["Clothing > Tops", "Sale"]),
        ("Clothing/Tops", ["Clothing > Tops"]),
        ("A>B", ["A > B"]),
        ("23;18", ["23", "18"]),
        ("Default Category/Gear,Default Category/Gear/Bags", ["Gear", "Gear > Bags"]),
        ("Gear\nBags", ["Gear > Bags"]),
        ("Home, Garden", ["Home, Garden"]),
    ],
)
def test_category_lists(text, paths):
    assert category_list(text) == paths


def test_a_mapping_of_ones_own(take):
    content = "nr,was,sichtbar\n1,Lampe,nein\n2,Vase,ja\n".replace("nein", "no").replace(
        "ja", "yes"
    )
    mapping = {"item_id": "nr", "title": "was", "hidden": "!sichtbar", "locale": "'de'"}
    assert take({"a.csv": content}, mapping=mapping).counts["products"] == 2
    assert Product.objects.get(item_id="1").hidden and not Product.objects.get(item_id="2").hidden


def test_what_cannot_be_mapped_says_what_to_do(take):
    with pytest.raises(FileError, match=r"name them with --map"):
        take({"a.csv": "x,y\n1,2\n"})
    with pytest.raises(FileError, match="'title' comes more than once"):
        take({"a.csv": "item_id,title,title\n1,2,3\n"})
    with pytest.raises(FileError, match="there is no format 'shopifi'"):
        take({"a.csv": "x,y\n1,2\n"}, chosen="shopifi")
    with pytest.raises(FileError, match="is not Shopify products, which has handle, title"):
        take({"a.csv": "x,y\n1,2\n"}, chosen="shopify_products")


def test_a_file_without_rows_says_so(take):
    assert take({"a.csv": "item_id,title\n"}).warnings == [
        "there are no rows below the column names"
    ]


def test_events_without_products_name_the_column_that_holds_them(take, shop):
    assert "import its catalog" in " ".join(
        take({"e.csv": "user_id,item_id,occurred_at\nu,A,2025-01-01\n"}).warnings
    )
    rows = [{"item_id": name, "title": name} for name in "ABC"]
    upsert_products(shop, list(enumerate(rows)), ["title"], Parser())
    lines = "user_id,item_id,occurred_at,code\nu,1,2025-01-01,A\nv,2,2025-01-02,B\n"
    assert "the column 'code' holds ids of products" in " ".join(take({"e.csv": lines}).warnings)


def test_warnings_about_what_looks_wrong(take, shop):
    rows = "".join(f"{n},0,false\n" for n in range(12))
    texts = " ".join(take({"p.csv": "item_id,price,published\n" + rows}).warnings)
    assert "have no title" in texts
    assert "cost 0" in texts
    assert "are not published" in texts
    assert "no product may be shown" in texts
    lines = "".join(f"u{n},{n},2025-01-01\n" for n in range(12))
    events = take({"e.csv": "user_id,item_id,occurred_at\n" + lines})
    assert "all events have the same time" in events.warnings


def test_a_change_of_most_of_the_catalog_needs_consent(take):
    def rows(price):
        return "".join(f"p{n},P{n},{price},true\n" for n in range(30))

    header = "item_id,title,price,published\n"
    take({"p.csv": header + rows(5)})
    with pytest.raises(NeedsConsent, match="changes 30 of 30 products"):
        take({"p.csv": header + rows(6)})
    assert Product.objects.filter(price=5).count() == 30
    take({"p.csv": header + rows(6)}, agreed=True)
    assert Product.objects.filter(price=6).count() == 30
    hidden = header + rows(6).replace("true", "false")
    with pytest.raises(NeedsConsent, match=r"hides every product|changes 30"):
        take({"p.csv": hidden})


def test_a_dry_run_stores_nothing(take):
    assert take({"a.csv": PRODUCTS}, dry_run=True).counts["products"] == 2
    assert not Product.objects.exists()


def test_free_lines_of_an_order_are_purchases_without_value(take):
    take({"p.csv": "item_id,title\nA,Gift\n"})
    take(
        {"o.csv": "user_id,order_id,item_id,occurred_at,quantity,price\nu,1,A,2025-01-01,1,0.00\n"}
    )
    event = Event.objects.get()
    assert (event.type, event.value, event.session_id) == ("purchase", None, "1")


def test_reasons_are_counted_by_kind_and_few():
    errors = [RowError(n, "price", f"'{n} x' is not an amount") for n in range(5)]
    errors += [RowError(100 + n, f"field_{chr(97 + n)}", "is required") for n in range(20)]
    reasons = FileReport(errors=errors).reasons()
    assert (reasons[0].reason, reasons[0].count) == ("price: … is not an amount", 5)
    assert reasons[0].example == "line 0: price: '0 x' is not an amount"
    assert len(reasons) == MOST_REASONS
    assert sum(one.count for one in reasons) == 25
    assert reasons[-1].reason == "other reasons"


ENTITIES = """<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa">]>
<rss><channel><item><id>1</id><title>&a;</title><image_link>x</image_link></item></channel></rss>"""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("feed.xml", ENTITIES, "declares entities"),
        ("feed.xml", "<rss><channel><item><id>1</id>", "not XML"),
        ("feed.csv.gz", b"no gzip", "is not compressed by gzip"),
        ("book.xlsx", b"PK\x03\x04", "zip"),
        ("a.csv", "", "the file is empty"),
        ("a.json", '{"products": [', "not JSON"),
    ],
)
def test_damaged_files_are_refused_whole(take, name, content, message):
    with pytest.raises(FileError, match=message):
        take({"good.csv": PRODUCTS, name: content})
    assert not Product.objects.exists()


def test_compressed_files_are_recognized_by_their_content(take, tmp_path):
    feed = "id\ttitle\timage_link\tprice\n1\tCup\thttps://shop.example/c.jpg\t3\n"
    assert take({"feed.txt": gzip.compress(feed.encode())}).format == "google_feed"
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("feed.tsv", feed)
    assert take({"feed.zip": archive.read_bytes()}).format == "google_feed"


def test_every_format_has_a_title_and_tables():
    assert len(FORMATS) > 50
    for one in FORMATS.values():
        assert one.title and one.tables
        assert one.kinds or one.required


class _Row:
    def __init__(self, key, names=None):
        self.key, self.line, self.data = key, 0, {"key": key}
        self.names, self.reading = names, object()


def test_rows_join_by_key_in_the_order_of_the_first():
    rows = [_Row("a"), _Row(None), _Row("b"), _Row("a")]
    groups = [[row.data["key"] for row in group] for group in grouped(rows, lambda row: row.key)]
    assert groups == [[None], ["a", "a"], ["b"]]
    found = [
        [row.key for row in block] for block in blocks(map(_Row, "abba"), lambda r: r.key == "a")
    ]
    assert found == [["a", "b", "b"], ["a"]]


def test_the_command_tells_what_it_understood_and_writes_a_report(
    shop, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "artikel.csv"
    path.write_text(PRODUCTS + "A3;Zu viel;1;2;3\n")
    written = tmp_path / "out.json"
    call_command("import", str(path), "--shop", shop.key, "--report", str(written), verbosity=0)
    shown = capsys.readouterr().out
    assert "preis -> price" in shown
    assert "products: 2 new, 0 changed, 0 same" in shown
    report = json.loads(written.read_text())
    assert list(report) == ["format", "counts", "rejected", "reasons", "warnings", "unused_columns"]
    assert report["rejected"] == 1
    assert report["counts"]["products"] == 2
    rejected = tmp_path / "artikel.csv.rejected.csv"
    assert rejected.exists()
    path.write_text(PRODUCTS)
    call_command("import", str(path), "--shop", shop.key, verbosity=0)
    assert not rejected.exists()


def test_the_command_refuses_in_one_sentence(shop, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(CommandError, match="is of no known format"):
        call_command("import", str(path), "--shop", shop.key, verbosity=0)
    with pytest.raises(CommandError, match="no such file"):
        call_command("import", str(tmp_path / "none.csv"), "--shop", shop.key, verbosity=0)


def test_a_long_description_is_cut_with_a_note(take):
    content = "item_id,title,description\nA,Cup," + "long " * 5_000 + "\n"
    report = take({"p.csv": content})
    assert report.warnings == ["description is cut to 20,000 characters (1 rows)"]
    assert len(Product.objects.get().description) == 20_000


def test_a_mapping_is_used_again_for_files_of_the_same_columns(take, shop):
    content = "x1,x2\n{},{}\n"
    take({"a.csv": content.format("1", "Lamp")}, mapping={"item_id": "x1", "title": "x2"})
    report = take({"b.csv": content.format("2", "Vase")})
    assert "by the mapping of an earlier import" in report.why
    assert set(shop.products.values_list("item_id", "title")) == {("1", "Lamp"), ("2", "Vase")}
    with pytest.raises(FileError, match="name them with --map"):
        take({"c.csv": "x1,x3\n1,2\n"})


def test_a_file_that_changes_while_it_is_read_is_refused(take, shop, tmp_path):
    def changed(records):
        (tmp_path / "a.csv").write_text(PRODUCTS + "A3;Neu;1;x\n")
        return iter(records)

    with pytest.raises(FileError, match="was changed while it was read"):
        take({"a.csv": PRODUCTS}, progress=changed)
    assert not Product.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_file_twice_at_once_is_imported_once(take, shop, tmp_path):
    orders = "user_id,order_id,item_id,occurred_at\n"
    lines = "".join(f"u{n},{n},A,2025-01-01\n" for n in range(200))
    take({"p.csv": "item_id,title\nA,Cup\n"})

    path = tmp_path / "o.csv"
    path.write_text(orders + lines)

    def run():
        return import_files(shop, [path], Parser(ZoneInfo("UTC")), Wish()).outcomes["events"]

    outcomes = at_once(2, run)  # by two connections
    assert sum(one["new"] for one in outcomes) == 200
    assert Event.objects.count() == 200


def test_rows_of_several_files_are_counted_one_by_one(take):
    report = take({"p.csv": "item_id,title\n,Cup\n", "s.csv": "user_id,country\n,FR\n"})
    assert report.rejected == 2
    assert sum(reason.count for reason in report.reasons()) == 2


def test_a_point_separates_thousands_in_a_column_with_a_decimal_comma(take, shop):
    rows = f"A;Tasse;3,50\nB;Tisch;1.299\nC;Schrank;2.499,00 {shop.currency}\n"
    take({"p.csv": "sku;name;preis\n" + rows})
    prices = shop.products.order_by("item_id").values_list("price", flat=True)
    assert list(prices) == [Decimal("3.5"), 1299, 2499]


def test_a_column_with_decimal_points_stays():
    rows = [
        {"a": "3.50", "b": "1,299.00", "c": "3,50", "d": "Oak, 2,5 m"},
        {"a": "4", "c": "1.299"},
    ]
    assert comma_columns(rows) == {"c"}
