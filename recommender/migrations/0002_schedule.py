"""The first schedule, as rows: from here on it is edited in the console."""

import json

from django.db import migrations

NIGHTS = [
    ("Weekly full training", "train_every_shop", {"minute": "0", "hour": "3", "day_of_week": "0"}, ["full"]),
    ("Nightly training", "train_every_shop", {"minute": "0", "hour": "2", "day_of_week": "1-6"}, ["quick"]),
    ("Score shoppers with new events", "score_every_shop", {"minute": "30", "hour": "*", "day_of_week": "*"}, []),
]


def create(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    for name, function, times, arguments in NIGHTS:
        when, _ = crontab.objects.get_or_create(**times, day_of_month="*", month_of_year="*", timezone="UTC")
        task.objects.get_or_create(name=name, defaults={"task": f"recommender.tasks.{function}", "crontab": when, "args": json.dumps(arguments)})
    often, _ = interval.objects.get_or_create(every=30, period="seconds")
    task.objects.get_or_create(name="Find runs whose worker died", defaults={"task": "recommender.tasks.fail_silent_runs", "interval": often})


class Migration(migrations.Migration):
    dependencies = [("recommender", "0001_initial"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
