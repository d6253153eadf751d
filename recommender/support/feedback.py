"""Whether an answer helped: templates are ranked by it, models learn from it, and what did not
help waits in the unanswered queue.
"""

from django.db import transaction

from recommender.models import Message


def note_helped(message: Message, helped: bool) -> None:
    """Record whether an answer of the engine helped; the last word counts."""
    question = (
        message.conversation.messages.filter(author=Message.SHOPPER, pk__lt=message.pk)
        .order_by("-pk")
        .first()
    )
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(helped=helped)
        if question is not None and not message.conversation.simulated:
            Message.objects.filter(pk=question.pk).update(unanswered=not helped)
