"""Intent of a message, by the champion of the recipe `intent`."""

import re
from functools import cached_property, lru_cache

from recommender.inference import intent_model
from recommender.inference.intent_model import Intent
from recommender.models import ModelVersion, Shop, SupportIntent
from recommender.serving.champions import readable_champion

_WORD = re.compile(r"\w+")
INTENT = "intent"
"""Purpose of the model versions that recognize intents, and the recipe."""


class ShopIntents:
    """The intents of a shop and the model that recognizes them, each read once at most. They are
    for one message, since both change.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    @cached_property
    def version(self) -> ModelVersion | None:
        """The champion; where it is broken, the version before it."""
        return readable_champion(self.shop, INTENT, intent_model.model_of)

    @cached_property
    def _rows(self) -> dict[str, tuple[str, dict[str, list[str]]]]:
        """(handling, examples by language) of each intent."""
        rows = self.shop.intents.values_list("key", "handling", "examples")
        return {key: (handling, examples) for key, handling, examples in rows}

    def handling(self, key: str) -> str:
        """How an intent is handled; one that only dialogues name is answered by templates."""
        return self._rows[key][0] if key in self._rows else SupportIntent.ANSWER

    def with_example(self, text: str) -> str | None:
        """The intent that has these words as an example, so that examples count before a
        training.
        """
        wanted = _folded(text)
        for key, (_, examples) in self._rows.items():
            for texts in examples.values():
                if wanted and any(_folded(one) == wanted for one in texts):
                    return key
        return None


def intent_of(intents: ShopIntents, text: str) -> Intent | None:
    """The intent of a message: that of an example with the same words, else by the champion; None
    without a model.
    """
    key = intents.with_example(text)
    if key is not None:
        return Intent(key, 1.0, in_scope=True)
    version = intents.version
    return None if version is None else intent_model.intents(version.folder, [text])[0]


@lru_cache(maxsize=10_000)
def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
