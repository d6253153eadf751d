"""The demo shop, in a real browser: it knows the REST API and nothing else, and what one does
in it changes its own lists.
"""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from recommender.infrastructure.web_server import server_command
from recommender.models import ApiKey, Event
from tests.api.test_tracker import until
from tests.console.test_in_a_browser import page  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def storefront(transactional_db, live_shop, live_server, tmp_path):
    """Its address; a server of its own beside the site's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    live_shop.placements.create_usual(live_shop)
    live_shop.origins = [address]
    live_shop.save()
    key_cache = {
        "VITRINE_KEY": ApiKey.objects.issue(live_shop, "s", ["recs:read", "catalog:read"])[1],
        "VITRINE_PUBLIC_KEY": ApiKey.objects.issue(live_shop, "p", [], public=True, search=True)[1],
    }
    command = server_command("ecomsite.storefront_rsgi:application", port)
    with (tmp_path / "storefront.log").open("wb") as log:
        # another home, so that its pages take the style sheets from the folder and not from a
        # collected one
        environment = {**os.environ, **key_cache, "VITRINE_URL": live_server.url, "DEBUG": "1"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(20)


def test_what_one_looks_at_changes_the_next_lists(storefront, page):  # noqa: F811
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda entry: (
            errors.append(entry.text) if "Content Security Policy" in entry.text else None
        ),
    )
    policy = page.goto(storefront).headers["content-security-policy"]
    assert "script-src 'self' http" in policy and "<script>" not in page.content()
    expect(page.locator("h1")).to_have_text("Come in and look around")
    before = (
        page.locator(".s-shelf")
        .first.locator("[data-vitrine-item]")
        .evaluate_all("all => all.map(e => e.dataset.vitrineItem)")
    )
    assert before and page.locator(".s-shelf h2").first.inner_text() == "For you"
    link = page.locator(".s-shelf").nth(1).locator("[data-vitrine-item] a").first
    title = link.locator(".s-title").inner_text()
    link.click()
    expect(page.locator("h1")).to_have_text(title)
    assert until(
        lambda: (
            Event.objects.filter(type="view").count() and Event.objects.filter(type="click").count()
        )
    )
    assert Event.objects.filter(type="click").get().recommendation_id
    page.get_by_role("button", name="Put in basket").click()
    expect(page.locator("h1")).to_have_text("Your basket")
    assert until(lambda: Event.objects.filter(type="add_to_cart").count())
    page.goto(storefront)
    expect(
        page.locator(".s-shelf h2", has_text=f"Because {title} is in your basket")
    ).to_be_visible()
    after = (
        page.locator(".s-shelf")
        .first.locator("[data-vitrine-item]")
        .evaluate_all("all => all.map(e => e.dataset.vitrineItem)")
    )
    assert after != before
    page.goto(f"{storefront}/basket")
    page.get_by_role("button", name="Buy").click()
    expect(page.locator("h1")).to_have_text("Thank you")
    assert until(
        lambda: Event.objects.filter(type="purchase", session_id__startswith="visit-").count()
    )
    assert not errors


def test_a_product_that_is_none_and_a_shop_that_is_closed(storefront, page, monkeypatch):  # noqa: F811
    page.goto(f"{storefront}/product/none/such")
    expect(page.locator("h1")).to_have_text("There is no such product")
    ApiKey.objects.all().delete()
    from recommender.api.http import key_cache

    key_cache.clear()
    assert page.goto(storefront).status == 503
    expect(page.locator("h1")).to_have_text("Closed for a moment")


def test_search_with_suggestions_facets_and_corrections(storefront, page, live_shop):  # noqa: F811
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda entry: problems.append(entry.text) if "Security Policy" in entry.text else None,
    )
    page.goto(storefront)
    box = page.get_by_role("combobox", name="Search products")
    box.press_sequentially("red lan")
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    assert box.get_attribute("aria-expanded") == "true"
    box.press("ArrowDown")
    assert options.first.get_attribute("aria-selected") == "true"
    assert box.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    box.press("Escape")
    expect(options.first).to_be_hidden()
    box.fill("red lantren")
    box.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("red lantern")
    expect(page.locator("#hints")).to_contain_text("Showing results for red lantern")
    first = page.locator("#goods li").first
    expect(first.locator("mark").first).to_have_text("red")
    page.goto(f"{storefront}/search?q=lantern")
    expect(page.get_by_role("status")).to_contain_text("products for")
    found = page.locator("#goods li").count()
    facet = page.get_by_role("checkbox").first
    facet.check()
    expect(page.locator("#goods li")).not_to_have_count(found)
    assert "price=" in page.url and page.locator("#goods li").count() < found
    page.evaluate("history.back()")  # in the page, so that it follows the page's own pushState
    expect(page.locator("#goods li")).to_have_count(found)
    page.get_by_label("Sort by").select_option("price")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    prices = page.locator("#goods .s-price").all_inner_texts()
    amounts = [float(price.split()[-1]) for price in prices if price]
    assert amounts == sorted(amounts)
    page.locator("#goods li a").first.click()
    assert until(lambda: Event.objects.filter(type="click").count())
    assert Event.objects.get(type="click").recommendation_id.startswith("q-")
    assert problems == []


def test_a_search_without_a_result_says_so(storefront, page):  # noqa: F811
    page.goto(f"{storefront}/search?q=%3Cscript%3E&price=900000-")
    expect(page.get_by_role("status")).to_contain_text("Nothing was found")
    expect(page.locator("#hello")).to_have_text("Search: <script>")
