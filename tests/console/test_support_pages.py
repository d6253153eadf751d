"""Pages of the service desk: report, inbox, transcripts, queue, templates, intents, settings."""

import pytest
from django.urls import reverse

from recommender.models import (
    AnswerTemplate,
    Article,
    AuditEntry,
    Conversation,
    Dialogue,
    Message,
    Shop,
    SupportIntent,
    SupportSettings,
)
from recommender.support.answering import Question, answer
from recommender.support.defaults import settings_of
from recommender.support.feedback import note_helped

NAMES = (
    "support",
    "support_trial",
    "support_inbox",
    "support_transcripts",
    "support_unanswered",
    "support_templates",
    "support_intents",
    "support_articles",
    "support_settings",
)


def address(name: str, *parts, **query) -> str:
    return reverse(f"admin:{name}", args=["tiny", *parts], query=query)


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


@pytest.fixture
def talked(desk_shop):
    """The shop after an answer that helped, one that did not, and two handovers."""
    helped = answer(desk_shop, Question("how long does delivery take", "s1"))
    note_helped(helped.message, True)
    useless = answer(desk_shop, Question("how many days do I have to return something", "s2"))
    note_helped(useless.message, False)
    answer(desk_shop, Question("What is the capital of France? <script>", "s3"))
    answer(desk_shop, Question("I want to talk to a real person", "s4"))
    return desk_shop


def read(client, name: str, *parts, **query) -> str:
    reply = client.get(address(name, *parts, **query))
    assert reply.status_code == 200, name
    return reply.content.decode()


def test_pages_of_a_new_shop(shop, staff):
    for name in NAMES:
        read(staff, name)
    assert "No shopper has written so far" in read(staff, "support")
    assert settings_of(shop).shop == shop and SupportIntent.objects.of(shop).count() > 10


def test_the_weekly_report_counts_answers_handovers_and_time(talked, staff):
    page = read(staff, "support")
    assert "Questions this week: 4, 50% answered" in page
    assert "wait for a person: 2" in page and "4 min" in page


def test_home_says_what_waits(talked, staff, shop):
    page = read(staff, "home")
    assert "wait for a person; 2 unanswered questions" in page
    assert "Complaints" not in page


def test_texts_of_shoppers_are_escaped(talked, staff):
    for name in ("support_transcripts", "support_inbox", "support_unanswered"):
        page = read(staff, name)
        assert "capital of France? &lt;script&gt;" in page and "France? <script>" not in page


def test_a_person_answers_notes_and_closes(talked, staff, django_user_model):
    one = Conversation.objects.of(talked).waiting().first()
    assert "Waits since" in read(staff, "support_inbox")
    place = address("support_conversation", one.pk)
    assert staff.post(place, {"act": "answer", "text": ""}).status_code == 200
    assert staff.post(place, {"act": "answer", "text": "Paris, of course."}).status_code == 302
    staff.post(place, {"act": "note", "note": "asks for trivia"})
    one.refresh_from_db()
    said = one.messages.last()
    assert (said.author, said.text, said.person) == (
        Message.PERSON,
        "Paris, of course.",
        django_user_model.objects.get(username=one.assigned_to.username),
    )
    assert one.note == "asks for trivia" and one.state == Conversation.HANDED_OVER
    assert one not in Conversation.objects.of(talked).waiting()
    assert "Answered, not closed" in read(staff, "support_inbox")
    answer(talked, Question("and in Spain?", one.session_id))
    assert one in Conversation.objects.of(talked).waiting(), "the shopper has written again"
    staff.post(place, {"act": "close"})
    one.refresh_from_db()
    assert one.state == Conversation.CLOSED
    refused = staff.post(place, {"act": "answer", "text": "more"})
    assert "The conversation is closed." in refused.content.decode()


def test_an_adopted_answer_becomes_a_solved_dialogue(talked, staff):
    one = Conversation.objects.of(talked).get(session_id="s3")
    place = address("support_conversation", one.pk)
    staff.post(place, {"act": "answer", "text": "Paris."})
    answered = one.messages.get(author=Message.PERSON)
    staff.post(place, {"act": "adopt", "message": answered.pk})
    dialogue = Dialogue.objects.get(dialogue_id=answered.adopted_id)
    assert dialogue.text.startswith("What is the capital of France?")
    assert dialogue.answer == "Paris."
    assert not one.messages.filter(unanswered=True).exists()


@pytest.mark.parametrize("number", ["", "x", "²", "٣", "9" * 30])
def test_an_answer_that_does_not_exist_is_not_adopted(talked, staff, number):
    one = Conversation.objects.of(talked).first()
    body = {"act": "adopt", "message": number}
    assert staff.post(address("support_conversation", one.pk), body).status_code == 404


def test_trials_do_not_count_as_helped(talked, staff):
    trial = answer(talked, Question("how long does delivery take", "s9", simulated=True))
    note_helped(trial.message, True)
    page = read(staff, "support_templates")
    assert "1 of 1" in page and "2 of 2" not in page


def test_transcripts_are_filtered(talked, staff):
    assert "Conversations: 4" in read(staff, "support_transcripts")
    assert "Conversations: 1" in read(staff, "support_transcripts", q="capital")
    assert "Conversations: 1" in read(staff, "support_transcripts", reason="requested")
    assert "Conversations: 2" in read(staff, "support_transcripts", state="open")
    assert "Conversations: 4" in read(staff, "support_transcripts", state="x", reason="y")


def test_unanswered_questions_become_a_template(talked, staff):
    page = read(staff, "support_unanswered")
    assert "Questions without an answer that helped: 2." in page
    question = Message.objects.get(unanswered=True, conversation__session_id="s3")
    body = {"act": "template", "message": [question.pk], "intent": "Small talk", "text": "Paris."}
    assert staff.post(address("support_unanswered"), body).status_code == 302
    template = AnswerTemplate.objects.get(name="Small talk")
    assert template.intent.key == "small_talk"
    assert template.intent.examples["en"] == [question.text]
    assert template.versions.get().text == "Paris."
    question.refresh_from_db()
    assert not question.unanswered


def test_what_was_typed_stays_after_an_error(talked, staff):
    question = Message.objects.get(unanswered=True, conversation__session_id="s3")
    body = {"act": "template", "message": [question.pk], "intent": "Trivia", "text": "Yes {x}"}
    page = staff.post(address("support_unanswered"), body).content.decode()
    assert "{x} is no variable" in page and "Yes {x}</textarea>" in page and "Trivia" in page
    assert Message.objects.get(pk=question.pk).unanswered


def test_unanswered_questions_become_an_article(talked, staff, queue):
    question = Message.objects.get(unanswered=True, conversation__session_id="s3")
    body = {"act": "article", "message": [question.pk], "title": "France", "text": "Paris."}
    assert staff.post(address("support_unanswered"), body).status_code == 302
    assert Article.objects.get(title="France").text == "Paris."
    assert ("update_passages", talked.pk, "article") in queue
    body = {"act": "dismiss", "message": Message.objects.get(unanswered=True).pk}
    staff.post(address("support_unanswered"), body)
    assert "Every question has had an answer" in read(staff, "support_unanswered")


@pytest.mark.parametrize(
    "text, problem",
    [
        ("Hello {order.nosuch}", "{order.nosuch} is no variable"),
        ("Hello {policy.nosuch}", "{policy.nosuch} is no variable"),
        ("Hello {", "a brace { or } belongs to no variable"),
        ("", "write the answer first"),
    ],
)
def test_a_template_with_an_unknown_variable_is_refused(desk_shop, staff, text, problem):
    template = AnswerTemplate.objects.get(name="Returns")
    place = address("support_template", template.pk)
    body = {"act": "version", "language": "en", "text": text}
    assert problem in staff.post(place, body).content.decode()
    assert template.versions.filter(language="en").count() == 1


def test_a_template_gets_versions_an_owner_and_dates(desk_shop, staff):
    template = AnswerTemplate.objects.get(name="Returns")
    place = address("support_template", template.pk)
    body = {
        "act": "version",
        "language": "en",
        "text": "Within {policy.return_days} days.",
        "valid_from": "2026-01-01",
        "valid_until": "2025-01-01",
    }
    assert "is before valid from" in staff.post(place, body).content.decode()
    body["valid_until"] = "tomorrow"
    assert "is no date such as" in staff.post(place, body).content.decode()
    body["valid_until"] = ""
    assert staff.post(place, body).status_code == 302
    newest = template.versions.filter(language="en").first()
    assert newest.number == 2 and newest.created_by is not None
    owner = newest.created_by
    staff.post(place, {"act": "template", "owner": owner.pk, "intent": template.intent_id})
    template.refresh_from_db()
    assert template.owner == owner and not template.active
    assert AuditEntry.objects.filter(subject="Template Returns").count() == 2
    assert staff.post(address("support_template_delete", template.pk)).status_code == 302
    assert not AnswerTemplate.objects.filter(name="Returns").exists()


def test_a_new_template_with_a_new_intent(desk_shop, staff):
    body = {"name": "Dogs", "intent": "Dogs in shop", "language": "en", "text": "Dogs are welcome."}
    assert staff.post(address("support_templates"), body).status_code == 302
    assert desk_shop.intents.get(key="dogs_in_shop").templates.get().name == "Dogs"
    again = staff.post(address("support_templates"), body)
    assert "there is a template Dogs already" in again.content.decode()


def test_an_intent_is_changed(desk_shop, staff):
    one = desk_shop.intents.get(key="refund")
    body = {
        "pk": one.pk,
        "key": "refund",
        "name": "Refunds",
        "handling": "handover",
        "examples-en": "money back\n\nmoney back\nrefund me",
    }
    assert staff.post(address("support_intents"), body).status_code == 302
    one.refresh_from_db()
    assert (one.name, one.handling) == ("Refunds", "handover")
    assert one.examples["en"] == ["money back", "refund me"] and one.examples["zh"]
    wrong = staff.post(address("support_intents"), body | {"handling": "shout"})
    assert "Handling: " in wrong.content.decode()
    taken = staff.post(address("support_intents"), body | {"key": "payment"})
    assert "there is an intent payment already" in taken.content.decode()
    assert staff.post(address("support_intent_delete", one.pk)).status_code == 302


def test_an_article_is_written_changed_and_deleted(desk_shop, staff, queue):
    body = {"title": "Dogs", "text": "Dogs are welcome.", "url": "", "language": ""}
    assert staff.post(address("support_articles"), body).status_code == 302
    one = Article.objects.get(title="Dogs")
    body |= {"pk": one.pk, "text": "Dogs and cats.", "url": "javascript:alert(1)"}
    assert "must begin with https" in staff.post(address("support_articles"), body).content.decode()
    staff.post(address("support_articles"), body | {"url": "https://shop.example/dogs"})
    one.refresh_from_db()
    assert one.text == "Dogs and cats."
    assert staff.post(address("support_article_delete", one.pk)).status_code == 302
    assert queue.count(("update_passages", desk_shop.pk, "article")) == 3


def test_settings_are_saved_and_checked(desk_shop, staff):
    body = {
        "intent_threshold": "0.7",
        "passage_threshold": "0.4",
        "minutes_saved": "5",
        "keep_days": "30",
        "per_minute": "10",
        "languages": "en, zh",
        "policies": "return_days: 14\noffers: 10 % on lamps: today",
        "blocked_words": "fool\nfool",
    }
    place = address("support_settings")
    assert staff.post(place, body).status_code == 302
    saved = SupportSettings.objects.get(shop=desk_shop)
    assert saved.policies == {"return_days": "14", "offers": "10 % on lamps: today"}
    assert (saved.intent_threshold, saved.keep_days) == (0.7, 30)
    assert saved.languages == ["en", "zh"] and saved.blocked_words == ["fool"]
    for change, problem in (
        ({"intent_threshold": "2"}, "Intent threshold: "),
        ({"intent_threshold": "nan"}, "is not a number"),
        ({"policies": "no colon"}, "is not of the form name: value"),
        ({"languages": " "}, "name at least one"),
        ({"languages": "en, xx"}, "“xx” is not the code of a language"),
        ({"keep_days": "0"}, "Days kept: "),
    ):
        assert problem in staff.post(place, body | change).content.decode(), change
    kept = staff.post(place, body | {"policies": "no colon", "keep_days": "17"}).content.decode()
    assert "no colon</textarea>" in kept and 'value="17"' in kept
    assert SupportSettings.objects.get(shop=desk_shop).intent_threshold == 0.7
    secret = saved.order_secret
    staff.post(place, {"new_secret": "1"})
    assert SupportSettings.objects.get(shop=desk_shop).order_secret != secret


def test_a_trial_answers_and_counts_nowhere(desk_shop, staff):
    place = address("support_trial")
    page = staff.post(place, {"question": "how long does delivery take"}).content.decode()
    assert "Delivery takes 2 to 4 days." in page and "delivery_time, confidence" in page
    assert "write one first" in staff.post(place, {"question": " "}).content.decode()
    assert "No question this week" in read(staff, "support")
    before = Conversation.objects.get()
    staff.post(place, {"restart": "1"})
    staff.post(place, {"question": "hello"})
    assert Conversation.objects.exclude(pk=before.pk).count() == 1


def test_pages_show_rows_of_their_shop_alone(talked, staff):
    other = Shop.objects.create(key="other", name="Other")
    theirs = Conversation.objects.create(shop=other, session_id="x")
    settings_of(other)
    template = AnswerTemplate.objects.of(other).first()
    for name, pk in (
        ("support_conversation", theirs.pk),
        ("support_template", template.pk),
    ):
        assert staff.get(address(name, pk)).status_code == 404
    intent = SupportIntent.objects.of(other).first()
    for name, pk in (
        ("support_template_delete", template.pk),
        ("support_intent_delete", intent.pk),
    ):
        assert staff.post(address(name, pk)).status_code == 404
    theirs.messages.create(author=Message.SHOPPER, text="mine", unanswered=True)
    question = theirs.messages.get()
    body = {"act": "dismiss", "message": [question.pk]}
    staff.post(address("support_unanswered"), body)
    question.refresh_from_db()
    assert question.unanswered


def test_who_may_look_may_not_change(talked, client, django_user_model):
    from django.contrib.auth.models import Permission

    person = django_user_model.objects.create_user("eva", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    talked.people.add(person)
    client.force_login(person)
    for name in NAMES:
        assert client.get(address(name)).status_code == 200
        if name not in ("support", "support_inbox", "support_transcripts"):
            assert client.post(address(name), {"question": "x"}).status_code == 403, name
    assert talked.support_settings.order_secret not in read(client, "support_settings")
