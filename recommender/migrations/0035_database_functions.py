"""Functions and triggers of the database, as recommender/models/sql holds them.

After a change of a file there, a new migration runs it again.
"""

from pathlib import Path

from django.db import migrations

FOLDER = Path(__file__).resolve().parent.parent / "models" / "sql"
FILES = ("change_feed", "event_references", "gone_products")


def statements(name: str) -> migrations.RunSQL:
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return migrations.RunSQL([(text, None)], migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0034_rendered_lists")]

    operations = [statements(name) for name in FILES]
