"""The Python client that is made out of the OpenAPI schema, against a running server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder that holds vitrine_client."""
    folder, tools = tmp_path_factory.mktemp("client"), Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--file", folder / "openapi.yml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    command = [
        "openapi-python-client",
        "generate",
        "--path",
        folder / "openapi.yml",
        "--output-path",
        folder / "vitrine_client",
        "--meta",
        "none",
    ]
    done = subprocess.run(
        [tools / command[0], *command[1:]],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_client_asks_for_a_list_and_sends_an_event(
    package, transactional_db, live_shop, api, live_server, monkeypatch
):
    monkeypatch.syspath_prepend(str(package))
    from vitrine_client import AuthenticatedClient
    from vitrine_client.api.events import send_events
    from vitrine_client.api.recommendations import recommend
    from vitrine_client.models import EventsRequest, RecommendationRequest

    client = AuthenticatedClient(base_url=live_server.url, token=api.key)
    reply = recommend.sync(
        client=client,
        body=RecommendationRequest(placement="home_top", user_id="shopper-003", limit=3),
    )
    assert [item.position for item in reply.items] == [
        1,
        2,
        3,
    ] and reply.model_version == live_shop.champion().label
    event = {
        "event_id": "e-1",
        "type": "view",
        "user_id": "shopper-003",
        "item_id": reply.items[0].item_id,
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    sent = send_events.sync(client=client, body=EventsRequest.from_dict({"events": [event]}))
    assert (sent.accepted, sent.rejected) == (1, 0)
    assert (
        recommend.sync_detailed(
            client=client, body=RecommendationRequest(placement="none")
        ).status_code
        == 400
    )


def test_the_client_returns_errors_and_receipts_as_typed_values(
    package, transactional_db, live_shop, api, live_server, monkeypatch
):
    monkeypatch.syspath_prepend(str(package))
    from vitrine_client import AuthenticatedClient
    from vitrine_client.api.recommendations import recommend
    from vitrine_client.api.users import erase_user
    from vitrine_client.models import Erasure, Problem, RecommendationRequest

    client, stranger = (
        AuthenticatedClient(base_url=live_server.url, token=token) for token in (api.key, "wrong")
    )
    refused = recommend.sync(client=stranger, body=RecommendationRequest(placement="home_top"))
    assert isinstance(refused, Problem) and (refused.status, refused.detail) == (
        401,
        "This key is not known.",
    )
    wrong = recommend.sync(client=client, body=RecommendationRequest(placement="none"))
    assert isinstance(wrong, Problem) and wrong.errors[0].field == "placement"
    receipt = erase_user.sync("shopper-003", client=client)
    assert isinstance(receipt, Erasure) and receipt.receipt_id
