"""Files of shops, written for the tests in the layout of each platform."""

import csv
import io
import json
from zoneinfo import ZoneInfo

import pytest


@pytest.fixture
def take(shop, tmp_path):
    """Import files by name and text (or rows); returns the report."""
    from recommender.ingest import Parser
    from recommender.ingest.shop_files import Wish, import_files

    def run(files, dates="", **wish):
        paths = []
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content if isinstance(content, str) else written(name, content))
            paths.append(path)
        parser = Parser(ZoneInfo("UTC"), currency=shop.currency, date_order=dates)
        return import_files(shop, paths, parser, Wish(**wish))

    return run


def written(name: str, rows: list[dict]) -> str:
    """Rows as CSV, with the columns of all of them, or as JSON lines."""
    if name.endswith(".jsonl"):
        return "\n".join(json.dumps(row) for row in rows)
    file = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
