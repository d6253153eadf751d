"""The chat corner in a real browser, on a page of another origin with a public key."""

import gzip
from pathlib import Path

import pytest

from recommender.models import ApiKey, Conversation, Message
from recommender.support import handover
from tests.api.test_tracker import other_origin, until  # noqa: F401
from tests.console.test_in_a_browser import page  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
PAGE = """<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>A shop</title>
<body><h1>A shop</h1>
<script src="{base}/static/vitrine-chat.js" data-key="{key}" data-session="visit-1"
  data-product="/p/ITEM" {more}></script></body></html>"""


def test_the_chat_is_small():
    assert len(gzip.compress((ROOT / "static/vitrine-chat.js").read_bytes(), 9)) <= 8 * 1024


@pytest.fixture
def chat(transactional_db, desk_shop, live_server, other_origin, page, monkeypatch):  # noqa: F811
    """chat(more attributes) -> the browser on a page with the chat corner."""
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    _, key = ApiKey.objects.issue(desk_shop, "pages", [], public=True, assist=True)
    desk_shop.origins = [other_origin.origin]
    desk_shop.save()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def go(more="", lang="en"):
        html = PAGE.format(base=live_server.url, key=key, more=more, lang=lang)
        page.goto(other_origin(html))
        return page

    yield go
    assert not errors


def test_a_question_is_answered_and_rated_by_keyboard(chat):
    browser = chat()
    browser.keyboard.press("Tab")
    browser.keyboard.press("Enter")
    browser.keyboard.type("when does your store in London open?")
    browser.keyboard.press("Enter")
    log = browser.get_by_role("log")
    log.get_by_text("Our store in London opens from 9 to 18").wait_for()
    assert log.get_by_role("link", name="Our store").get_attribute("href") == (
        "https://shop.example/store"
    )
    log.get_by_role("button", name="Yes").click()
    log.get_by_text("Thank you.").wait_for()
    assert Message.objects.get(author="engine").helped is True
    browser.keyboard.press("Escape")
    assert browser.get_by_role("dialog").count() == 0
    assert browser.evaluate(
        "document.querySelector('body > div').shadowRoot.activeElement.textContent"
    ) == ("Help")


def test_texts_are_shown_as_text(chat):
    browser = chat()
    browser.get_by_role("button", name="Help").click()
    browser.get_by_label("Your question").fill("<img src=x onerror=alert(1)> hello")
    browser.get_by_role("button", name="Send").click()
    browser.get_by_role("log").get_by_text("<img src=x onerror=alert(1)> hello").wait_for()


def test_a_persons_answer_arrives_and_the_conversation_outlives_a_change_of_page(
    chat, django_user_model
):
    browser = chat()
    browser.get_by_role("button", name="Help").click()
    browser.get_by_role("button", name="Talk to a person").click()
    log = browser.get_by_role("log")
    log.get_by_text("A colleague will answer you here.").wait_for()
    conversation = Conversation.objects.get()
    person = django_user_model.objects.create_user("ann")
    handover.answer_as_person(conversation, person, "Here I am.")
    log.get_by_text("Here I am.").wait_for()
    browser = chat()
    log = browser.get_by_role("log")
    log.get_by_text("Here I am.").wait_for()
    log.get_by_text("I want to talk to a person").wait_for()
    assert log.get_by_text("Here I am.").count() == 1


def test_the_chat_speaks_chinese_on_chinese_pages(chat):
    browser = chat(lang="zh-CN")
    browser.get_by_role("button", name="客服").click()
    browser.get_by_label("您的问题").fill("转人工")
    browser.get_by_role("button", name="发送").click()
    browser.get_by_role("log").get_by_text("人工客服会在这里回复您").wait_for()


def test_an_error_is_said_and_the_question_stays(chat, desk_shop):
    browser = chat()
    desk_shop.origins = []
    desk_shop.save()
    browser.get_by_role("button", name="Help").click()
    browser.get_by_label("Your question").fill("hello")
    browser.get_by_role("button", name="Send").click()
    browser.get_by_role("status").wait_for()
    assert browser.get_by_label("Your question").input_value() == "hello"
