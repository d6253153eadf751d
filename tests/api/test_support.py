"""Service desk by REST: answers, order tokens, feedback, conversations, articles."""

import time

import jwt
import pytest

from recommender.models import ApiKey, Article, Conversation, Message, Shop
from recommender.support.defaults import settings_of
from recommender.support.order_tokens import token_for
from tests.api.request_bodies import field_of

ORDER = {"order_id": "A-17", "status": "sent"}
STATUS = {"question": "where is my order", "session_id": "s1"}


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


@pytest.fixture
def page_key(desk_shop):
    desk_shop.origins = ["https://shop.example"]
    desk_shop.save()
    return ApiKey.objects.issue(desk_shop, "page", [], public=True, assist=True)[1]


def from_page(client, path, body, key, origin="https://shop.example"):
    headers = {"authorization": f"Bearer {key}"} | ({"origin": origin} if origin else {})
    return client.post(f"/api/v1/{path}", body, "application/json", headers=headers)


def token(shop, **claims):
    usual = {"exp": int(time.time()) + 600, "sub": "u1"}
    return token_for(settings_of(shop), ORDER, **{**usual, **claims})


def test_an_answer_names_its_sources(desk_shop, api):
    body = {"question": "when does your store in London open?", "session_id": "s1"}
    reply = api("post", "assist", body).json()
    assert reply["kind"] == "passages" and reply["handover"] is None
    assert reply["sources"][0]["url"] == "https://shop.example/store"
    assert reply["answer"].startswith(reply["sources"][0]["quote"])
    assert 0.5 < reply["confidence"] <= 1 and reply["language"] == "en"


def test_products_come_with_their_fields(desk_shop, api):
    title = desk_shop.products.first().title
    reply = api("post", "assist", {"question": f"do you have {title}?", "session_id": "s1"}).json()
    assert reply["kind"] == "products" and title in [p["item"]["title"] for p in reply["products"]]
    thread = api("get", f"assist/conversations/{reply['conversation_id']}").json()
    asked, shown = thread["messages"]
    assert not asked["products"] and shown["products"] == reply["products"]
    desk_shop.products.update(hidden=True)
    thread = api("get", f"assist/conversations/{reply['conversation_id']}").json()
    assert {one["item"] for one in thread["messages"][1]["products"]} == {None}
    assert reply["filters"] == [] or reply["filters"][0]["field"]


def test_a_handover_says_why(desk_shop, api):
    body = {"question": "I want to talk to a real person", "session_id": "s1"}
    reply = api("post", "assist", body).json()
    assert (reply["kind"], reply["handover"]) == ("handover", {"reason": "requested"})
    assert reply["sources"] == [] and reply["confidence"] is None
    body["question"] = "are you there?"
    assert api("post", "assist", body).json()["kind"] == "waiting"


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "question"),
        ({"question": "", "session_id": "s"}, "question"),
        ({"question": "x" * 2001, "session_id": "s"}, "question"),
        ({"question": 5, "session_id": "s"}, "question"),
        ({"question": "x\x00y", "session_id": "s"}, "question"),
        ({"question": "hello"}, "session_id"),
        ({"question": "hello", "session_id": 5}, "session_id"),
        ({"question": "hello", "session_id": "s", "mood": "good"}, "mood"),
        ({"question": "hello", "session_id": "s", "order": 5}, "order"),
        ({"question": "hello", "session_id": "s", "order": {"secret": 1}}, "order"),
        ({"question": "hello", "session_id": "s", "order": {"status": {"a": 1}}}, "order"),
        ({"question": "hello", "session_id": "s", "order": {"status": "x" * 301}}, "order"),
        (
            {"question": "hello", "session_id": "s", "order": {"tracking_url": "javascript:x"}},
            "order",
        ),
        ({"question": "hello", "session_id": "s", "order": "no.token.at-all"}, "order"),
        ({"question": "hello", "session_id": "s", "order": "\ud800"}, "order"),
        ({"question": "hello", "session_id": "s", "order": {"status": "a\x00b"}}, "order"),
        ({"question": "hello", "session_id": "s", "order": {"total": 10**400}}, "order"),
        ({"question": "hello", "session_id": "s", "conversation_id": 5}, "conversation_id"),
    ],
)
def test_bad_requests_name_their_field(desk_shop, api, body, field):
    reply = api("post", "assist", body)
    assert reply.status_code == 400 and field_of(reply) == field
    assert not Message.objects.exists()


def test_an_order_token_shows_the_order_to_its_shopper_alone(desk_shop, api):
    own = {**STATUS, "user_id": "u1", "order": token(desk_shop)}
    assert api("post", "assist", own).json()["answer"] == "Your order A-17 is: sent."
    session = {**STATUS, "order": token(desk_shop, sub=None, sid="s1")}
    settings = settings_of(desk_shop)
    session["order"] = token_for(settings, ORDER, exp=int(time.time()) + 60, sid="s1")
    session["session_id"] = "s1"
    assert api("post", "assist", session).json()["answer"] == "Your order A-17 is: sent."
    for change, message in (
        ({"user_id": "u2"}, "belongs to another shopper"),
        ({"user_id": None}, "belongs to another shopper"),
        ({"order": token(desk_shop, exp=int(time.time()) - 600)}, "the token has expired"),
        ({"order": token_for(settings, ORDER, exp=int(time.time()) + 60)}, "names no shopper"),
        ({"order": token_for(settings, ORDER, sub="u1")}, "no valid token"),
        (
            {"order": jwt.encode({"order": ORDER, "sub": "u1", "exp": 9e9}, "x" * 32, "HS256")},
            "no valid token",
        ),
        ({"order": jwt.encode({"sub": "u1", "exp": 9e9}, None, "none")}, "no valid token"),
    ):
        reply = api("post", "assist", own | change)
        assert reply.status_code == 400 and field_of(reply) == "order", change
        assert message in reply.json()["errors"][0]["message"], change


def test_an_order_token_of_another_shop_is_refused(desk_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    body = {**STATUS, "user_id": "u1", "order": token(other)}
    assert field_of(api("post", "assist", body)) == "order"


def test_a_public_key_puts_questions_of_the_shops_pages(desk_shop, client, page_key):
    reply = from_page(client, "assist", STATUS, page_key)
    assert reply.status_code == 200
    assert reply["Access-Control-Allow-Origin"] == "https://shop.example"
    for body, origin, status in (
        (STATUS, None, 403),
        (STATUS, "https://evil.example", 403),
        ({**STATUS, "user_id": "u1"}, "https://shop.example", 403),
        ({**STATUS, "order": ORDER}, "https://shop.example", 400),
    ):
        assert from_page(client, "assist", body, page_key, origin).status_code == status, body
    proven = {**STATUS, "session_id": "s9", "user_id": "u1", "order": token(desk_shop)}
    reply = from_page(client, "assist", proven, page_key).json()
    assert reply["answer"] == "Your order A-17 is: sent."
    thread = client.get(
        f"/api/v1/assist/conversations/{reply['conversation_id']}",
        headers={"authorization": f"Bearer {page_key}", "origin": "https://shop.example"},
    ).json()
    assert [message["author"] for message in thread["messages"]] == ["shopper", "engine"]
    assert "user_id" not in thread and "session_id" not in thread
    headers = {"authorization": f"Bearer {page_key}", "origin": "https://shop.example"}
    assert client.get("/api/v1/conversations", headers=headers).status_code == 403
    hello = {"question": "hello", "session_id": "s9"}
    again = from_page(client, "assist", hello, page_key).json()["conversation_id"]
    assert again != reply["conversation_id"], "a session can be guessed; an id cannot"
    own = {**hello, "conversation_id": again}
    assert from_page(client, "assist", own, page_key).json()["conversation_id"] == again
    trial = from_page(client, "assist", {**hello, "simulated": True}, page_key)
    assert trial.status_code == 403
    by_session = token_for(settings_of(desk_shop), ORDER, exp=int(time.time()) + 60, sid="s9")
    claimed = {**hello, "user_id": "victim", "order": by_session}
    assert field_of(from_page(client, "assist", claimed, page_key)) == "order"
    without = ApiKey.objects.issue(desk_shop, "p", [], public=True, search=True)[1]
    assert from_page(client, "assist", STATUS, without).status_code == 403


def test_messages_of_a_session_are_limited(desk_shop, api):
    settings = settings_of(desk_shop)
    settings.per_minute = 2
    settings.save()
    body = {"question": "hello", "session_id": f"s-{time.time()}"}
    replies = [api("post", "assist", body) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert int(replies[2]["Retry-After"]) > 0
    assert api("post", "assist", {**body, "session_id": "another"}).status_code == 200


def test_feedback_is_recorded_and_queues_what_did_not_help(desk_shop, api):
    body = {"question": "how long does delivery take", "session_id": "s1"}
    reply = api("post", "assist", body).json()
    given = {name: reply[name] for name in ("conversation_id", "message_id")}
    assert api("post", "assist:feedback", {**given, "helped": False}).status_code == 200
    assert Message.objects.get(author="engine").helped is False
    assert Message.objects.get(author="shopper").unanswered
    api("post", "assist:feedback", {**given, "helped": True})
    assert Message.objects.get(author="engine").helped is True
    assert not Message.objects.get(author="shopper").unanswered
    wrong = {**given, "message_id": "msg-0", "helped": True}
    assert field_of(api("post", "assist:feedback", wrong)) == "message_id"
    wrong = {**given, "conversation_id": "conv_x", "helped": True}
    assert api("post", "assist:feedback", wrong).status_code == 404


def test_a_help_desk_of_the_shop_answers_and_closes(desk_shop, api):
    body = {"question": "What is the capital of France?", "session_id": "s1"}
    one = api("post", "assist", body).json()["conversation_id"]
    listed = api("get", "conversations?state=handed_over").json()["items"]
    assert [row["conversation_id"] for row in listed] == [one]
    assert listed[0]["summary"][0]["quote"] == body["question"]
    assert listed[0]["handover"] == {"reason": "low_confidence"}
    reply = api("post", f"conversations/{one}/answer", {"text": "Paris."}).json()
    assert reply["messages"][-1]["author"] == "person"
    thread = api("get", f"assist/conversations/{one}").json()
    assert thread["messages"][-1]["text"] == "Paris." and thread["state"] == "handed_over"
    assert api("post", f"conversations/{one}/close").json()["state"] == "closed"
    assert api("post", f"conversations/{one}/answer", {"text": "x"}).status_code == 409
    assert api("post", "assist", body).json()["conversation_id"] != one
    assert api("get", "conversations?state=x").status_code == 400


def test_a_conversation_of_another_shop_is_not_found(desk_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    theirs = Conversation.objects.create(shop=other, session_id="s1").conversation_id
    for method, path, body in (
        ("get", f"assist/conversations/{theirs}", None),
        ("post", f"conversations/{theirs}/answer", {"text": "x"}),
        ("post", f"conversations/{theirs}/close", None),
    ):
        assert api(method, path, body).status_code == 404


def test_articles_are_stored_once_and_queued_for_passages(shop, api, queue):
    article = {"article_id": "a/1", "title": "Returns", "text": "Send it back."}
    body = api("post", "articles", {"articles": [article, {"article_id": "b"}, 5]}).json()
    assert (body["new"], body["rejected"]) == (1, 2)
    assert [r.get("error", {}).get("field") for r in body["results"]] == [None, "title", "article"]
    assert queue == [("update_passages", shop.pk, "article")]
    assert api("post", "articles", {"articles": [article]}).json()["same"] == 1
    dry = api("post", "articles?dry_run=true", {"articles": [{**article, "text": "No."}]}).json()
    assert dry["changed"] == 1 and Article.objects.get().text == "Send it back."
    wrong = {**article, "url": "ftp://x"}
    result = api("post", "articles", {"articles": [wrong]}).json()["results"][0]
    assert result["error"]["field"] == "url"
    stored = api("get", "articles/a/1").json()
    assert stored["passages"] == 0 and stored["title"] == "Returns"
    assert api("get", "articles").json()["items"] == [stored]
    assert api("delete", "articles/a/1").status_code == 204
    assert api("get", "articles/a/1").status_code == 404


def test_scopes_of_the_service_desk(shop, api):
    _, reader = ApiKey.objects.issue(shop, "reader", ["support:read"])
    assert api("get", "articles", key=reader).status_code == 200
    assert api("get", "conversations", key=reader).status_code == 200
    assert api("post", "articles", {"articles": []}, key=reader).status_code == 403
    assert api("post", "assist", STATUS, key=reader).status_code == 403
