"""The console against the open net: wrong passwords, what a page may load, cookies."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def boss(db):
    return User.objects.create_superuser("boss", password="correct horse")


def sign_in(client, password: str, **more):
    return client.post(
        "/console/login/", {"username": "boss", "password": password, "next": "/console/"}, **more
    )


def test_after_five_wrong_passwords_the_right_one_waits(boss, client, settings):
    assert [sign_in(client, f"wrong {n}").status_code for n in range(4)] == [200] * 4
    assert sign_in(client, "wrong 5").status_code == 429
    locked = sign_in(client, "correct horse")
    assert locked.status_code == 429 and "quarter of an hour" in locked.content.decode()
    assert sign_in(client, "correct horse", REMOTE_ADDR="198.51.100.7").status_code == 302, (
        "from elsewhere one may"
    )
    assert client.post("/console/login/", {"username": "other", "password": "x"}).status_code == 200


def test_the_right_password_forgets_the_wrong_ones(boss, client):
    for _ in range(3):
        assert [sign_in(client, "wrong").status_code for _ in range(4)] == [200] * 4
        assert sign_in(client, "correct horse").status_code == 302
        client.logout()


@pytest.mark.parametrize(
    "page",
    [
        "/console/login/",
        "/console/s/tiny/",
        "/console/s/tiny/train/",
        "/console/s/tiny/preview/?user=shopper-003",
        "/console/django_celery_beat/periodictask/add/",
        "/console/recommender/product/",
        "/api/docs",
    ],
)
def test_pages_run_scripts_of_their_own_files_alone(live_shop, boss, client, page):
    if page != "/console/login/":
        client.force_login(boss)
    reply = client.get(page)
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";")
    )
    assert (
        reply.status_code == 200
        and policy["default-src"] == "'self'"
        and "unsafe-inline" not in policy["script-src"]
    )
    html = reply.content.decode()
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
        assert "src=" in attributes or "application/json" in attributes or not body.strip(), body[
            :200
        ]
    assert (
        not re.search(r"<[^>]+ on(click|change|submit|load|error)=", html)
        and "javascript:" not in html
    )


def test_a_reply_of_the_api_may_load_nothing(live_shop, api):
    reply = api("post", "recommendations", {"placement": "home_top"})
    assert reply.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(("https", "secure"), [("1", True), ("0", False), (None, True)])
def test_cookies_are_secure_unless_plain_http_is_asked_for(https, secure):
    code = """
import django; django.setup()
from django.conf import settings as s
print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY,
      s.SESSION_COOKIE_SAMESITE, s.SECURE_HSTS_SECONDS > 0)"""
    import os

    environment = {k: v for k, v in os.environ.items() if k != "VITRINE_HTTPS"} | (
        {"VITRINE_HTTPS": https} if https else {}
    )
    environment["DJANGO_SETTINGS_MODULE"] = "ecomsite.settings"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert printed == [str(secure), str(secure), "True", "Lax", str(secure)]


def test_a_browser_is_told_to_use_https_where_it_did(boss, client, settings):
    settings.SECURE_HSTS_SECONDS = 60
    assert "Strict-Transport-Security" not in client.get("/console/login/").headers
