"""Personal data in texts that were stored before texts were masked."""

from django.db import migrations

from recommender.ingest.masking import masked

TEXTS = {"Review": ("title", "text"), "Dialogue": ("text", "answer")}
CHUNK = 500


def mask(apps, schema_editor):
    for name, columns in TEXTS.items():
        rows = apps.get_model("recommender", name).objects.order_by("pk").only("pk", *columns)
        last = 0
        while chunk := list(rows.filter(pk__gt=last)[:CHUNK]):
            last = chunk[-1].pk
            changed = [row for row in chunk if _mask(row, columns)]
            rows.model.objects.bulk_update(changed, columns)


def _mask(row, columns):
    """Mask the texts of a row; True where one has changed."""
    before = [getattr(row, column) for column in columns]
    after = [masked(text) for text in before]
    for column, text in zip(columns, after, strict=True):
        setattr(row, column, text)
    return after != before


class Migration(migrations.Migration):
    atomic = False  # each chunk for itself, and masked rows stay as they are when it runs again
    dependencies = [("recommender", "0045_search_settings_texts")]
    operations = [migrations.RunPython(mask, migrations.RunPython.noop, elidable=True)]
