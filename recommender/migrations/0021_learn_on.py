"""Nights go on from the champion; the schedule's row becomes that, unless it was edited."""

import django.db.models.deletion
from django.db import migrations, models

BEFORE, AFTER = ("recommender.tasks.train_every_shop", '["quick"]'), ("recommender.tasks.learn_on_every_shop", "[]")


def _move(apps, before: tuple[str, str], after: tuple[str, str]) -> None:
    nightly = apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name="Nightly training", task=before[0], args=before[1])
    nightly.update(task=after[0], args=after[1])


def forwards(apps, schema_editor):
    _move(apps, BEFORE, AFTER)


def backwards(apps, schema_editor):
    _move(apps, AFTER, BEFORE)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0020_told_lines"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="follows",
            field=models.ForeignKey(
                blank=True,
                help_text="The run after which this came.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="followers",
                to="recommender.trainingrun",
            ),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="then",
            field=models.JSONField(
                blank=True, default=dict, help_text="The run that is queued once this one has ended: its recipe and preset."
            ),
        ),
        migrations.RunPython(forwards, backwards),
    ]
