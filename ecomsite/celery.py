"""The Celery application: queues default, train and score."""

import os

from celery import Celery
from celery.exceptions import WorkerLostError
from celery.signals import task_failure, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")

app = Celery("vitrine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def catch_up(sender, **_) -> None:
    """At worker start: score due precomputed lists. An earlier worker may have died with some."""
    if "score" in sender.app.amqp.queues.consume_from:
        sender.app.send_task("recommender.tasks.score_every_shop")


@task_failure.connect
def catch_up_after_loss(sender, exception, **_) -> None:
    """Celery signal: when a worker process died while it scored a shard, queue batch scoring again
    after a delay.
    """
    if isinstance(exception, WorkerLostError) and sender.name == "recommender.tasks.score_shard":
        sender.app.send_task("recommender.tasks.score_every_shop", countdown=60)
