"""Conversations: the one of a session, its messages, and what a follow-up refers to."""

from datetime import timedelta
from itertools import pairwise

from django.db import transaction
from django.utils import timezone

from recommender.models import Conversation, Message, Shop

CONTINUES = timedelta(hours=12)
"""After so long without a message, a session begins another conversation."""
LONGEST_QUESTION = 2_000


def conversation_of(
    shop: Shop, session_id: str, user_id: str = "", simulated: bool = False
) -> Conversation:
    """The conversation of a session that is not closed, or a new one.

    A conversation of another user_id is not continued: somebody else uses the browser.
    """
    found = (
        Conversation.objects.of(shop)
        .filter(session_id=session_id, simulated=simulated)
        .exclude(state=Conversation.CLOSED)
        .order_by("-id")
        .first()
    )
    waiting = found is not None and found.state == Conversation.HANDED_OVER
    if (
        found is not None
        and (waiting or timezone.now() - found.last_at < CONTINUES)
        and found.user_id in ("", user_id)
    ):
        if user_id and not found.user_id:
            found.user_id = user_id
            found.save(update_fields=["user_id"])
        return found
    return Conversation.objects.create(
        shop=shop, session_id=session_id, user_id=user_id, simulated=simulated
    )


def add_message(conversation: Conversation, **fields) -> Message:
    """Add a message, and note its time in the conversation."""
    with transaction.atomic():
        message = Message.objects.create(conversation=conversation, **fields)
        conversation.last_at = message.created_at
        conversation.save(update_fields=["last_at", "language"])
    return message


def previous_exchange(conversation: Conversation) -> tuple[Message, Message] | None:
    """The latest question with its answer; None at the beginning."""
    latest = list(conversation.messages.order_by("-id")[:10])
    for answer, question in pairwise(latest):
        if answer.author == Message.ENGINE and question.author == Message.SHOPPER:
            return question, answer
    return None
