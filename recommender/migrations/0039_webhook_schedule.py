"""The schedule of webhooks and purges: each minute, what is due."""

from django.db import migrations

TASKS = {"Deliver webhooks": "deliver_webhooks", "Continue purges": "tend_purges"}


def schedule(apps, schema_editor):
    intervals = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    minutely, _ = intervals.get_or_create(every=1, period="minutes")
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for name, task in TASKS.items():
        fields = {"task": f"recommender.tasks.{task}", "interval": minutely, "expire_seconds": 55}
        tasks.get_or_create(name=name, defaults=fields)


class Migration(migrations.Migration):
    dependencies = [
        ("recommender", "0038_api_collections"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [migrations.RunPython(schedule, migrations.RunPython.noop)]
