"""A merchandiser's morning in a real browser: sign in, train, watch, promote, preview.

With a real worker on the test database.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect, sync_playwright

from tests.browser import LAUNCH
from tests.servers import environment_of_tests
from tests.tiny_models import CONFIG

# playwright's own loop runs in this thread, which Django would take for an asynchronous one
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def worker(transactional_db, checkpoints, tmp_path):
    """A Celery worker for every queue, on the test database."""
    environment = environment_of_tests(checkpoints)
    command = [
        Path(sys.executable).parent / "celery",
        "-A",
        "ecomsite",
        "worker",
        "-Q",
        "default,train,score",
        "-c",
        "2",
        "-l",
        "INFO",
    ]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [str(c) for c in command], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    yield process
    process.terminate()
    process.wait(30)


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**LAUNCH)
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def test_from_sign_in_to_a_shoppers_list(
    worker, stocked, live_server, page, tiny_encoder, settings
):
    settings.VITRINE_TRAINING_NAMES = frozenset({str(tiny_encoder)})
    User.objects.create_superuser("mia", password="correct horse")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{live_server.url}/console/")
    page.fill("[name=username]", "mia")
    page.fill("[name=password]", "correct horse")
    page.click("button[type=submit]")
    expect(page.locator(".v-sentence")).to_contain_text("shoppers see what is popular")

    page.locator("a[href$='/train/']:visible").first.click()
    page.locator("label", has_text="Quick").click()
    page.get_by_text("Ask me").click()
    page.get_by_text("Advanced").click()
    page.fill(
        "[name=advanced]",
        "\n".join(
            f"{name} = {value}" for name, value in {**CONFIG, "text.encoder": tiny_encoder}.items()
        ),
    )
    page.get_by_role("button", name="Start training").click()

    expect(page.locator("progress")).to_be_visible()
    expect(page.locator(".v-sentence")).to_contain_text("v1 is ready", timeout=180_000)
    expect(page.locator("#chart-loss canvas")).to_be_visible()
    page.get_by_role("link", name="Review v1").click()
    page.get_by_role("button", name="Promote v1").first.click()
    page.locator("dialog[open]").get_by_role("button", name="Promote v1").click()
    expect(page.get_by_text("v1 is live. Precomputed lists").first).to_be_visible()

    page.locator("a[href$='/preview/']:visible").first.click()
    page.fill("#user", "shopper-003")
    page.get_by_role("button", name="Find shopper").click()
    expect(page.locator(".v-sentence")).to_contain_text("v1 shows shopper-003 these 6 products")
    assert page.locator(".v-cards li").count() == 6
    page.locator(".v-card button").first.click()
    expect(page.get_by_text("Base score of every product").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New shopper").click()
    expect(page.locator(".v-sentence")).to_contain_text("A new shopper")
    assert errors == []
