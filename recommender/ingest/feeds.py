"""Feeds by URL: pulled where they changed, within limits of size and time, and imported.

Each address, that of a redirect too, has to lie outside the deployment's own network
(`webhooks.addresses`); the connection goes to the address that was checked.
"""

import tempfile
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
from django.db import transaction
from django.utils import timezone

from recommender.ingest.containers import FileError
from recommender.ingest.file_report import FileReport
from recommender.ingest.parsing import Parser
from recommender.ingest.shop_files import NeedsConsent, Wish, import_files
from recommender.models import Feed
from recommender.webhooks.addresses import PORTS, RefusedAddress, Target, resolve

LARGEST = 2 * 2**30
"""Bytes of a feed."""
SECONDS = 15 * 60.0
"""Time limit of a download."""
REPLY_SECONDS = 30.0
"""Time limit of the connection, and between two parts of the body."""
MOST_REDIRECTS = 5
CLAIM = timedelta(hours=1)
"""How long a pull keeps other workers from the same feed."""
MOVED = (301, 302, 303, 307, 308)


class PullError(ValueError):
    """A feed that cannot be pulled; the message says why."""


def pull_due(most: int = 20) -> int:
    """Pull feeds that are due, one after the other; returns their number."""
    pulled = 0
    while pulled < most and (feed := _claimed()) is not None:
        pull(feed)
        pulled += 1
    return pulled


def _claimed() -> Feed | None:
    """A feed that is due, kept from other workers."""
    with transaction.atomic():
        feed = Feed.objects.due().select_for_update(skip_locked=True).order_by("next_at").first()
        if feed is not None:
            feed.next_at = timezone.now() + CLAIM
            feed.save(update_fields=["next_at"])
        return feed


def pull(feed: Feed) -> FileReport | None:
    """Pull a feed now; its row holds the result. None where it did not change or failed."""
    shop = feed.shop
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _name(feed.url)
        try:
            validators = download(feed, path)
            if validators is None:
                feed.note("not changed since the last pull")
                return None
            parser = Parser(shop.zone, currency=shop.currency)
            report = import_files(shop, [path], parser, Wish())
        except NeedsConsent as error:
            feed.note(f"{error}: import it once by hand to agree", is_failure=True)
            return None
        except (PullError, FileError) as error:
            feed.note(str(error), is_failure=True)
            return None
    feed.etag, feed.last_modified = validators
    feed.note(_words(report))
    return report


def _name(url: str) -> str:
    """A name of a file for an address; the content says what it is."""
    name = Path(urlsplit(url).path).name or "feed"
    return name[-80:]


def _words(report: FileReport) -> str:
    counts = [f"{n:,} {kind}" for kind, n in report.counts.items() if n and kind != "events"]
    counts += [f"{n:,} {kind} events" for kind, n in report.counts["events"].items()]
    parts = [", ".join(counts) or "nothing", f"{report.rejected:,} rejected", *report.warnings]
    return "; ".join(parts)


def download(feed: Feed, path: Path) -> tuple[str, str] | None:
    """Download a feed into a file; returns its ETag and Last-Modified, None where it did not
    change. Raises PullError.
    """
    headers = {"user-agent": "Vitrine-Feeds/1", "accept-encoding": "gzip, identity"}
    if feed.etag:
        headers["if-none-match"] = feed.etag
    if feed.last_modified:
        headers["if-modified-since"] = feed.last_modified
    url, deadline = feed.url, time.monotonic() + SECONDS
    try:
        with httpx.Client(timeout=REPLY_SECONDS, trust_env=False, follow_redirects=False) as client:
            for _ in range(MOST_REDIRECTS + 1):
                reply = _get(client, resolve(url), headers)
                try:
                    if reply.status_code in MOVED and "location" in reply.headers:
                        url = urljoin(url, reply.headers["location"])
                        continue
                    return _saved(reply, path, deadline)
                finally:
                    reply.close()
    except RefusedAddress as error:
        raise PullError(f"the address {error}") from None
    except (OSError, httpx.HTTPError, UnicodeError) as error:
        raise PullError(f"{type(error).__name__}: {error}") from None
    raise PullError(f"redirects more than {MOST_REDIRECTS} times")


def _get(client: httpx.Client, target: Target, headers: dict[str, str]) -> httpx.Response:
    """The head of the reply of the first of the checked addresses that connects."""
    name = f"[{target.host}]" if ":" in target.host else target.host
    host = name if target.port == PORTS[target.scheme] else f"{name}:{target.port}"
    for ip in target.ips:
        place = f"[{ip}]" if ":" in ip else ip
        request = client.build_request(
            "GET",
            f"{target.scheme}://{place}:{target.port}{target.path}",
            headers={**headers, "host": host},
            extensions={"sni_hostname": target.host},
        )
        try:
            return client.send(request, stream=True)
        except httpx.ConnectError:
            if ip == target.ips[-1]:
                raise
    raise RefusedAddress("has no address")


def _saved(reply: httpx.Response, path: Path, deadline: float) -> tuple[str, str] | None:
    if reply.status_code == 304:
        return None
    if reply.status_code != 200:
        raise PullError(f"the address replies with the status {reply.status_code}")
    size = 0
    with path.open("wb") as file:
        for part in reply.iter_bytes(2**16):
            size += len(part)
            if size > LARGEST:
                raise PullError(f"has more than {LARGEST // 2**20:,} MB")
            if time.monotonic() > deadline:
                raise PullError(f"takes longer than {SECONDS / 60:g} minutes")
            file.write(part)
    return reply.headers.get("etag", "")[:500], reply.headers.get("last-modified", "")[:100]
