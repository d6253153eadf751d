"""Grading by keyboard in a real browser: each key stores a grade and goes on."""

import os

from django.contrib.auth.models import User
from playwright.sync_api import expect

from recommender.models import Judgement
from tests.api.test_tracker import until
from tests.console.test_in_a_browser import page  # noqa: F401

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def test_keys_grade_and_move(transactional_db, live_shop, live_server, page):  # noqa: F811
    User.objects.create_superuser("mia", password="correct horse")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    path = "/console/s/tiny/search/grade/?q=red+lantern"
    page.goto(f"{live_server.url}/console/login/?next={path.replace('?', '%3F')}")
    page.fill("[name=username]", "mia")
    page.fill("[name=password]", "correct horse")
    page.click("button[type=submit]")
    page.goto(f"{live_server.url}{path}")
    rows = page.locator("#grades [data-item]")
    expect(rows.first).to_be_focused()
    page.keyboard.press("3")
    expect(rows.nth(1)).to_be_focused()
    pressed = rows.first.locator("[aria-pressed=true]")
    expect(pressed).to_have_text("3 perfect")
    page.keyboard.press("k")
    expect(rows.first).to_be_focused()
    page.keyboard.press("0")
    expect(pressed).to_have_text("0 wrong")
    assert until(lambda: Judgement.objects.filter(grade=0).count() == 1)
    assert Judgement.objects.get().item_id == rows.first.get_attribute("data-item")
    expect(page.locator("#left")).to_contain_text("are not graded yet")
    assert errors == []
