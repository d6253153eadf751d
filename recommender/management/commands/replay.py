"""Send simulated lists, impressions and clicks for imported purchases through REST."""

import http.client
import json
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.demo.traffic_simulation import replay, visits
from recommender.management.import_command import find_shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--shop")
        parser.add_argument(
            "--days", type=int, default=28, help="of purchases, back from the last one"
        )
        parser.add_argument("--url", help="of the site; default: the running demo's")
        parser.add_argument(
            "--key", help="with recs:read and events:write; default: the running demo's"
        )

    def handle(self, **options):
        if not 1 <= options["days"] <= 366:
            raise CommandError("--days: must be 1 to 366")
        shop = find_shop(options["shop"])
        url, key = _address(options)
        todo = visits(shop, options["days"])
        placements = set(shop.placements.values_list("key", flat=True))
        progress = tqdm(total=len(todo), unit=" visits", disable=options["verbosity"] == 0 or None)
        for done in replay(todo, placements, _sender(url, key)):
            progress.update(done - progress.n)
        progress.close()
        self.stdout.write(f"{len(todo)} visits replayed")


def _address(options: dict) -> tuple[str, str]:
    path = settings.VITRINE_HOME / "demo.json"
    demo = json.loads(path.read_text()) if path.exists() else {}
    url, key = options["url"] or demo.get("base_url"), options["key"] or demo.get("api_key")
    if not url or not key:
        raise CommandError("no demo runs here; name the site with --url and a key with --key")
    return url, key


def _sender(url: str, key: str):
    """send(path, body) over one connection, reopened where the server has closed it."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def send(path: str, body: dict) -> dict:
        for again in (True, False):
            try:
                connection.request("POST", f"{parts.path}/api/v1/{path}", json.dumps(body), headers)
                reply = connection.getresponse()
                answer = reply.read()
                break
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if not again:
                    raise CommandError(f"{url} does not answer: {error}") from None
        if reply.status >= 300:
            raise CommandError(f"{path}: {reply.status} {answer[:500].decode(errors='replace')}")
        return json.loads(answer)

    return send
