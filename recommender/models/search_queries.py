"""Search queries: what shoppers searched for, how much was found; sets of queries to evaluate."""

from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from recommender.models.shoppers import Shopper
from recommender.models.shops import Shop, ShopOwned

RETENTION_DAYS = 120
LONGEST_QUERY = 512


class SearchQueryQuerySet(ShopOwned):
    def forget_old(self) -> int:
        """Delete queries past the attribution window; returns their number."""
        since = timezone.now() - timedelta(days=RETENTION_DAYS)
        return self.filter(created_at__lt=since).delete()[0]


class SearchQuery(models.Model):
    """One search that went out; its products are in the exposure log under the same id."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="queries", db_index=False)
    query_id = models.CharField(max_length=64)
    text = models.CharField(max_length=LONGEST_QUERY)
    normalized = models.CharField(
        max_length=LONGEST_QUERY, help_text="Folded, with single blanks: queries are counted by it."
    )
    corrected = models.CharField(max_length=LONGEST_QUERY, blank=True, default="")
    relaxed = models.BooleanField(default=False)
    filtered = models.BooleanField(default=False)
    first_position = models.PositiveIntegerField(default=1)
    total = models.PositiveIntegerField()
    shopper = models.ForeignKey(
        Shopper, models.CASCADE, null=True, blank=True, related_name="queries"
    )
    session_id = models.CharField(max_length=256, null=True, blank=True)
    weight = models.FloatField(
        default=1.0, help_text="Sampling weight: the number of searches that this row stands for."
    )
    simulated = models.BooleanField(default=False)
    took_ms = models.FloatField(default=0)
    created_at = models.DateTimeField()

    objects = SearchQueryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "search queries"
        indexes = [
            models.Index(fields=["shop", "created_at"], name="query_when"),
            models.Index(fields=["shop", "query_id"], name="query_by_id"),
            models.Index(
                fields=["shop", "session_id"],
                name="query_of_session",
                condition=models.Q(session_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.text


class EvaluationQuerySet(models.Model):
    """A query set: queries on which configurations of search are measured and graded."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="query_sets")
    name = models.CharField(max_length=100)
    origin = models.CharField(max_length=200, help_text="Where the queries come from.")
    queries = ArrayField(models.CharField(max_length=LONGEST_QUERY))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        verbose_name = "query set"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "name"], name="query_set_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.name
