"""A shop's own words for its search: languages, stop words, synonyms."""

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models, transaction

from recommender.models.changes import Change
from recommender.models.shops import Shop, ShopOwned

BRAND, CATEGORY, ATTRIBUTE, PRICE = INTENTS = ("brand", "category", "attribute", "price")
"""What a query may name, which then moves up products that fit."""
LONGEST_PHRASE = 100
MOST_PHRASES = 50


def known_languages() -> frozenset[str]:
    """Codes of languages, such as en and zh."""
    return frozenset(code.partition("-")[0] for code in LANG_INFO)


class TellsOfSearch(models.Model):
    """Rows whose writes invalidate the search settings that processes cache."""

    class Meta:
        abstract = True

    def save(self, *args, **kwargs) -> None:
        with transaction.atomic():
            super().save(*args, **kwargs)
            Change.objects.create(shop_id=self.shop_id, kind=Change.SEARCH)

    def delete(self, *args, **kwargs) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            Change.objects.create(shop_id=self.shop_id, kind=Change.SEARCH)
            return super().delete(*args, **kwargs)


class SearchSettings(TellsOfSearch):
    """Settings of a shop's search; a shop without a row has the defaults."""

    shop = models.OneToOneField(Shop, models.CASCADE, related_name="search_settings")
    languages = ArrayField(
        models.CharField(max_length=8),
        default=list,
        blank=True,
        help_text="Languages of the texts as codes with commas between (en, de, zh); the first one "
        "decides how words are stemmed. Empty: the language of most products, else English. A "
        "change rebuilds the index.",
    )
    stop_words = ArrayField(
        models.CharField(max_length=LONGEST_PHRASE),
        default=None,
        null=True,
        blank=True,
        help_text="Words that a product need not have, such as “for”, with commas between. Empty: "
        "the usual ones of the languages.",
    )

    not_understood = ArrayField(
        models.CharField(max_length=10, choices=[(kind, kind.capitalize()) for kind in INTENTS]),
        default=list,
        blank=True,
        help_text="Kinds of names in queries that move no products, with commas between: brand, "
        "category, attribute, price.",
    )

    cross_encoder_ms = models.PositiveSmallIntegerField(
        "cross-encoder, milliseconds",
        default=100,
        validators=[MaxValueValidator(5_000)],
        help_text="Time that the cross-encoder of the search champion may take for a search. Where "
        "it would take longer, it is skipped, and the reply says so. 0: off.",
    )

    class Meta:
        verbose_name_plural = "search settings"

    def __str__(self) -> str:
        return f"Search of {self.shop}"

    def clean(self) -> None:
        """Raises ValidationError where a language is none."""
        self.languages = [code.strip().lower() for code in self.languages or []]
        if unknown := [code for code in self.languages if code not in known_languages()]:
            raise ValidationError(
                {"languages": f"“{unknown[0]}” is not the code of a language, such as en, de or zh"}
            )

    @property
    def understood(self) -> tuple[str, ...]:
        """Kinds of names in queries that move products."""
        return tuple(kind for kind in INTENTS if kind not in self.not_understood)


class Synonym(TellsOfSearch):
    """Phrases that mean the same (two-way), or phrases that also find others (one-way)."""

    LIVE, PROPOSED, OFF = "live", "proposed", "off"
    STATES = [(LIVE, "Live"), (PROPOSED, "Proposed"), (OFF, "Off")]
    PERSON, BEHAVIOUR = "person", "behaviour"

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="synonyms")
    phrases = ArrayField(
        models.CharField(max_length=LONGEST_PHRASE),
        help_text="Words or phrases, with commas between: fridge, refrigerator.",
    )
    also_finds = ArrayField(
        models.CharField(max_length=LONGEST_PHRASE),
        default=list,
        blank=True,
        help_text="One-way: the phrases above also find these, but not the other way round. "
        "Empty: all of the above mean the same.",
    )
    state = models.CharField(max_length=8, choices=STATES, default=LIVE)
    origin = models.CharField(max_length=10, default=PERSON, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["phrases", "id"]

    def __str__(self) -> str:
        if self.also_finds:
            return f"{', '.join(self.phrases)} → {', '.join(self.also_finds)}"
        return " = ".join(self.phrases)

    def clean(self) -> None:
        """Raises ValidationError where the row says nothing."""
        for name in ("phrases", "also_finds"):
            phrases = [" ".join(phrase.split()) for phrase in getattr(self, name) or []]
            setattr(self, name, list(dict.fromkeys(phrase for phrase in phrases if phrase)))
            if len(getattr(self, name)) > MOST_PHRASES:
                raise ValidationError({name: f"at most {MOST_PHRASES} phrases"})
        if len(self.phrases) + len(self.also_finds) < 2:
            raise ValidationError({"phrases": "a synonym needs at least two phrases"})
