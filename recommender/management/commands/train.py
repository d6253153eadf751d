"""Train on a shop's data in this process, as the worker would."""

from django.core.management.base import BaseCommand, CommandError

from recommender.inference import training_options
from recommender.management.import_command import find_shop, pairs
from recommender.model_lifecycle import run_options, runs
from recommender.models import TrainingRun
from recommender.models.registry import USUAL_PRESET, RunStatus


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--shop")
        parser.add_argument("--recipe", default="fusion")
        parser.add_argument("--preset", default=USUAL_PRESET)
        parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="FIELD=VALUE")
        parser.add_argument("--promote", choices=run_options.PROMOTE, default="if-better")

    def handle(self, **options):
        shop, overrides = find_shop(options["shop"]), pairs(options["set"], "--set")
        try:
            training_options.check_config(options["recipe"], options["preset"], overrides)
        except training_options.InvalidConfig as error:
            raise CommandError(str(error)) from None
        run = TrainingRun.objects.create(
            shop=shop,
            recipe=options["recipe"],
            preset=options["preset"],
            overrides=overrides,
            promote=options["promote"],
        )
        TrainingRun.objects.claim(run.pk)
        version = runs.run_training(run)
        run.refresh_from_db()
        if run.status != RunStatus.FINISHED:
            raise CommandError(f"run {run.pk} {run.status}: {run.error}\n{run.log_tail[-2000:]}")
        self.stdout.write(
            f"run {run.pk} finished: {version} is {version.get_status_display()}; "
            f"{version.gate_reason}"
        )
