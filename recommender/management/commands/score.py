"""Compute every precomputed list that is due, in this process."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.management.import_command import find_shop
from recommender.recommendations import batch_scoring


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--shop")

    def handle(self, **options):
        version = find_shop(options["shop"]).champion()
        if version is None:
            raise CommandError("no model serves yet; train one first")
        ids = list(batch_scoring.due(version).order_by("pk").values_list("pk", flat=True))
        made = 0
        for i in tqdm(
            range(0, len(ids), batch_scoring.SHARD),
            unit=" shards",
            disable=options["verbosity"] == 0 or None,
        ):
            shard = ids[i : i + batch_scoring.SHARD]
            made += batch_scoring.score_shard(version, shard[0], shard[-1])
        fresh, total = batch_scoring.counts(version)
        self.stdout.write(
            f"{made} lists made; {fresh} of {total} shoppers have a list by {version}"
        )
