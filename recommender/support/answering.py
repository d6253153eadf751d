"""Answers one message: by a template, by quoted passages, by products, or by a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import transaction

from recommender.inference.search_index import IndexNotReady
from recommender.ingest.masking import masked
from recommender.models import (
    Conversation,
    HandoverReason,
    Message,
    Passage,
    Product,
    Shop,
    SupportIntent,
    SupportSettings,
    TemplateVersion,
)
from recommender.models.eligibility import published
from recommender.reviews.languages import language_of
from recommender.search.requests import CODE, WORDS, SearchRequest
from recommender.search.search import search
from recommender.support import phrases
from recommender.support.conversations import (
    LONGEST_QUESTION,
    add_exchange,
    conversation_of,
    previous_exchange,
)
from recommender.support.defaults import settings_of
from recommender.support.handover import hand_over, is_upset, negative_clauses
from recommender.support.intents import Intent, ShopIntents, intent_of
from recommender.support.passages import train_first_models
from recommender.support.retrieval import Retrieved, blocked_pattern, retrieve
from recommender.support.templates import best_template, facts_of, has_template

PRODUCTS = 4
"""Products of one answer."""
MASK = "***"
LONGEST_MEANT = 500
"""Characters of a follow-up with what it refers to."""


@dataclass(frozen=True)
class Question:
    """A message of a shopper.

    order: facts of an order that is proven to be the shopper's
    conversation_id: which it continues; by_session: the session alone may say so, too
    """

    text: str
    session_id: str
    user_id: str = ""
    item_id: str = ""
    order: Mapping[str, Any] | None = None
    simulated: bool = False
    conversation_id: str = ""
    by_session: bool = True


@dataclass
class Answer:
    """What is answered.

    kind: one of Message.ANSWERS, or HANDOVER, or WAITING while a person answers
    confidence: probability that the answer is right
    sources: what the text is made of: templates and passages with their quotes; products
    filters: what a product query names besides its words, such as a price
    """

    kind: str
    text: str
    confidence: float | None = None
    intent: str = ""
    intent_confidence: float | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    filters: list[dict[str, Any]] = field(default_factory=list)
    is_matched: bool = False
    """Of products: some match all words of the query."""
    query: str = ""
    """Of products: what was searched for."""
    reason: str = ""
    version: TemplateVersion | None = None
    language: str = ""
    conversation: Conversation | None = None
    message: Message | None = None


@dataclass
class Reading:
    """What is known of a message before it is answered.

    text: with personal data and blocked words masked; meant: with what a follow-up refers to
    language: of the answer, one of the service desk's; found: detected
    """

    shop: Shop
    settings: SupportSettings
    conversation: Conversation
    question: Question
    text: str
    meant: str
    language: str
    found: str
    is_blocked: bool
    continues_products: bool = False
    previous: str = ""
    """The message before; empty at the beginning."""
    negative: dict[str, list[str]] = field(default_factory=dict)
    """Negative clauses of the messages that were judged."""

    def negative_clauses(self, text: str) -> list[str]:
        """The negative clauses of a message of the conversation, judged once."""
        if text not in self.negative:
            self.negative |= negative_clauses(self.shop, [text])
        return self.negative[text]

    @cached_property
    def intents(self) -> ShopIntents:
        return ShopIntents(self.shop)

    @cached_property
    def passages(self) -> Retrieved:
        """The passages for the message, retrieved once; `meant` does not change afterwards."""
        return retrieve(self.shop, self.meant, self.question.item_id, self.settings.blocked_words)


def answer(shop: Shop, question: Question) -> Answer:
    """Answer a message, and log both without personal data."""
    settings = settings_of(shop)
    conversation, is_new = conversation_of(
        shop,
        question.session_id,
        question.user_id,
        question.simulated,
        question.conversation_id,
        question.by_session,
    )
    before = None if is_new else previous_exchange(conversation)
    reading = _read(shop, settings, conversation, question, before)
    if conversation.state == Conversation.HANDED_OVER:
        made = Answer(
            Message.WAITING, phrases.sentence("waiting", reading.found or reading.language)
        )
    else:
        made = _answered(reading)
    return _logged(reading, made)


def _read(
    shop: Shop,
    settings: SupportSettings,
    conversation: Conversation,
    question: Question,
    before: tuple[Message, Message] | None,
) -> Reading:
    text = masked(question.text.strip()[:LONGEST_QUESTION])
    is_blocked = False
    for word in settings.blocked_words:
        text, count = blocked_pattern(word).subn(MASK, text)
        is_blocked = is_blocked or count > 0
    found = language_of(text)
    language = found if found in settings.languages else conversation.language
    language = language or settings.languages[0]
    conversation.language = language
    reading = Reading(
        shop,
        settings,
        conversation,
        question,
        text,
        text,
        language,
        found,
        is_blocked=is_blocked,
    )
    if before is not None and conversation.state == Conversation.OPEN:
        asked, answered = before
        reading.previous = asked.text
        if phrases.is_follow_up(text):
            reading.continues_products = answered.kind == Message.PRODUCTS
            joined = phrases.joined_query(asked.meant, text)
            joined = joined if reading.continues_products else f"{asked.text} {text}"
            reading.meant = joined[-LONGEST_MEANT:]
    return reading


def _answered(reading: Reading) -> Answer:
    """The answer of the first step that has one; a handover where none has."""
    if reading.is_blocked:
        return _handed_over(reading, HandoverReason.BLOCKED)
    if phrases.wants_person(reading.text):
        return _handed_over(reading, HandoverReason.REQUESTED)
    if phrases.is_foreign(reading.found, reading.text, reading.settings.languages):
        return _handed_over(reading, HandoverReason.LANGUAGE)
    if is_upset(
        reading.negative_clauses(reading.text),
        reading.text,
        lambda: bool(reading.negative_clauses(reading.previous)),
    ):
        return _handed_over(reading, HandoverReason.UPSET)
    intent = intent_of(reading.intents, reading.text)
    if intent is None or (intent.confidence == 1.0 and reading.intents.version is None):
        train_first_models(reading.shop)
    is_own = _is_sure(reading, intent) and not _shows_products(reading, intent)
    if reading.continues_products and not is_own:
        return _products(reading, None)
    if is_own:
        reading.meant = reading.text
    elif reading.meant != reading.text:
        intent = intent_of(reading.intents, reading.meant)
    is_sure = _is_sure(reading, intent)
    made = _by_intent(reading, intent) if is_sure else None
    made = made or _by_passages(reading)
    if made is None and not is_sure:
        made = _named_products(reading, intent)
    if made is None:
        reason = HandoverReason.LOW_CONFIDENCE
        if is_sure and has_template(reading.shop, intent.key, reading.language):
            reason = HandoverReason.MISSING_FACTS
        made = _handed_over(reading, reason)
    return _with_intent(made, intent)


def _is_sure(reading: Reading, intent: Intent | None) -> bool:
    least = reading.settings.intent_threshold
    return intent is not None and intent.in_scope and intent.confidence >= least


def _shows_products(reading: Reading, intent: Intent) -> bool:
    return reading.intents.handling(intent.key) == SupportIntent.PRODUCTS


def _by_intent(reading: Reading, intent: Intent) -> Answer | None:
    """The answer as the intent is handled; None where it has none."""
    handling = reading.intents.handling(intent.key)
    if handling == SupportIntent.HANDOVER:
        return _handed_over(reading, HandoverReason.INTENT)
    passages = _by_passages(reading)
    if handling == SupportIntent.ANSWER:
        made = _by_template(reading, intent.key, intent.confidence)
        is_better = passages is not None and passages.confidence > intent.confidence
        return passages if is_better else made
    made = _products(reading, intent.confidence)
    if passages is None:
        return made if made.sources else None
    is_better = made.is_matched and made.confidence >= passages.confidence
    return made if is_better else passages


def _with_intent(made: Answer, intent: Any) -> Answer:
    if intent is not None:
        made.intent, made.intent_confidence = intent.key, intent.confidence
    return made


def _by_template(reading: Reading, intent: str, confidence: float) -> Answer | None:
    facts = facts_of(reading.question.order, product_facts(reading), reading.settings)
    filled = best_template(reading.shop, intent, reading.language, facts)
    if filled is None:
        return None
    source = {
        "kind": "template",
        "id": f"template-{filled.version.template_id}",
        "title": filled.version.template.name,
        "version": filled.version.number,
        "quote": filled.text,
    }
    return Answer(
        Message.TEMPLATE,
        filled.text,
        confidence,
        sources=[source],
        version=filled.version,
    )


def product_facts(reading: Reading) -> dict[str, Any]:
    """Facts of the product that the shopper looks at, by the names of variables."""
    item_id = reading.question.item_id
    if not item_id:
        return {}
    product = Product.objects.filter(published(), shop=reading.shop, item_id=item_id).first()
    if product is None:
        return {}
    price = product.price_in_force
    facts = {
        "item_id": product.item_id,
        "title": product.title,
        "brand": product.brand,
        "availability": product.get_stock_state_display() if product.stock_state else "",
        "price": "" if price is None else f"{price:.2f} {reading.shop.currency}",
    }
    return facts | {f"attributes.{name}": value for name, value in product.attributes.items()}


def _by_passages(reading: Reading) -> Answer | None:
    found = reading.passages
    if not found.passages or found.confidence < reading.settings.passage_threshold:
        return None
    sources = [passage_source(one) for one in found.passages]
    text = "\n\n".join(source["quote"] for source in sources)
    return Answer(Message.PASSAGES, text, found.confidence, sources=sources)


def passage_source(passage: Passage) -> dict[str, Any]:
    """The source of a quoted passage."""
    return {
        "kind": passage.kind,
        "id": passage.source_id,
        # The question of a dialogue is another shopper's.
        "title": "" if passage.kind == Passage.DIALOGUE else passage.title,
        "quote": passage.text,
        "url": passage.url or None,
        "item_id": passage.item_id or None,
    }


def _products(reading: Reading, confidence: float | None) -> Answer:
    query = phrases.product_query(reading.meant)
    try:
        result = search(
            reading.shop,
            SearchRequest(
                query=query,
                limit=PRODUCTS,
                user_id=reading.question.user_id or None,
                session_id=reading.question.session_id,
                simulated=reading.question.simulated,
            ),
        )
    except IndexNotReady:
        return _handed_over(reading, HandoverReason.LOW_CONFIDENCE)
    if not result.hits:
        return Answer(
            Message.PRODUCTS,
            phrases.sentence("no_products", reading.found or reading.language),
            confidence,
        )
    sources = [
        {"kind": "product", "id": hit.item_id, "item_id": hit.item_id, "title": hit.title}
        for hit in result.hits
    ]
    text = phrases.sentence("products", reading.found or reading.language)
    made = Answer(Message.PRODUCTS, text, confidence, sources=sources, filters=result.understood)
    made.query = query
    has_all = any(hit.match in (CODE, WORDS) for hit in result.hits)
    made.is_matched = has_all and not result.relaxed
    return made


def _named_products(reading: Reading, intent: Intent | None) -> Answer | None:
    """Products where the message begins like a search, some match all of its words, and no other
    intent is likelier.
    """
    if intent is not None and not _shows_products(reading, intent):
        return None
    if not phrases.seeks_products(reading.text):
        return None
    made = _products(reading, None)
    return made if made.is_matched else None


def _handed_over(reading: Reading, reason: HandoverReason) -> Answer:
    text = phrases.sentence("handover", reading.found or reading.language)
    return Answer(Message.HANDOVER, text, reason=reason.value)


def _logged(reading: Reading, made: Answer) -> Answer:
    """Store the question and its answer; the conversation waits for a person after a handover."""
    conversation = reading.conversation
    made.conversation, made.language = conversation, reading.language
    unanswered = made.reason == HandoverReason.LOW_CONFIDENCE
    asked = Message(
        author=Message.SHOPPER,
        text=reading.text,
        meant=made.query or reading.meant,
        unanswered=unanswered and not reading.question.simulated,
        intent=made.intent,
        confidence=made.intent_confidence,
    )
    made.message = Message(
        author=Message.ENGINE,
        text=made.text,
        kind=made.kind,
        sources=made.sources,
        template_version=made.version,
        intent=made.intent,
        confidence=made.confidence,
    )
    with transaction.atomic():
        add_exchange(conversation, asked, made.message)
        if made.kind == Message.HANDOVER:
            hand_over(conversation, made.reason, reading.negative)
    return made
