"""Rows of files: what a file is, is told by its content."""

import gzip
import json
import zipfile

import polars as pl
import pytest

from recommender.ingest import containers, json_rows
from recommender.ingest.containers import encoding_of
from recommender.ingest.delimited import DAMAGE
from recommender.ingest.files import FileError, has_one_header, read_rows

ROWS = [{"item_id": "a", "title": 'x "y", z'}, {"item_id": "b", "title": "ü"}]
CSV = 'item_id,title\na,"x ""y"", z"\nb,ü\n'
FORMATS = "http://schemas.openxmlformats.org"
MAIN, OFFICE = f"{FORMATS}/spreadsheetml/2006/main", f"{FORMATS}/officeDocument/2006/relationships"
PACKAGE = f"{FORMATS}/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"


def relation(kind: str, target: str) -> str:
    inner = f'<Relationship Id="r1" Type="{OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Override '
    f'PartName="/xl/workbook.xml" ContentType="{TYPE}"/></Types>',
    "_rels/.rels": relation("officeDocument", "xl/workbook.xml"),
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
    '<sheet name="Products" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": relation("worksheet", "worksheets/sheet1.xml"),
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>'
    f'<row r="1">{text_cell("A1", "item_id")}{text_cell("B1", " price")}</row>'
    f'<row r="3">{text_cell("A3", "a")}<c r="B3"><f>1+1.5</f><v>2.5</v></c></row>'
    "</sheetData></worksheet>",
}


def rows_in(path) -> list[dict]:
    return [row for _, row in read_rows(path)]


def archive(path, members: dict[str, str | bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_files_of_every_kind_hold_the_same(tmp_path):
    (tmp_path / "p.csv").write_text(CSV, encoding="utf-8")
    with gzip.open(tmp_path / "p.csv.gz", "wt", encoding="utf-8") as file:
        file.write(CSV)
    archive(tmp_path / "p.zip", {"p.csv": CSV, "__MACOSX/._p.csv": "x"})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    (tmp_path / "array.json").write_text(json.dumps(ROWS))
    (tmp_path / "pretty.json").write_text(json.dumps(ROWS, indent=2, ensure_ascii=False))
    (tmp_path / "one.json").write_text(json.dumps({"products": ROWS}))
    (tmp_path / "held.json").write_text(json.dumps({"count": 2, "products": ROWS}, indent=2))
    pl.DataFrame(ROWS).write_parquet(tmp_path / "p.parquet")
    for path in sorted(tmp_path.iterdir()):
        assert rows_in(path) == ROWS, path.name
        assert has_one_header(path) == (path.suffix not in (".json", ".jsonl"))
    assert [line for line, _ in read_rows(tmp_path / "p.csv")] == [2, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encoding_and_separator_are_found(tmp_path, encoding, separator, end):
    lines = ["sku;name;preis", '1;"Hemd; weiß, groß";3,50 €', "2;Café | Bar;12,00 €"]
    lines = [line.replace(";", separator) for line in lines]
    path = tmp_path / "Artikel.TXT"
    path.write_bytes(end.join(lines).encode(encoding))
    if separator in (",", "|"):  # decimal commas and names are quoted there
        path.write_bytes(
            end.join(
                separator.join(f'"{cell}"' for cell in row)
                for row in (
                    ["sku", "name", "preis"],
                    ["1", "Hemd; weiß, groß", "3,50 €"],
                    ["2", "Café | Bar", "12,00 €"],
                )
            ).encode(encoding)
        )
    first, second = rows_in(path)
    assert first["preis"] == "3,50 €" and first["name"].startswith("Hemd")
    assert first["name"].endswith("groß") and second["sku"] == "2" and DAMAGE not in second


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("标题,说明\n裙子,裙子很漂亮，质量很好，下次还会来\n" * 5, "GB18030"),
        ("название,цвет\nБотинки кожаные мужские,чёрный\n" * 5, "Windows-1251"),
    ],
)
def test_other_encodings_are_detected(tmp_path, text, encoding):
    path = tmp_path / "p.csv"
    path.write_bytes(text.encode(encoding))
    assert encoding_of(path).lower() == encoding.lower()
    assert len(rows_in(path)) == text.count("\n") - 1


def test_a_late_letter_decides_on_the_encoding(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"item_id,title\n" + b"1,plain\n" * 300_000 + "2,Café\n".encode("cp1252"))
    *_, last = rows_in(path)
    assert last == {"item_id": "2", "title": "Café"}


def test_a_file_is_scanned_once_for_each_state(tmp_path, monkeypatch):
    scans = []
    scan = containers._not_utf8
    monkeypatch.setattr(containers, "_not_utf8", lambda *a: scans.append(1) or scan(*a))
    (tmp_path / "p.json").write_text(json.dumps(ROWS))
    assert rows_in(tmp_path / "p.json") == rows_in(tmp_path / "p.json") == ROWS
    assert has_one_header(tmp_path / "p.json") is False and len(scans) == 1
    (tmp_path / "p.json").write_bytes(json.dumps([{"t": "ü"}], ensure_ascii=False).encode("cp1252"))
    assert rows_in(tmp_path / "p.json") == [{"t": "ü"}] and len(scans) == 2


def test_blank_lines_and_blanks_in_the_header_are_nothing(tmp_path):
    (tmp_path / "p.csv").write_text(" item_id , title\n\n1,Lamp\n,,\n\n2,Mug\n,\n")
    assert rows_in(tmp_path / "p.csv") == [
        {"item_id": "1", "title": "Lamp"},
        {"item_id": "2", "title": "Mug"},
    ]


def test_a_column_of_texts_is_not_split(tmp_path):
    (tmp_path / "p.csv").write_text("query\nred, large lamp\nlamp; blue\n")
    assert [row.get("query") for row in rows_in(tmp_path / "p.csv")][1] == "lamp; blue"


def test_action_lines_of_a_bulk_request_are_no_rows(tmp_path):
    lines = [{"index": {"_index": "ubi", "_id": "1"}}, {"query_id": "q1"}, {"index": {"value": 3}}]
    (tmp_path / "ubi.ndjson").write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert rows_in(tmp_path / "ubi.ndjson") == lines[1:]


def test_an_object_on_many_lines_is_one_row(tmp_path):
    order = {"id": 1, "line_items": [{"sku": "a"}, {"sku": "b"}]}
    (tmp_path / "order.json").write_text(json.dumps(order, indent=2))
    assert rows_in(tmp_path / "order.json") == [order]


def test_a_workbook_holds_the_last_values_of_its_formulas(tmp_path):
    path = archive(tmp_path / "book.xlsx", WORKBOOK)
    assert list(read_rows(path)) == [(3, {"item_id": "a", "price": 2.5})]
    assert has_one_header(path)


def test_a_workbook_with_a_far_cell_is_streamed(tmp_path):
    cells = f'<row r="1">{text_cell("A1", "item_id")}</row>'
    cells += f'<row r="1048576">{text_cell("A1048576", "a")}{text_cell("XFD1048576", "x")}</row>'
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'
    path = archive(tmp_path / "book.xlsx", WORKBOOK | {"xl/worksheets/sheet1.xml": sheet})
    assert list(read_rows(path)) == [(1_048_576, {"item_id": "a"})]


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        (f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>', "the file is empty"),
        (f'<worksheet xmlns="{MAIN}"><sheetData><row', "damaged workbook"),
        ('<!DOCTYPE w [<!ENTITY a "b">]><worksheet>&a;</worksheet>', "damaged workbook"),
        (
            f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">{text_cell("A1", "a")}'
            f"{text_cell('B1', 'a')}</row></sheetData></worksheet>",
            "'a' comes more than once",
        ),
    ],
)
def test_a_workbook_that_cannot_be_read_is_refused(tmp_path, sheet, says):
    path = archive(tmp_path / "book.xlsx", WORKBOOK | {"xl/worksheets/sheet1.xml": sheet})
    with pytest.raises(FileError, match=says):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", b"", "empty"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "save it as .xlsx or CSV"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n", "empty"),
        ("a.jsonl", b"{", "line 1"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: expected one JSON object"),
        ("a.jsonl", b"[1]", "row 1: expected a JSON object"),
        ("a.json", b'[{"a": 1}, {"a": ', "after row 1: not JSON .the array has no end"),
        ("a.json", b'[{"a": 1} {"a": 2}]', "after row 1: not JSON .expected ','"),
        ("a.json", b'[{"a": 1},]', "after row 1: not JSON"),
        ("a.json", b'[{"a": 1}]\n[{"a": 2}]', "after row 1: not JSON .something follows"),
        ("a.json", b'[{"a" 1}, {"a": "' + b"x" * 100 + b'"}]', "after row 0: not JSON .Expecting"),
        ("a.json", b"[" * 1_000_000, "after row 0: not JSON"),
        ("a.json", b'{"a":' * 1_000_000, "nested too deeply"),
        ("a.csv.gz", b"no", "not compressed by gzip"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00", "a.csv.gz"),
        ("a.zip", b"PK\x03\x04", "a.zip"),
        ("a.parquet", b"x", "a.parquet"),
        ("a.bin", bytes(range(256)), "no text"),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=says):
        list(read_rows(tmp_path / name))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path, says in ((tmp_path / "none.csv", "no such file"), (tmp_path, "directory")):
        with pytest.raises(FileError, match=says):
            list(read_rows(path))


def test_an_archive_of_several_files_names_them(tmp_path):
    path = archive(tmp_path / "export.zip", {"a.csv": CSV, "b.csv": CSV})
    with pytest.raises(FileError, match=r"the archive holds a\.csv, b\.csv: unpack it"):
        list(read_rows(path))


def test_decompression_ends_at_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "CHECKED", 2**20)
    zeros = b"item_id,title\n" + b"1,a\n" * 2_000_000
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(zeros))
    archive(tmp_path / "p.zip", {"p.csv": zeros})
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(FileError, match="unpacks to more than 200 times its size"):
            list(read_rows(path))


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "LONGEST_LINE", 1000)
    (tmp_path / "p.csv").write_text("item_id,title\n1," + "a" * 2000)
    with pytest.raises(FileError, match="a line has more than 1,000 bytes"):
        list(read_rows(tmp_path / "p.csv"))
    rows = [{"item_id": str(i), "title": "x" * 50} for i in range(100)]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert rows_in(tmp_path / "p.json") == rows, "an array may stand on one line"


def test_an_array_is_decoded_in_parts(tmp_path, monkeypatch):
    text = 'a "quoted, [] {} ü \\ '
    rows = [{"id": i, "text": text * (i % 7), "n": [i, None]} for i in range(50)]
    (tmp_path / "a.json").write_text("\n [" + " ,\n".join(map(json.dumps, rows)) + "\n]\n")
    for size in (1, 2, 7, 100):
        monkeypatch.setattr(json_rows, "CHUNK", size)
        assert list(read_rows(tmp_path / "a.json")) == list(enumerate(rows, 1))
    monkeypatch.setattr(json_rows, "LARGEST_DOCUMENT", 50)
    with pytest.raises(FileError, match="more than 64 MB"):
        list(read_rows(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text(" [ ] ")
    assert rows_in(tmp_path / "a.json") == []


def test_a_large_document_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_rows, "LARGEST_DOCUMENT", 100)
    (tmp_path / "p.json").write_text(json.dumps({"id": 1, "text": "a" * 200}, indent=1))
    with pytest.raises(FileError, match="write one a line"):
        list(read_rows(tmp_path / "p.json"))
