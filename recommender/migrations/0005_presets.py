"""The preset of the defaults is called `standard`, between `quick` and `thorough`."""

import json

from django.db import migrations, models

BEFORE, AFTER = "full", "standard"


def _rename(apps, before: str, after: str) -> None:
    apps.get_model("recommender", "TrainingRun").objects.filter(preset=before).update(preset=after)
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(task="recommender.tasks.train_every_shop")
    tasks.filter(args=json.dumps([before])).update(args=json.dumps([after]))


def forwards(apps, schema_editor):
    _rename(apps, BEFORE, AFTER)


def backwards(apps, schema_editor):
    _rename(apps, AFTER, BEFORE)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0004_fairness"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [
        migrations.AlterField(model_name="trainingrun", name="preset", field=models.CharField(default=AFTER, max_length=20)),
        migrations.RunPython(forwards, backwards),
    ]
