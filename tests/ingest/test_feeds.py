"""Feeds by URL: pulled where they changed, within limits, never from the own network."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import pytest
from django.utils import timezone

from recommender import tasks
from recommender.ingest import feeds
from recommender.models import Feed, Product

FEED = """<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>{id}</g:id>
<g:title>Cup</g:title><g:image_link>https://shop.example/c.jpg</g:image_link></item></channel>
</rss>"""


class Handler(BaseHTTPRequestHandler):
    hidden = b""

    def do_GET(self) -> None:
        place = self.path.partition("?")[0]
        if place == "/feed.xml" and self.headers["if-none-match"] == '"v1"':
            self._reply(304)
        elif place == "/feed.xml":
            self._reply(200, FEED.format(id="cup").encode(), etag='"v1"')
        elif place == "/hidden.xml":
            self._reply(200, self.hidden)
        elif place == "/moved":
            self._reply(302, location="/feed.xml")
        elif place == "/inside":
            self._reply(302, location="http://10.1.2.3/feed.xml")
        elif place == "/around":
            self._reply(302, location="/around")
        elif place == "/large":
            self._reply(200, b"x" * 5000)
        else:
            self._reply(404)

    def _reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def site(settings):
    """The address of a server, in a network that the operator listed."""
    settings.VITRINE_WEBHOOK_NETWORKS = [ip_network("127.0.0.1/32")]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_feed_is_pulled_when_it_is_due_and_read_where_it_changed(site, shop):
    feed = Feed.objects.create(shop=shop, url=f"{site}/feed.xml", every_hours=6)
    tasks.pull_feeds()
    feed.refresh_from_db()
    assert Product.objects.get().item_id == "cup"
    assert feed.last_result == "1 products; 0 rejected"
    assert (feed.etag, feed.failures) == ('"v1"', 0)
    assert timedelta(hours=5) < feed.next_at - timezone.now() <= timedelta(hours=6)
    assert feeds.pull_due() == 0
    Feed.objects.update(next_at=timezone.now())
    assert feeds.pull_due() == 1
    feed.refresh_from_db()
    assert feed.last_result == "not changed since the last pull"


def test_redirects_are_followed(site, shop):
    feed = Feed.objects.create(shop=shop, url=f"{site}/moved")
    assert feeds.pull(feed).counts["products"] == 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("/inside", "lies in a private or reserved network"),
        ("/around", "redirects more than 5 times"),
        ("/none", "replies with the status 404"),
        ("/large", "has more than"),
    ],
)
def test_what_cannot_be_pulled_says_why_and_is_tried_again(site, shop, monkeypatch, place, words):
    monkeypatch.setattr(feeds, "LARGEST", 4000)
    feed = Feed.objects.create(shop=shop, url=site + place)
    assert feeds.pull(feed) is None
    assert words in feed.last_result
    assert feed.failures == 1
    assert feed.next_at - timezone.now() <= timedelta(minutes=10)
    assert not Product.objects.exists()


@pytest.mark.parametrize("url", ["https://127.0.0.1/feed.xml", "http://169.254.169.254/latest"])
def test_the_own_network_is_never_reached(shop, url):
    feed = Feed.objects.create(shop=shop, url=url)
    assert feeds.pull(feed) is None
    assert "private or reserved network" in feed.last_result


def test_a_pull_that_hides_the_whole_catalog_waits_for_a_person(site, shop):
    Product.objects.create(shop=shop, item_id="cup", title="Cup", stock_state="in_stock")
    gone = FEED.format(id="cup").replace(
        "</item>", "<g:availability>out of stock</g:availability></item>"
    )
    Handler.hidden = gone.encode()
    feed = Feed.objects.create(shop=shop, url=f"{site}/hidden.xml")
    assert feeds.pull(feed) is None
    assert "hides every product" in feed.last_result
    assert Product.objects.showable().exists()


def test_slow_feeds_are_stopped(site, shop, monkeypatch):
    monkeypatch.setattr(feeds, "SECONDS", -1.0)
    feed = Feed.objects.create(shop=shop, url=f"{site}/feed.xml")
    assert feeds.pull(feed) is None
    assert "takes longer than" in feed.last_result
