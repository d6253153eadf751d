"""Unanswered queue: questions without an answer that helped, alike ones together."""

from collections.abc import Collection
from dataclasses import dataclass

from recommender.inference import passage_encoder
from recommender.models import Message, Shop
from recommender.support.passages import answers_version

READ = 500
"""Newest unanswered questions that are put together."""


@dataclass(frozen=True)
class Cluster:
    """Alike questions. best: the one in the middle; messages: all, newest first."""

    best: Message
    messages: list[Message]

    @property
    def title(self) -> str:
        """The question in the middle, as the title of an article."""
        return (self.best.meant or self.best.text)[:300]


def waiting(shop: Shop):
    """The unanswered questions of a shop, newest first."""
    found = Message.objects.unanswered().filter(conversation__shop=shop)
    return found.select_related("conversation").order_by("-pk")


def clusters(shop: Shop) -> list[Cluster]:
    """The newest unanswered questions in clusters of alike ones, the largest first."""
    messages = list(waiting(shop)[:READ])
    version = answers_version(shop)
    texts = [message.meant or message.text for message in messages]
    labels = passage_encoder.clusters(version.folder if version else None, texts)
    members: dict[int, list[tuple[Message, float]]] = {}
    for message, (label, closeness) in zip(messages, labels, strict=True):
        members.setdefault(label, []).append((message, closeness))
    made = [
        Cluster(max(pairs, key=lambda pair: pair[1])[0], [message for message, _ in pairs])
        for pairs in members.values()
    ]
    return sorted(made, key=lambda one: (-len(one.messages), -one.best.pk))


def settle(shop: Shop, pks: Collection[int]) -> int:
    """Take these questions out of the queue; returns their number."""
    found = Message.objects.unanswered().filter(conversation__shop=shop, pk__in=pks)
    return found.update(unanswered=False)
