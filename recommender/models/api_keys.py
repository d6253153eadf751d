"""API keys: only their hash is stored."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned

PUBLIC_SCOPES = ("events:write", "recs:read", "search:read", "assist:write")
"""Scopes that a public key may have, which is visible in the shop's pages: events, lists of the
placements that it names, search, and questions to the service desk.
"""
PER_MINUTE = 60_000
PUBLIC_PER_MINUTE = 300
SCOPES = [
    "recs:read",
    "search:read",
    "assist:write",
    "events:read",
    "events:write",
    "events:delete",
    "catalog:read",
    "catalog:write",
    "reviews:read",
    "reviews:write",
    "support:read",
    "support:write",
    "users:read",
    "users:write",
    "training:read",
    "training:write",
    "models:read",
    "models:write",
    "analytics:read",
    "placements:read",
    "placements:write",
    "alerts:read",
    "webhooks:read",
    "webhooks:write",
    "purges:read",
    "purges:write",
    "keys:read",
    "keys:write",
    "admin",
]
WRITING_READS = frozenset({"users:read", "training:read", "models:read"})
"""Write scopes that include a read scope, because the read scope was added later."""


def hash_of(key: str) -> str:
    """SHA-256 of a key; keys are 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()


class ApiKeyQuerySet(ShopOwned):
    def issue(
        self,
        shop: Shop,
        name: str,
        scopes: list[str],
        days: int | None = None,
        public: bool = False,
        placements: Iterable[str] = (),
        per_minute: int | None = None,
        replaces: "ApiKey | None" = None,
        expires_by: datetime | None = None,
        search: bool = False,
        assist: bool = False,
    ) -> tuple["ApiKey", str]:
        """Create a key: the row and the secret, which is not stored and cannot be shown again.

        A public key can send events, request lists of `placements`, `search`, and `assist` (put
        questions to the service desk). expires_by: the latest expiry, whatever `days` says.
        """
        usual = PUBLIC_PER_MINUTE if public else PER_MINUTE
        secret = ("vp_" if public else "vt_") + secrets.token_urlsafe(32)
        expires = timezone.now() + timedelta(days=days) if days else None
        if expires_by is not None:
            expires = min(expires or expires_by, expires_by)
        row = self.create(
            shop=shop,
            name=name,
            prefix=secret[:8],
            hash=hash_of(secret),
            scopes=public_scopes(placements, search, assist) if public else scopes,
            placements=list(placements) if public else [],
            expires_at=expires,
            is_public=public,
            per_minute=usual if per_minute is None else per_minute,
            replaces=replaces,
        )
        return row, secret

    def find(self, secret: str) -> "ApiKey | None":
        return self.select_related("shop").filter(hash=hash_of(secret)).first()


def public_scopes(placements: Iterable[str], search: bool, assist: bool = False) -> list[str]:
    """The scopes of a public key that shows lists of these placements, and may search and put
    questions.
    """
    wanted = {"recs:read": bool(list(placements)), "search:read": search, "assist:write": assist}
    return [scope for scope in PUBLIC_SCOPES if wanted.get(scope, True)]


class ApiKey(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=8)
    hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=[(s, s) for s in SCOPES]))
    is_public = models.BooleanField(
        default=False,
        help_text="Stands in the shop’s pages, so it can send events, request lists of its "
        "placements, search and put questions where its scopes say so, and nothing else.",
    )
    placements = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="Of a public key: keys of the placements whose lists pages of the shop’s origins "
        "may request. None: it can only send events.",
    )
    per_minute = models.PositiveIntegerField(
        default=PER_MINUTE,
        help_text="Requests a minute; of a public key, from each address. 0: as many as come.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="successors",
        help_text="The key that this one was made for, by rotation.",
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def allows(self, scope: str) -> bool:
        if self.is_public:
            return scope in PUBLIC_SCOPES and scope in self.scopes
        return (
            scope in self.scopes
            or "admin" in self.scopes
            or (scope in WRITING_READS and scope.replace(":read", ":write") in self.scopes)
        )

    def rotate(
        self, overlap_days: int, days: int | None = None, expires_by: datetime | None = None
    ) -> tuple["ApiKey", str]:
        """The successor and its secret; this key expires after the overlap, or earlier if it
        already would.

        Without `days` the successor expires when this key would have. expires_by: the latest
        expiry, whatever `days` says.
        """
        ends = [at for at in (None if days else self.expires_at, expires_by) if at is not None]
        until = timezone.now() + timedelta(days=overlap_days)
        with transaction.atomic():
            successor, secret = ApiKey.objects.issue(
                self.shop,
                self.name,
                self.scopes,
                days,
                self.is_public,
                self.placements,
                self.per_minute,
                replaces=self,
                expires_by=min(ends, default=None),
                search="search:read" in self.scopes,
                assist="assist:write" in self.scopes,
            )
            self.expires_at = min(until, self.expires_at or until)
            self.save(update_fields=["expires_at"])
        return successor, secret

    def note_use(self) -> None:
        """Store the minute of the last use; at most one write per minute."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at > timedelta(minutes=1):
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)
