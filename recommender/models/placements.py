"""Placements: spots in the shop that ask for lists."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction

from recommender.models.changes import Change
from recommender.models.registry import ModelVersion
from recommender.models.shops import SHARE, Shop, ShopOwned

USUAL = [
    ("home_top", "Home page, top", "personal", False),
    ("discover", "Home page, new to you", "personal", True),
    ("product_page", "Product page", "related", False),
    ("basket", "Basket", "basket", False),
    ("buy_again", "Buy again", "again", False),
    ("trending", "Sells well now", "trending", False),
    ("new_in", "New arrivals", "new", False),
]


def usual_chain() -> list[str]:
    return list(Placement.CHAIN)


class PlacementQuerySet(ShopOwned):
    def create_usual(self, shop: Shop) -> None:
        """Create the default placements; existing ones are left unchanged."""
        for key, name, kind, only_new in USUAL:
            self.get_or_create(
                shop=shop, key=key, defaults={"name": name, "kind": kind, "only_new": only_new}
            )


class Placement(models.Model):
    """A spot in the shop that asks for products; clients send only its key."""

    PERSONAL, RELATED, BASKET = "personal", "related", "basket"
    CONTENT, AGAIN, TRENDING, NEW = "content", "again", "trending", "new"
    KINDS = [
        (PERSONAL, "For one shopper"),
        (RELATED, "Like a product"),
        (BASKET, "Goes with a basket"),
        (CONTENT, "Similar text"),
        (AGAIN, "Buy again"),
        (TRENDING, "Sells well now"),
        (NEW, "New arrivals"),
    ]
    COUNTRY, OPENERS, POPULAR, NEWEST = "country", "openers", "popular", "new"
    CHAIN = (COUNTRY, OPENERS, POPULAR, NEWEST)
    SOURCES = [
        (COUNTRY, "Sells well in the shopper’s country"),
        (OPENERS, "What new shoppers begin with"),
        (POPULAR, "Sells well now"),
        (NEWEST, "New arrivals"),
    ]
    OF_PRODUCTS = (RELATED, BASKET)
    """Kinds that need the products of the page or the basket."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="placements")
    key = models.CharField(
        max_length=64,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "small letters, digits, - and _")],
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=KINDS, default=PERSONAL)
    size = models.PositiveSmallIntegerField(
        default=12, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    only_new = models.BooleanField(
        default=False, help_text="Only products that the shopper has not bought before."
    )

    tail_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Least percent of each list’s places for products outside the best-selling "
        "fifth. A version’s page tells what it costs.",
    )
    diversity = models.FloatField(
        default=0,
        validators=SHARE,
        help_text="0: the best first. Towards 1: less like each other, further from the best. 0.3 "
        "is a mild mix.",
    )
    version = models.ForeignKey(
        ModelVersion,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="model",
        help_text="The version that makes these lists. Empty: the champion, whichever it is.",
    )
    fallbacks = ArrayField(
        models.CharField(max_length=10, choices=SOURCES),
        default=usual_chain,
        blank=True,
        help_text="Where the list is filled from when the model has too little, in this order: "
        "country, openers (what newcomers begin with), popular, new. None: the list stays short.",
    )
    explore_percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text="Percent of the places for products drawn at random from the best: learns what "
        "lists never show. Their probabilities are stored.",
    )
    filter = models.TextField(
        blank=True,
        default="",
        help_text="Only products of which this is true, such as: price < 20 and not categories in "
        "('Sale'). Empty: all.",
    )
    filter_values = models.JSONField(
        default=dict,
        blank=True,
        help_text='Values of the filter’s :parameters where a request brings none, such as {"max": '
        "20}.",
    )

    rules = models.JSONField(
        default=list,
        blank=True,
        help_text="Merchandising rules of all its lists: pin, boost, bury, hide. Such as "
        '[{"effect": "boost", "filter": "brand = \'Alto\'", "factor": 2}].',
    )
    experiment = models.JSONField(
        default=dict,
        blank=True,
        help_text="The A/B test between models: its key and arms. Empty: none. REST sets it.",
    )

    objects = PlacementQuerySet.as_manager()

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "key"], name="placement_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.name

    def withdraw(self) -> None:
        """Delete the placement and invalidate caches."""
        with transaction.atomic():
            Change.objects.create(shop=self.shop, kind=Change.PLACEMENT, key=self.key)
            self.delete()

    def publish(self) -> None:
        """Save the placement and invalidate caches."""
        with transaction.atomic():
            self.save()
            Change.objects.create(shop=self.shop, kind=Change.PLACEMENT, key=self.key)
