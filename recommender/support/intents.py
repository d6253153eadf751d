"""Intent of a message, by the champion of the recipe `intent`."""

import logging

from recommender.inference import intent_model
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.inference.intent_model import Intent
from recommender.models import Shop, SupportIntent

log = logging.getLogger(__name__)

INTENT = "intent"
"""Purpose of the model versions that recognize intents, and the recipe."""


def intent_of(shop: Shop, text: str) -> Intent | None:
    """The intent of a message; None without a model. Where the champion is broken, by the version
    before it.
    """
    version = shop.champion(INTENT)
    while version is not None:
        try:
            return intent_model.intents(version.folder, [text])[0]
        except BrokenCheckpoint as error:
            log.error("shop %s: %s cannot read messages: %s", shop.pk, version, error)
            version = version.previous()
    return None


def handling_of(shop: Shop, key: str) -> str:
    """How an intent is handled; one that only dialogues name is answered by templates."""
    found = shop.intents.filter(key=key).values_list("handling", flat=True).first()
    return found or SupportIntent.ANSWER
