"""Demo check: a personal list and a search by REST, and a console page of a signed-in user."""

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request

MISSPELT, SPELT = "wite lantren", "white lantern"
"""A query with two typing mistakes, and what is meant."""


class CheckFailed(RuntimeError):
    pass


def check(demo: dict) -> list[str]:
    """Smoke test of the running demo: request a personal list and a search by REST, and sign in to
    the console. Returns one line per check. Raises CheckFailed where one fails.
    """
    return [_personal_list(demo), _search(demo), _console_page(demo)]


def personal_list(demo: dict, user_id: str) -> dict:
    body = json.dumps({"placement": "home_top", "user_id": user_id, "limit": 12}).encode()
    headers = {"Authorization": f"Bearer {demo['api_key']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{demo['base_url']}/api/v1/recommendations", body, headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def _personal_list(demo: dict) -> str:
    user_id = demo["user_ids"][0]
    try:
        reply = personal_list(demo, user_id)
    except urllib.error.URLError as error:
        raise CheckFailed(f"no recommendations for {user_id}: {error}") from None
    if reply["fallback"]["used"] or not reply["model_version"] or not reply["items"]:
        raise CheckFailed(
            f"the list of {user_id} is not personal: {reply['fallback']}, "
            f"{reply['model_version']}, {len(reply['items'])} products"
        )
    return (
        f"{len(reply['items'])} products for {user_id} by {reply['model_version']} in "
        f"{reply['took_ms']} ms"
    )


def search(demo: dict, query: str) -> dict:
    body = json.dumps({"query": query, "limit": 12}).encode()
    headers = {"Authorization": f"Bearer {demo['api_key']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{demo['base_url']}/api/v1/search", body, headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def _search(demo: dict) -> str:
    try:
        reply = search(demo, MISSPELT)
    except urllib.error.URLError as error:
        raise CheckFailed(f"no search results: {error}") from None
    if not reply["hits"] or reply["corrected"] != SPELT:
        raise CheckFailed(
            f"a search for {MISSPELT} was read as {reply['corrected'] or reply['query']} and has "
            f"{len(reply['hits'])} hits"
        )
    return (
        f"{reply['total']} products for the query {MISSPELT}, read as {SPELT}, in "
        f"{reply['took_ms']} ms"
    )


def _sign_in_form(page: str, demo: dict) -> dict[str, str]:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if not token:
        raise CheckFailed("the sign-in page has no form")
    return {
        "csrfmiddlewaretoken": token[1],
        "username": demo["username"],
        "password": demo["password"],
        "next": f"/console/s/{demo['shop']}/",
    }


def _console_page(demo: dict) -> str:
    opener = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    login = f"{demo['base_url']}/console/login/?next=/console/s/{demo['shop']}/"
    page = opener.open(login, timeout=30).read().decode()
    form = urllib.parse.urlencode(_sign_in_form(page, demo)).encode()
    request = urllib.request.Request(login, form, {"Referer": login})
    with opener.open(request, timeout=30) as reply:
        body = reply.read().decode()
        if reply.status != 200 or "Log out" not in body:
            raise CheckFailed(f"signing in to the console led to {reply.url}")
    return f"console page {reply.url} as {demo['username']}"
