"""The console's shell by keyboard and for screen readers, in a real browser: navigation,
tables, shops, account, skip link.
"""

import os

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect, sync_playwright

from recommender.models import Shop
from tests.browser import LAUNCH

os.environ.setdefault(
    "DJANGO_ALLOW_ASYNC_UNSAFE", "true"
)  # playwright's own loop runs in this thread


@pytest.fixture
def open_console(transactional_db, shop, live_server):
    """open_console(width) -> a page of somebody signed in, on Home."""
    Shop.objects.create(key="other", name="Other")
    User.objects.create_superuser("mia", password="correct horse", first_name="Mia")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)

        def opened(width: int):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(f"{live_server.url}/console/login/")
            page.fill("[name=username]", "mia")
            page.fill("[name=password]", "correct horse")
            page.click("button[type=submit]")
            expect(page.locator(".v-sentence")).to_be_visible()
            return page

        yield opened
        browser.close()


def tab_to(page, name: str, most: int = 60) -> None:
    """Press Tab until the control of this accessible name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        name_of_focus = page.evaluate(
            "(document.activeElement.getAttribute('aria-label') || "
            "document.activeElement.innerText || '').trim()"
        )
        if any(line.strip().startswith(name) for line in name_of_focus.splitlines()):
            return
    pytest.fail(f"{name} cannot be reached with Tab")


def test_tables_shops_account_and_theme_open_by_keyboard(open_console):
    page = open_console(1280)
    tab_to(page, "Choose a shop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="other")).to_be_visible()
    page.keyboard.press("Enter")
    tab_to(page, "Tables")
    tables = page.get_by_role("button", name="Tables", exact=True)
    expect(tables).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(tables).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("link", name="Products", exact=True)).to_be_visible()
    tab_to(page, "Account of Mia", most=80)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    tab_to(page, "Light", most=2)
    page.get_by_role("button", name="Dark", exact=True).focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Dark", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    assert "dark" in page.locator("html").get_attribute("class")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(page.get_by_role("button", name="Account of Mia")).to_be_focused()


def test_the_navigation_opens_by_keyboard_on_a_phone(open_console):
    page = open_console(390)
    expect(page.get_by_role("link", name="Train", exact=True)).to_be_hidden()
    tab_to(page, "Navigation")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Train", exact=True)).to_be_visible()
    page.get_by_role("button", name="Close navigation").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Train", exact=True)).to_be_hidden()


@pytest.mark.parametrize("path", ["s/tiny/", "recommender/product/", "recommender/placement/"])
def test_every_page_has_a_skip_link_one_main_and_icons_that_are_not_read(
    open_console, live_server, path
):
    page = open_console(1280)
    page.goto(f"{live_server.url}/console/{path}")
    page.keyboard.press("Tab")
    expect(page.locator(".v-skip")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    assert page.get_by_role("main").count() == 1
    snapshot = page.locator("body").aria_snapshot()
    for ligature in (
        "model_training",
        "deployed_code",
        "unfold_more",
        "chevron_right",
        "dock_to_right",
        "storefront",
        "person_search",
    ):
        assert ligature not in snapshot, ligature
    expect(page.get_by_role("link", name="Home", exact=True).first).to_be_visible()


def test_the_page_that_is_open_is_marked_for_screen_readers(open_console):
    page = open_console(1280)
    assert page.locator("#nav-sidebar a[aria-current=page]").inner_text().split()[-1] == "Home"
