"""Conversations: the one of a session, its messages, and what a follow-up refers to."""

from datetime import timedelta
from itertools import pairwise

from django.db import connection, transaction
from django.utils import timezone

from recommender.models import Conversation, Message, Shop

CONTINUES = timedelta(hours=12)
"""After so long without a message, a session begins another conversation."""
LONGEST_QUESTION = 2_000


def conversation_of(
    shop: Shop,
    session_id: str,
    user_id: str = "",
    simulated: bool = False,
    conversation_id: str = "",
    by_session: bool = True,
) -> tuple[Conversation, bool]:
    """The conversation that a message continues, or a new one; and whether it is new.

    It is the one with this id, or where `by_session` allows, the latest of the session. A
    conversation is not continued by another user_id: somebody else uses the browser.
    """
    rows = Conversation.objects.of(shop).filter(session_id=session_id, simulated=simulated)
    with transaction.atomic():
        _lock_session(shop, session_id)
        found = None
        if conversation_id:
            found = rows.filter(conversation_id=conversation_id).first()
        elif by_session:
            found = rows.exclude(state=Conversation.CLOSED).order_by("-id").first()
        if found is not None and _continues(found, user_id):
            if user_id and not found.user_id:
                found.user_id = user_id
                found.save(update_fields=["user_id"])
            return found, False
        made = Conversation.objects.create(
            shop=shop, session_id=session_id, user_id=user_id, simulated=simulated
        )
        return made, True


def _lock_session(shop: Shop, session_id: str) -> None:
    """Two messages of a session at once begin one conversation."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [session_id, shop.pk]
        )


def _continues(found: Conversation, user_id: str) -> bool:
    if found.state == Conversation.CLOSED:
        return False
    is_late = timezone.now() - found.last_at > CONTINUES
    if is_late and found.state != Conversation.HANDED_OVER:
        return False
    if found.user_id:
        return found.user_id == user_id
    others = Conversation.objects.filter(shop=found.shop_id, session_id=found.session_id)
    return not user_id or not others.exclude(user_id__in=["", user_id]).exists()


def add_exchange(conversation: Conversation, question: Message, answer: Message) -> None:
    """Add a question and its answer, and note their time in the conversation."""
    question.conversation = answer.conversation = conversation
    with transaction.atomic(savepoint=False):
        Message.objects.bulk_create([question, answer])
        conversation.last_at = answer.created_at
        conversation.save(update_fields=["last_at", "language"])


def previous_exchange(conversation: Conversation) -> tuple[Message, Message] | None:
    """The latest question with its answer; None at the beginning."""
    latest = list(conversation.messages.order_by("-id")[:10])
    for answer, question in pairwise(latest):
        if answer.author == Message.ENGINE and question.author == Message.SHOPPER:
            return question, answer
    return None
