"""What the service desk must not show, and odd input."""

import pytest
from django.utils import timezone

from recommender.models import (
    Article,
    Conversation,
    Dialogue,
    HandoverReason,
    Message,
    Passage,
    Product,
    Review,
    Shopper,
)
from recommender.shoppers.erasure import erase, known_elsewhere
from recommender.support import handover
from recommender.support.answering import LONGEST_MEANT, Question, answer
from recommender.support.defaults import settings_of
from recommender.support.passages import update_passages


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)


def ask(shop, text, session_id="s1", **fields):
    return answer(shop, Question(text, session_id, **fields))


def test_messages_of_shoppers_are_not_quoted(desk_shop):
    text = "I wrote you that the zircon frobnicator broke when I opened it yesterday."
    Review.objects.create(shop=desk_shop, review_id="m", item_id="p", text=text, channel="message")
    update_passages(desk_shop)
    assert "zircon" not in ask(desk_shop, "does the zircon frobnicator break when opened").text


def test_the_question_of_a_dialogue_is_not_shown_to_others(desk_shop):
    Dialogue.objects.create(
        shop=desk_shop,
        dialogue_id="d",
        text="Can my lover John have a necklace engraved?",
        intent="",
        answer="Yes, we engrave necklaces.",
    )
    update_passages(desk_shop)
    made = ask(desk_shop, "can a necklace be engraved?")
    assert made.text == "Yes, we engrave necklaces." and made.sources[0]["title"] == ""
    assert "John" not in str(Message.objects.get(author="engine").sources)


def test_a_product_outside_its_dates_is_not_quoted(desk_shop):
    product = desk_shop.products.first()
    product.description, product.updated_at = "It floats on mercury and glows.", timezone.now()
    product.available_from = timezone.now() + timezone.timedelta(days=30)
    product.save()
    update_passages(desk_shop)
    question = "does it float on mercury and glow?"
    assert "mercury" not in ask(desk_shop, question).text
    assert "mercury" not in ask(desk_shop, question, "s2", item_id=product.item_id).text
    desk_shop.products.update(available_from=None, stock_state="out_of_stock")
    assert "mercury" in ask(desk_shop, question, "s3").text


def test_a_passage_without_a_vector_waits(desk_shop):
    product = desk_shop.products.first()
    product.description, product.updated_at = "It is made of bamboo.", timezone.now()
    product.save()
    update_passages(desk_shop)
    ask(desk_shop, "hello")
    Passage.objects.create(
        shop=desk_shop,
        kind="review",
        source_id="r",
        source_at=timezone.now(),
        item_id=product.item_id,
        position=0,
        text="What is it made of, who knows?",
    )
    from recommender.serving.shop_state import state_of
    from recommender.support.passage_index import PART

    state_of(desk_shop).parts[PART].mark(None)
    made = ask(desk_shop, "what is it made of?", "s2", item_id=product.item_id)
    assert made.sources[0]["quote"] == "It is made of bamboo."


def test_an_emptied_product_loses_its_passages_and_a_new_price_keeps_them(desk_shop):
    product = Product.objects.create(
        shop=desk_shop, item_id="z", title="Z", description="Waterproof to 100 meters."
    )
    update_passages(desk_shop)
    before = Passage.objects.get(source_id="z")
    Product.objects.filter(pk=product.pk).update(price=3, updated_at=timezone.now())
    assert update_passages(desk_shop) == 0
    assert Passage.objects.get(source_id="z").pk == before.pk
    assert update_passages(desk_shop) == 0
    Product.objects.filter(pk=product.pk).update(description="", updated_at=timezone.now())
    update_passages(desk_shop)
    assert not Passage.objects.filter(source_id="z").exists()


def test_follow_ups_stay_short(desk_shop):
    title = desk_shop.products.first().title
    ask(desk_shop, f"do you have {title}")
    for n in range(6):
        ask(desk_shop, f"and {'something longer ' * 20}{n}")
    lengths = [len(one.meant) for one in Message.objects.filter(author=Message.SHOPPER)]
    assert max(lengths) <= LONGEST_MEANT


def test_trials_wait_in_no_inbox(desk_shop):
    made = ask(desk_shop, "I want to talk to a real person", simulated=True)
    assert made.conversation.state == Conversation.HANDED_OVER
    assert not Conversation.objects.of(desk_shop).waiting().exists()


@pytest.mark.parametrize(
    "text, stored, is_blocked",
    [
        ("İİİİİİİİ badword now", "İİİİİİİİ *** now", True),
        ("hello, how long does delivery take", "hello, how long does delivery take", False),
        ("this is HELL", "this is ***", True),
        ("真是坏词啊", "真是***啊", True),
    ],
)
def test_blocked_words_are_whole_words(desk_shop, text, stored, is_blocked):
    settings = settings_of(desk_shop)
    settings.blocked_words = ["badword", "hell", "坏词"]
    settings.save()
    made = ask(desk_shop, text)
    assert (made.reason == HandoverReason.BLOCKED) == is_blocked
    assert Message.objects.get(author=Message.SHOPPER).text == stored


def test_a_conversation_of_a_browser_is_not_handed_to_whoever_signs_in(desk_shop):
    ask(desk_shop, "hello", user_id="u1")
    secret = ask(desk_shop, "hello").conversation
    assert ask(desk_shop, "hello", user_id="u2").conversation != secret
    alone = ask(desk_shop, "hello", "s2").conversation
    assert ask(desk_shop, "hello", "s2", user_id="u1").conversation == alone


def test_an_id_continues_a_conversation_of_its_session_alone(desk_shop):
    first = ask(desk_shop, "hello", by_session=False).conversation
    assert ask(desk_shop, "hello", by_session=False).conversation != first
    own = {"conversation_id": first.conversation_id, "by_session": False}
    assert ask(desk_shop, "hello", **own).conversation == first
    assert ask(desk_shop, "hello", "s2", **own).conversation != first
    handover.close(first)
    assert ask(desk_shop, "hello", **own).conversation != first


def test_two_workers_do_not_make_the_same_passages(desk_shop):
    import psycopg2
    from django.db import connection

    from recommender.support.passages import LOCK

    values = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    other = psycopg2.connect(**{name: values[name] for name in names if values.get(name)})
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK, desk_shop.pk])
        assert update_passages(desk_shop) is None
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, desk_shop.pk])
    other.close()
    assert update_passages(desk_shop) == 0


def test_an_erasure_finds_what_a_shopper_said_and_what_was_made_of_it(desk_shop):
    text = "The mercury float glows at night, which my cat Tibbles loves."
    Review.objects.create(shop=desk_shop, review_id="r", item_id="p", text=text, user_id="chat")
    Product.objects.create(shop=desk_shop, item_id="p", title="Float")
    update_passages(desk_shop)
    assert text in ask(desk_shop, "does the mercury float glow at night?", "other").text
    ask(desk_shop, "What is the capital of France?", "s9")
    own = ask(desk_shop, "May I bring a parrot?", "s9", user_id="chat").conversation
    adopted = handover.answer_as_person(own, None, "Parrots are welcome.")
    handover.adopt(adopted)
    intent = desk_shop.intents.get(key="refund")
    intent.examples["en"].append("May I bring a parrot?")
    intent.save()
    own.delete()
    ask(desk_shop, "May I bring a parrot?", "s9", user_id="chat")
    assert known_elsewhere(desk_shop, "chat") and not known_elsewhere(desk_shop, "nobody")
    erase(Shopper.objects.create(shop=desk_shop, user_id="chat"))
    assert not desk_shop.conversations.filter(session_id="s9").exists()
    assert not Dialogue.objects.exists() and not Passage.objects.exclude(kind="article").exists()
    intent.refresh_from_db()
    assert "May I bring a parrot?" not in intent.examples["en"]
    quoting = Message.objects.get(author="engine", conversation__session_id="other")
    assert "Tibbles" not in quoting.text + str(quoting.sources)
    assert Article.objects.exists()
