"""Products of a shop."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction

from recommender.models.changes import Change
from recommender.models.eligibility import OUT_OF_STOCK, RESTRICTED, eligible, price_in_force
from recommender.models.shops import Shop, ShopOwned


class ProductQuerySet(ShopOwned):
    def showable(self) -> "ProductQuerySet":
        """Products that may be shown now: the SQL form of eligibility."""
        return self.filter(eligible())

    def remove(
        self, shop: Shop, item_ids: Collection[str], unchanged_since: datetime | None = None
    ) -> list[str]:
        """Delete these products with their events and invalidate caches; returns the deleted ids.

        The rows are locked first, so that events and vectors written concurrently are deleted too,
        or find the product gone. unchanged_since: leave out products that were changed after it.
        """
        chosen = self.filter(shop=shop, item_id__in=item_ids)
        if unchanged_since is not None:
            chosen = chosen.filter(updated_at__lte=unchanged_since)
        with transaction.atomic():
            rows = list(chosen.order_by("pk").select_for_update().values_list("pk", "item_id"))
            self.filter(pk__in=[pk for pk, _ in rows]).delete()
            removed = [item_id for _, item_id in rows]
            if removed:
                Change.objects.tell_products(shop, removed)
        return removed


class Product(models.Model):
    IN_STOCK, UNKNOWN_STOCK = "in_stock", ""
    STOCK_STATES = [
        (IN_STOCK, "In stock"),
        (OUT_OF_STOCK, "Out of stock"),
        (UNKNOWN_STOCK, "Unknown"),
    ]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="products")
    item_id = models.CharField(max_length=256)
    title = models.TextField()
    description = models.TextField(blank=True, default="")
    brand = models.TextField(blank=True, default="")
    categories = ArrayField(
        models.TextField(),
        default=list,
        blank=True,
        help_text="Each a path: Home > Lighting > Lanterns",
    )
    price = models.DecimalField(
        max_digits=14, decimal_places=4, null=True, blank=True, help_text="The regular price."
    )
    sale_price = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Paid instead of the regular price between the dates of the sale.",
    )
    sale_from = models.DateTimeField(null=True, blank=True)
    sale_until = models.DateTimeField(null=True, blank=True)
    compare_at_price = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="An earlier or recommended price, struck through beside the price.",
    )
    attributes = models.JSONField(default=dict, blank=True)
    margin_rate = models.FloatField(
        null=True, blank=True, help_text="Share of the price that is profit, 0 to 1."
    )
    locale = models.CharField(
        max_length=35, blank=True, default="", help_text="Language of the texts, such as en-GB."
    )
    tags = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    images = ArrayField(models.TextField(), default=list, blank=True)
    url = models.CharField(
        max_length=2000,
        blank=True,
        default="",
        db_default="",
        help_text="The product’s page in the shop.",
    )
    gtin = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="EAN, UPC or ISBN, as text."
    )
    condition = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Such as new, refurbished, used.",
    )
    stock_state = models.CharField(
        max_length=12, choices=STOCK_STATES, blank=True, default=UNKNOWN_STOCK
    )
    stock_quantity = models.IntegerField(null=True, blank=True)
    available_from = models.DateTimeField(null=True, blank=True)
    available_until = models.DateTimeField(null=True, blank=True)
    variants = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="What can be bought, such as sizes: each with id, sku, gtin, other_ids, options, "
        "price, sale_price, compare_at_price, stock_state, stock_quantity, image, url.",
    )
    other_ids = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="Further ids of the product, such as its handle or the id of the platform.",
    )
    item_group_id = models.CharField(
        max_length=256,
        blank=True,
        default="",
        help_text="Joins variants, such as sizes of a shirt: a list shows one product of a group.",
    )
    published = models.BooleanField(
        default=True,
        db_default=True,
        help_text="The shop has it on sale; drafts and archived products are not.",
    )
    hidden = models.BooleanField(
        default=False, help_text="Never shown by lists and search, whatever the shop’s files say."
    )
    restricted = models.GeneratedField(
        expression=RESTRICTED,
        output_field=models.BooleanField(null=True),
        db_persist=True,
        help_text="May not be shown, ever or at times; others need no second look.",
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())
    updated_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ProductQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "item_id"], name="product_once_a_shop")
        ]
        indexes = [
            models.Index(
                fields=["shop", "item_id"],
                name="product_restricted",
                condition=models.Q(restricted=True),
            ),
            models.Index(
                fields=["shop", "item_id"],
                name="product_grouped",
                condition=~models.Q(item_group_id=""),
            ),
            models.Index(
                fields=["shop", "item_id"],
                name="product_with_variants",
                condition=~models.Q(variants=[]),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.item_id

    @property
    def price_in_force(self) -> Decimal | None:
        """What a shopper pays now."""
        return price_in_force(self.price, self.sale_price, self.sale_from, self.sale_until)


class ProductName(models.Model):
    """An id by which events, orders and requests may name a product; maintained by triggers.

    A name that several products have names none of them.
    """

    shop = models.ForeignKey(
        Shop, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    product = models.ForeignKey(Product, models.DO_NOTHING, related_name="+", db_constraint=False)
    name = models.TextField()
    variant_id = models.TextField(
        null=True, blank=True, help_text="The variant that has the name; empty: all of the product."
    )

    class Meta:
        indexes = [models.Index(fields=["shop", "name"], name="product_by_name")]

    def __str__(self) -> str:
        return self.name


class GoneProduct(models.Model):
    """The id of a deleted product, until it is created again; maintained by triggers.

    Precomputed lists made before the deletion leave it out.
    """

    shop = models.ForeignKey(
        Shop, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    item_id = models.CharField(max_length=256)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shop", "item_id"], name="gone_once_a_shop")]

    def __str__(self) -> str:
        return self.item_id
