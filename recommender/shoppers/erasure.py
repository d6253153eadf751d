"""Erasure of a shopper everywhere: profile, events, lists, exposures, reviews, conversations,
caches, snapshots.
"""

import shutil

from django.db import transaction
from django.db.models import Q, QuerySet

from recommender.models import Change, Erasure, Message, Passage, Shop, Shopper, TrainingRun
from recommender.shoppers.keyed_cache import digest_of, forget_lists

ERASED_TEXT = "[erased]"
"""In place of an answer that quoted an erased shopper."""


def known_elsewhere(shop: Shop, user_id: str) -> bool:
    """True where something of a person without a profile is stored, such as a conversation."""
    own = {"user_id": user_id}
    rows = (shop.conversations, shop.reviews, shop.opinion_labels, shop.dialogues)
    return any(one.filter(**own).exists() for one in rows)


def erase(shopper: Shopper) -> Erasure:
    """Erase a shopper and store a receipt.

    Rows still on their way to the database are dropped, later snapshots leave the shopper out.
    """
    shop, user_id = shopper.shop, shopper.user_id
    digest = digest_of(shop.pk, user_id)
    with transaction.atomic():
        Shopper.objects.select_for_update().filter(pk=shopper.pk).first()
        anonymous, seen, searched = _of_own_sessions(shopper)
        own = ("events", "lists", "served", "queries")
        counts = {name: getattr(shopper, name).count() for name in own}
        counts["events"] += anonymous.count()
        counts["served"] += seen.count()
        counts["queries"] += searched.count()
        counts["conversations"] = _erase_conversations(shopper)
        _erase_quotes(shop, Passage.REVIEW, shop.reviews.filter(user_id=user_id), "review_id")
        for name in ("reviews", "opinion_labels"):
            written = getattr(shop, name).filter(user_id=user_id)
            counts[name] = written.count()
            written.delete()
        seen.delete()
        searched.delete()
        anonymous._raw_delete("default")
        shopper.events.all()._raw_delete("default")
        Shopper.objects.filter(pk=shopper.pk).delete()
        consents = {
            name: getattr(shopper, name) for name in ("consent_personalisation", "consent_training")
        }
        receipt = Erasure.objects.create(shop=shop, digest=digest, counts=counts, **consents)
    _forget_frozen(shop)
    _clear_caches(receipt)
    return receipt


def erase_some(shop: Shop, most: int = 200) -> int:
    """Erase shoppers of a shop, at most so many; returns their number."""
    shoppers = list(shop.shoppers.order_by("pk")[:most])
    for shopper in shoppers:
        erase(shopper)
    return len(shoppers)


def _of_own_sessions(shopper: Shopper) -> tuple[QuerySet, QuerySet, QuerySet]:
    """Anonymous events, exposures and searches of the sessions in which this shopper signed in."""
    own_sessions, shop = _own_sessions(shopper), shopper.shop
    return tuple(
        rows.filter(own_sessions, shopper=None) for rows in (shop.events, shop.served, shop.queries)
    )


def _own_sessions(shopper: Shopper) -> Q:
    """Rows of the sessions in which this shopper signed in."""
    signed_in = shopper.events.exclude(session_id=None).values("session_id")
    links = shopper.session_links.values("session_id")
    return Q(session_id__in=signed_in) | Q(session_id__in=links)


def _erase_conversations(shopper: Shopper) -> int:
    """Delete the conversations of this shopper with the service desk, those of their sessions
    before a sign-in, and what was made of them: adopted dialogues, and examples of intents; returns
    the number of conversations.
    """
    shop = shopper.shop
    named = shop.conversations.filter(user_id=shopper.user_id)
    own_sessions = _own_sessions(shopper) | Q(session_id__in=named.values("session_id"))
    own = shop.conversations.filter(Q(user_id=shopper.user_id) | own_sessions & Q(user_id=""))
    said = {text for pair in _texts_of(own) for text in pair}
    for intent in shop.intents.all():
        kept = {
            code: [t for t in texts if t not in said] for code, texts in intent.examples.items()
        }
        if kept != intent.examples:
            intent.examples = kept
            intent.save(update_fields=["examples"])
    answers = Message.objects.filter(conversation__in=own, adopted=True)
    adopted = Q(dialogue_id__in=[one.adopted_id for one in answers]) | Q(user_id=shopper.user_id)
    dialogues = shop.dialogues.filter(adopted)
    _erase_quotes(shop, Passage.DIALOGUE, dialogues, "dialogue_id")
    dialogues.delete()
    count = own.count()
    own.delete()
    return count


def _texts_of(conversations: QuerySet) -> QuerySet:
    messages = Message.objects.filter(conversation__in=conversations, author=Message.SHOPPER)
    return messages.values_list("text", "meant")


def _erase_quotes(shop: Shop, kind: str, sources: QuerySet, key: str) -> None:
    """Delete the passages of these sources, and their quotes in the answers to others."""
    ids = list(sources.values_list(key, flat=True))
    if not ids:
        return
    Passage.objects.filter(shop=shop, kind=kind, source_id__in=ids).delete()
    for source_id in ids:
        quoting = Message.objects.filter(
            conversation__shop=shop, sources__contains=[{"kind": kind, "id": source_id}]
        )
        quoting.update(text=ERASED_TEXT, sources=[])
    Change.objects.create(shop=shop, kind=Change.SUPPORT)


def finish_erasures() -> int:
    """Clear caches that were unreachable at the erasure; returns the number of finished
    receipts.
    """
    return sum(_clear_caches(receipt) for receipt in Erasure.objects.filter(caches_cleared=False))


def _clear_caches(receipt: Erasure) -> bool:
    cleared = forget_lists(receipt.shop_id, [receipt.digest])
    if cleared:
        receipt.caches_cleared = True
        receipt.save(update_fields=["caches_cleared"])
    return cleared


def _forget_frozen(shop: Shop) -> None:
    """Delete snapshots of stopped runs; a run without its snapshot starts from the beginning."""
    for run in TrainingRun.objects.of(shop).filter(status__in=["failed", "cancelled"]):
        for part in ("snapshot", "cache", "state"):
            shutil.rmtree(run.folder / part, ignore_errors=True)
