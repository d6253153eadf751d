"""Audit trail: an append-only record of who changed a shop's lists or access to them."""

from django.db import models
from django.utils import timezone

from recommender.models.api_keys import ApiKey
from recommender.models.shops import Shop, ShopOwned

AUTOMATIC = "automatically"


class AuditQuerySet(ShopOwned):
    def note(
        self,
        shop: Shop,
        actor: object,
        action: str,
        subject: str,
        before: str = "",
        after: str = "",
        detail: str = "",
    ) -> "AuditEntry":
        """Add an entry.

        actor: a person, an API key, the name of a command, or None for the system itself
        """
        return self.create(
            shop=shop,
            actor=actor_name(actor),
            action=action,
            subject=subject[:200],
            before=before[:200],
            after=after[:200],
            detail=detail[:1000],
        )


class AuditEntry(models.Model):
    """One entry. Names are stored as text, so that an entry outlives its actor and subject."""

    PROMOTED, ROLLED_BACK = "promoted", "rolled_back"
    STARTED, CANCELLED, RESUMED = "started", "cancelled", "resumed"
    ADDED, CHANGED, DELETED = "added", "changed", "deleted"
    ACTIONS = [
        (PROMOTED, "Promoted"),
        (ROLLED_BACK, "Rolled back"),
        (STARTED, "Started"),
        (CANCELLED, "Cancelled"),
        (RESUMED, "Resumed"),
        (ADDED, "Added"),
        (CHANGED, "Changed"),
        (DELETED, "Deleted"),
    ]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="audit")
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=12, choices=ACTIONS)
    subject = models.CharField(
        max_length=200, help_text="Such as: ranking, run 12, placement home_top."
    )
    before = models.CharField(max_length=200, blank=True, default="")
    after = models.CharField(max_length=200, blank=True, default="")
    detail = models.TextField(
        blank=True, default="", help_text="Such as the fields that were changed."
    )

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = "audit entry", "audit trail"
        ordering = ["-id"]
        indexes = [models.Index(fields=["shop", "-id"], name="audit_of_a_shop")]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.subject} by {self.actor}"


def person_of(actor: object) -> object | None:
    """The signed-in person; None for an API key and for the system itself."""
    return None if isinstance(actor, ApiKey | str) else actor


def actor_name(actor: object) -> str:
    if actor is None:
        return AUTOMATIC
    if isinstance(actor, str):
        return actor
    if isinstance(actor, ApiKey):
        return f"API key {actor}"
    return actor.get_full_name() or actor.get_username()
