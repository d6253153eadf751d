"""Intent of a message, by the champion of the recipe `intent`."""

import re
from functools import lru_cache

from recommender.inference import intent_model
from recommender.inference.intent_model import Intent
from recommender.models import Shop, SupportIntent
from recommender.serving.champions import readable_champion

_WORD = re.compile(r"\w+")
INTENT = "intent"
"""Purpose of the model versions that recognize intents, and the recipe."""


def intent_of(shop: Shop, text: str) -> Intent | None:
    """The intent of a message: that of an example with the same words, else by the champion; None
    without a model. Where the champion is broken, by the version before it.
    """
    key = _exact(shop, text)
    if key is not None:
        return Intent(key, 1.0, in_scope=True)
    version = readable_champion(shop, INTENT, intent_model.model_of)
    return None if version is None else intent_model.intents(version.folder, [text])[0]


def _exact(shop: Shop, text: str) -> str | None:
    """The intent that has these words as an example, so that examples count before a training."""
    wanted = _folded(text)
    for key, examples in shop.intents.values_list("key", "examples"):
        for texts in examples.values():
            if wanted and any(_folded(one) == wanted for one in texts):
                return key
    return None


@lru_cache(maxsize=10_000)
def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def handling_of(shop: Shop, key: str) -> str:
    """How an intent is handled; one that only dialogues name is answered by templates."""
    found = shop.intents.filter(key=key).values_list("handling", flat=True).first()
    return found or SupportIntent.ANSWER
