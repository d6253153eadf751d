"""Functions and triggers: the database holds what models/sql says, and the page names each one."""

from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
TRIGGERS = """
    SELECT t.tgname, p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relname LIKE 'recommender%'"""
SOURCE = "SELECT prosrc FROM pg_proc WHERE proname = %s"


@pytest.mark.django_db
def test_every_trigger_is_in_a_file_and_on_the_page():
    files = {p.name: p.read_text() for p in (ROOT / "recommender/models/sql").glob("*.sql")}
    page = (ROOT / "docs/database.md").read_text()
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS)
        triggers = cursor.fetchall()
        assert len(triggers) == 16
        for trigger, function in triggers:
            name, text = next(
                (n, t)
                for n, t in files.items()
                if f"TRIGGER {trigger}\n" in t or f"TRIGGER {trigger} " in t
            )
            cursor.execute(SOURCE, [function])
            assert cursor.fetchone()[0].strip() in text, f"{function} differs from {name}"
            row = next(line for line in page.splitlines() if f"`{trigger}`" in line)
            assert f"`{function}`" in row and f"`{name}`" in row
