"""The tracker and the public key: events from pages, by CORS, batches, beacons; in a real
browser on a page of another origin.
"""

import gzip
import http.server
import threading
import time
from pathlib import Path

import pytest

from recommender.models import ApiKey, Event
from tests.console.test_in_a_browser import page  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
PAGE = """<!doctype html><title>A shop</title><body>
<script src="{base}/static/vitrine.js" data-key="{key}" data-user="shopper-003"
  data-view="{first}" {more}></script>
<div data-vitrine-list="{list}" data-vitrine-placement="home_top">
  <p data-vitrine-item="{first}"><a href="#one">one</a></p>
  <p data-vitrine-item="{second}" style="margin-top:3000px"><a href="#two">two</a></p>
</div></body>"""


@pytest.fixture
def public(shop):
    _, secret = ApiKey.objects.issue(shop, "pages", ["admin"], public=True)
    shop.origins = ["https://shop.example"]
    shop.save()
    return secret


def event(**fields):
    return {
        "event_id": "e-1",
        "type": "view",
        "user_id": "u",
        "item_id": "LA/0",
        "occurred_at": "2026-01-01T00:00:00Z",
        **fields,
    }


def test_the_tracker_is_small():
    assert len(gzip.compress((ROOT / "static/vitrine.js").read_bytes(), 9)) < 5000


def test_a_public_key_sends_events_and_nothing_else(stocked, api, public):
    assert public.startswith("vp_")
    assert api("post", "events", {"events": [event()]}, key=public).json()["accepted"] == 1
    for method, path in (
        ("post", "recommendations"),
        ("get", "items/LA%2F0"),
        ("delete", "users/u"),
        ("get", "models"),
        ("get", "analytics"),
    ):
        assert api(method, path, {} if method == "post" else None, key=public).status_code == 403
    ApiKey.objects.filter(is_public=True).update(scopes=["admin"])
    from recommender.api.http import key_cache

    key_cache.clear()
    assert api("get", "models", key=public).status_code == 403


def test_pages_of_the_shops_origins_may_call(stocked, client, public):
    preflight = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    reply = client.options("/api/v1/events", headers=preflight)
    assert (
        reply.status_code == 204
        and reply.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    )
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"]
    foreign = client.options(
        "/api/v1/events", headers={**preflight, "origin": "https://evil.example"}
    )
    assert "Access-Control-Allow-Origin" not in foreign.headers
    for origin, status in (("https://shop.example", 202), ("https://evil.example", 403)):
        reply = client.post(
            "/api/v1/events",
            {"events": [event()]},
            content_type="application/json",
            headers={"authorization": f"Bearer {public}", "origin": origin},
        )
        assert reply.status_code == status


def test_a_beacon_carries_its_key_in_the_body(stocked, client, api, public):
    import json

    def beacon(key, origin="https://shop.example", events=None):
        body = json.dumps({"key": key, "events": events or [event()]})
        return client.post(
            "/api/v1/collect",
            body,
            content_type="text/plain;charset=UTF-8",
            headers={"origin": origin},
        )

    assert beacon(public).json()["accepted"] == 1 and beacon(public).json()["duplicate"] == 1
    assert (
        beacon(api.key).status_code == 401
        and beacon("vp_wrong").status_code == 401
        and beacon(3).status_code == 400
    )
    assert beacon(public, "https://evil.example").status_code == 403
    assert Event.objects.filter(event_id="e-1").count() == 1


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/", "https://*", "javascript:x"]
)
def test_an_origin_is_checked_before_it_is_saved(shop, origin):
    from django.core.exceptions import ValidationError

    shop.origins = [origin]
    with pytest.raises(ValidationError):
        shop.full_clean()


@pytest.fixture
def other_origin():
    """other_origin(html) -> address of a page that another server serves."""
    pages = {}

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get("html", "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(html: str) -> str:
        pages["html"] = html
        return f"http://127.0.0.1:{server.server_port}"

    serve.origin = f"http://127.0.0.1:{server.server_port}"
    yield serve
    server.shutdown()


def until(check, seconds=15):
    deadline = time.monotonic() + seconds
    while not (result := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return result


@pytest.fixture
def on_a_page(transactional_db, live_shop, live_server, other_origin, page):  # noqa: F811
    """on_a_page(more attributes) -> the browser on a page of another origin with a list of two
    products.
    """
    _, key = ApiKey.objects.issue(live_shop, "pages", [], public=True)
    live_shop.origins = [other_origin.origin]
    live_shop.save()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def go(more=""):
        html = PAGE.format(
            base=live_server.url, key=key, first="LA/0", second="LA/1", list="r-1", more=more
        )
        page.goto(other_origin(html))
        return page

    yield go
    assert not errors


def kinds():
    return sorted(
        Event.objects.filter(
            session_id__startswith="s-",
            shopper__user_id="shopper-003",
            event_id__regex="^[0-9a-f-]{32,36}$",
        ).values_list("type", "product__item_id", "recommendation_id", "position"),
        key=str,
    )


def test_views_impressions_clicks_and_baskets_arrive(on_a_page):
    browser = on_a_page()
    assert until(lambda: ("impression", "LA/0", "r-1", 1) in kinds())
    browser.click("a[href='#one']")
    browser.evaluate("vitrine.basket('LA/1', { quantity: 2 })")
    wanted = {
        ("view", "LA/0", None, None),
        ("click", "LA/0", "r-1", 1),
        ("add_to_cart", "LA/1", None, None),
    }
    assert until(lambda: wanted <= set(kinds()))
    assert ("impression", "LA/1", "r-1", 2) not in kinds()
    browser.evaluate("scrollTo(0, 4000)")
    assert until(lambda: ("impression", "LA/1", "r-1", 2) in kinds())
    assert len(kinds()) == len(set(kinds()))


def test_what_waits_when_the_page_is_left_arrives_by_beacon(on_a_page):
    browser = on_a_page()
    assert until(kinds)
    browser.evaluate("vitrine.basket('LA/1')")
    browser.goto("about:blank")
    assert until(lambda: ("add_to_cart", "LA/1", None, None) in kinds())


def test_what_could_not_be_sent_is_sent_again_with_the_same_id(on_a_page):
    browser = on_a_page()
    assert until(kinds)
    browser.context.set_offline(True)
    browser.evaluate("vitrine.basket('LA/1'); vitrine.flush()")
    time.sleep(0.5)
    assert ("add_to_cart", "LA/1", None, None) not in kinds()
    browser.context.set_offline(False)
    browser.evaluate("vitrine.flush()")
    assert until(lambda: ("add_to_cart", "LA/1", None, None) in kinds())


def test_without_consent_nothing_is_sent_or_kept(on_a_page):
    browser = on_a_page('data-consent="ask"')
    browser.evaluate("vitrine.basket('LA/1'); vitrine.flush()")
    time.sleep(2.5)
    assert kinds() == [] and browser.evaluate("localStorage.getItem('vitrine')") is None
    browser.evaluate("vitrine.consent(true); vitrine.basket('LA/1'); vitrine.flush()")
    assert until(lambda: ("add_to_cart", "LA/1", None, None) in kinds())
