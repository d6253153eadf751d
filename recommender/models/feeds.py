"""Feeds by URL: files that a shop publishes, pulled on a schedule."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned

LONGEST_ERROR = 1000


class FeedQuerySet(ShopOwned):
    def due(self) -> "FeedQuerySet":
        """Active feeds whose next pull has come."""
        return self.filter(active=True, next_at__lte=timezone.now())


class Feed(models.Model):
    """An address from which a file is imported again and again, such as a Google feed."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="feeds")
    url = models.URLField(
        "address",
        max_length=1000,
        help_text="Over HTTPS, outside the deployment’s own network, such as "
        "https://shop.example/feed.xml.",
    )
    every_hours = models.PositiveSmallIntegerField(
        default=24, validators=[MinValueValidator(1), MaxValueValidator(24 * 28)]
    )
    active = models.BooleanField(default=True, help_text="Off: it is not pulled.")
    next_at = models.DateTimeField(default=timezone.now, editable=False)
    etag = models.CharField(max_length=500, blank=True, default="", editable=False)
    last_modified = models.CharField(max_length=100, blank=True, default="", editable=False)
    last_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_result = models.TextField(blank=True, default="", editable=False)
    failures = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="In a row; 0: the last pull was fine."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FeedQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["next_at"], name="feed_due", condition=models.Q(active=True))
        ]

    def __str__(self) -> str:
        return self.url.partition("?")[0]

    def note(self, result: str, is_failure: bool = False) -> None:
        """Store the result of a pull, and when the next one is due: sooner after a failure."""
        now = timezone.now()
        self.failures = self.failures + 1 if is_failure else 0
        wait = timedelta(hours=self.every_hours)
        if is_failure:
            wait = min(wait, timedelta(minutes=10 * 2 ** min(self.failures - 1, 6)))
        self.last_at, self.next_at = now, now + wait
        self.last_result = result[:LONGEST_ERROR]
        self.save()
