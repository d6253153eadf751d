"""Personal data in texts that were stored before texts were masked."""

from django.db import migrations

from recommender.ingest.masking import masked

TEXTS = {"Review": ("title", "text"), "Dialogue": ("text", "answer")}
CHUNK = 1_000


def mask(apps, schema_editor):
    for name, columns in TEXTS.items():
        rows = apps.get_model("recommender", name).objects.order_by("pk")
        changed = []
        for row in rows.only("pk", *columns).iterator(CHUNK):
            texts = {column: masked(getattr(row, column)) for column in columns}
            if any(getattr(row, column) != text for column, text in texts.items()):
                for column, text in texts.items():
                    setattr(row, column, text)
                changed.append(row)
        rows.bulk_update(changed, columns, batch_size=CHUNK)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0045_search_settings_texts")]
    operations = [migrations.RunPython(mask, migrations.RunPython.noop, elidable=True)]
