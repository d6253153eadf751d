"""Handover of a conversation to a person: when, with which summary, and what the person does."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from recommender.infrastructure import task_queue
from recommender.models import (
    Conversation,
    Dialogue,
    HandoverReason,
    Message,
    Passage,
    Shop,
)
from recommender.models.opinions import Polarity
from recommender.models.webhooks import HANDED_OVER
from recommender.reviews import judging
from recommender.webhooks.messages import emit

UPSET_CLAUSES = 2
"""Negative clauses of one message, or negative messages in a row, that mean an upset shopper."""
UPSET_CONFIDENCE = 0.8
MOST_QUOTES = 4
LONGEST_QUOTE = 300
RAISED_VOICE = 12
"""Letters of a message in capitals only that count as shouting."""


def negative_clauses(shop: Shop, texts: Sequence[str]) -> dict[str, list[str]]:
    """The clauses of each text that are surely negative; none without a judge of opinions."""
    version = judging.judge_version(shop) if texts else None
    if version is None:
        return {text: [] for text in texts}
    judged = judging.judged(shop, version, texts)
    return {text: _surely_negative(text, rows) for text, rows in zip(texts, judged, strict=True)}


def _surely_negative(text: str, rows: list[dict[str, Any]]) -> list[str]:
    surely = [
        (row["begin"], row["end"])
        for row in rows
        if row["polarity"] == Polarity.NEGATIVE and row["confidence"] >= UPSET_CONFIDENCE
    ]
    return [text[begin:end] for begin, end in dict.fromkeys(surely)]


def is_upset(negative: list[str], text: str, previous_negative: Callable[[], bool]) -> bool:
    """True where the shopper is upset: several negative clauses, a negative message after
    another (`previous_negative`, read where it matters), or a negative one in capitals.
    """
    if not negative:
        return False
    shouts = text.isupper() and sum(c.isalpha() for c in text) >= RAISED_VOICE
    return shouts or len(negative) >= UPSET_CLAUSES or previous_negative()


def hand_over(
    conversation: Conversation, reason: str, negative: Mapping[str, list[str]] | None = None
) -> None:
    """Put a conversation into the inbox, with a summary of quotes.

    negative: negative clauses of messages that were judged before
    """
    conversation.state = Conversation.HANDED_OVER
    conversation.handover_reason = reason
    conversation.handed_over_at = timezone.now()
    conversation.summary = summary_of(conversation, negative or {})
    conversation.save(update_fields=["state", "handover_reason", "handed_over_at", "summary"])
    if not conversation.simulated:
        data = {
            "conversation_id": conversation.conversation_id,
            "reason": reason,
            "language": conversation.language,
            "summary": conversation.summary,
        }
        emit(conversation.shop, HANDED_OVER, data)


def summary_of(
    conversation: Conversation, negative: Mapping[str, list[str]]
) -> list[dict[str, Any]]:
    """Quotes of the shopper: the first message, negative clauses, and the last message."""
    said = list(conversation.messages.filter(author=Message.SHOPPER))
    quotes: dict[tuple[int, str], None] = {}
    if said:
        quotes[said[0].pk, said[0].text] = None
        latest = said[-MOST_QUOTES:]
        unread = [message.text for message in latest if message.text not in negative]
        clauses = {**negative, **negative_clauses(conversation.shop, unread)}
        for message in latest:
            for clause in clauses[message.text]:
                quotes[message.pk, clause] = None
        quotes[said[-1].pk, said[-1].text] = None
    chosen = [*quotes][: MOST_QUOTES - 1] + [*quotes][MOST_QUOTES - 1 :][-1:]
    return [{"message_id": f"msg-{pk}", "quote": text[:LONGEST_QUOTE]} for pk, text in chosen]


def answer_as_person(conversation: Conversation, person: Any, text: str) -> Message:
    """Add a person's answer, who takes the conversation over."""
    with transaction.atomic():
        locked = Conversation.objects.select_for_update().get(pk=conversation.pk)
        message = Message.objects.create(
            conversation=locked, author=Message.PERSON, person=person, text=text
        )
        locked.assigned_to, locked.last_at = person, message.created_at
        if locked.state == Conversation.OPEN:
            locked.state, locked.handed_over_at = Conversation.HANDED_OVER, timezone.now()
            locked.handover_reason = locked.handover_reason or HandoverReason.REQUESTED
        locked.save()
    return message


def close(conversation: Conversation) -> None:
    """Close a conversation; the next message of the session begins another one."""
    conversation.state, conversation.closed_at = Conversation.CLOSED, timezone.now()
    conversation.save(update_fields=["state", "closed_at"])


def adopt(message: Message) -> Dialogue | None:
    """Make a person's answer answer alike questions from now on: a solved dialogue of the
    question before it, from which passages and models learn. None where no question is before it.
    """
    conversation = message.conversation
    question = (
        conversation.messages.filter(author=Message.SHOPPER, pk__lt=message.pk)
        .order_by("-pk")
        .first()
    )
    if question is None:
        return None
    with transaction.atomic():
        dialogue, _ = Dialogue.objects.update_or_create(
            shop=conversation.shop,
            dialogue_id=message.adopted_id,
            defaults={
                "text": question.meant or question.text,
                "intent": "",
                "answer": message.text,
                "user_id": conversation.user_id,
                "updated_at": timezone.now(),
            },
        )
        Message.objects.filter(pk=message.pk).update(adopted=True)
        Message.objects.filter(pk=question.pk).update(unanswered=False)
        task_queue.enqueue("update_passages", conversation.shop_id, Passage.DIALOGUE)
    return dialogue
