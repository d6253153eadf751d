"""Training runs, their metrics, and the registry of model versions."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from recommender.models.changes import Change
from recommender.models.shops import Shop, ShopOwned

FORGOTTEN_AFTER = timedelta(minutes=2)
SILENT_AFTER = timedelta(seconds=45)
USUAL_PRESET = "standard"
"""The default preset."""


class RunStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrainingRunQuerySet(ShopOwned):
    def active(self) -> "TrainingRunQuerySet":
        return self.filter(status__in=[RunStatus.QUEUED, RunStatus.RUNNING])

    def claim(self, pk: int) -> bool:
        """Claim a queued run, or a running one without heartbeat, for this worker.

        Of several claimants one wins.
        """
        now = timezone.now()
        free = models.Q(status=RunStatus.QUEUED) | models.Q(
            status=RunStatus.RUNNING, heartbeat_at__lt=now - SILENT_AFTER
        )
        taken = self.filter(free, pk=pk, cancel_requested=False)
        fields = {
            "status": RunStatus.RUNNING,
            "started_at": now,
            "heartbeat_at": now,
            "error": "",
            "progress": 0,
            "tries": models.F("tries") + 1,
        }
        return bool(taken.update(**fields))

    def forgotten(self) -> "TrainingRunQuerySet":
        """Queued runs while none is running: the queue must have lost their tasks."""
        if self.filter(status=RunStatus.RUNNING).exists():
            return self.none()
        return self.filter(status=RunStatus.QUEUED, queued_at__lt=timezone.now() - FORGOTTEN_AFTER)

    def silent(self) -> "TrainingRunQuerySet":
        """Running runs without a recent heartbeat: their worker must have died."""
        return self.filter(status=RunStatus.RUNNING, heartbeat_at__lt=timezone.now() - SILENT_AFTER)


class TrainingRun(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="runs")
    recipe = models.CharField(max_length=20, default="fusion")
    preset = models.CharField(max_length=20, default=USUAL_PRESET)
    overrides = models.JSONField(
        default=dict, blank=True, help_text="Fields that differ from the preset."
    )
    data_from = models.DateField(null=True, blank=True)
    data_to = models.DateField(null=True, blank=True)
    promote = models.CharField(max_length=12, default="if-better")
    then = models.JSONField(
        default=dict,
        blank=True,
        help_text="The run that is queued once this one has ended: its recipe and preset.",
    )
    follows = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="followers",
        help_text="The run after which this came.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    queued_at = models.DateTimeField(
        default=timezone.now,
        help_text="When it was queued last: at first, when it was resumed, or by itself.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=10, choices=RunStatus, default=RunStatus.QUEUED)
    cancel_requested = models.BooleanField(default=False)
    tries = models.PositiveSmallIntegerField(default=0, help_text="How many workers have taken it.")
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=30, blank=True, default="")
    progress = models.FloatField(default=0, help_text="0 to 1.")
    seconds_left = models.FloatField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    log_tail = models.TextField(blank=True, default="")
    snapshot_digest = models.CharField(max_length=80, blank=True, default="")
    counts = models.JSONField(default=dict, blank=True)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Run {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.status in (RunStatus.QUEUED, RunStatus.RUNNING)

    @property
    def folder_name(self) -> str:
        """The run's folder, relative to VITRINE_CHECKPOINTS."""
        return f"shop-{self.shop_id}/run-{self.pk}"

    @property
    def folder(self) -> Path:
        """The run's folder: its snapshot, state, log and checkpoint."""
        return settings.VITRINE_CHECKPOINTS / self.folder_name

    def beat(self, **fields) -> bool:
        """Store the heartbeat and progress of a running run; returns True where it should be
        canceled.
        """
        running = TrainingRun.objects.filter(pk=self.pk, status=RunStatus.RUNNING)
        running.update(heartbeat_at=timezone.now(), **fields)
        return not running.filter(cancel_requested=False).exists()

    def finish(self, status: str, error: str = "") -> bool:
        """End the run; returns False where it had ended already."""
        fields = {
            "status": status,
            "error": error,
            "finished_at": timezone.now(),
            "seconds_left": None,
        }
        if status == RunStatus.FINISHED:
            fields |= {"progress": 1, "stage": "Done"}
        return bool(TrainingRun.objects.active().filter(pk=self.pk).update(**fields))

    def requeue(self) -> bool:
        """Queue a run without heartbeat for another worker; of several callers one wins."""
        silent = TrainingRun.objects.silent().filter(
            pk=self.pk, heartbeat_at=self.heartbeat_at, cancel_requested=False
        )
        return bool(
            silent.update(status=RunStatus.QUEUED, queued_at=timezone.now(), heartbeat_at=None)
        )

    def request_resume(self) -> bool:
        """Queue an ended run again; it resumes from its state.

        Returns False where it finished or is active.
        """
        ended = TrainingRun.objects.filter(
            pk=self.pk, status__in=[RunStatus.FAILED, RunStatus.CANCELLED]
        )
        fields = {
            "status": RunStatus.QUEUED,
            "cancel_requested": False,
            "error": "",
            "finished_at": None,
            "heartbeat_at": None,
        }
        fields["queued_at"] = timezone.now()
        return bool(ended.update(**fields))

    def request_cancel(self) -> bool:
        """Cancel a run: at once while queued, else at the next heartbeat of its worker.

        Returns False where it had ended.
        """
        if TrainingRun.objects.filter(pk=self.pk, status=RunStatus.QUEUED).update(
            status=RunStatus.CANCELLED, cancel_requested=True, finished_at=timezone.now()
        ):
            return True
        return bool(TrainingRun.objects.active().filter(pk=self.pk).update(cancel_requested=True))


class MetricPoint(models.Model):
    """One value of a metric at a step of a run."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="points")
    name = models.CharField(max_length=40)
    step = models.IntegerField()
    value = models.FloatField()

    class Meta:
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name", "step"], name="one_value_per_step")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} at {self.step}"


class VersionStatus(models.TextChoices):
    CANDIDATE = "candidate"
    REFUSED = "refused", "Refused by gate"
    CHAMPION = "champion"
    RETIRED = "retired"


class ModelVersionQuerySet(ShopOwned):
    def champion(self, purpose: str = "ranking") -> "ModelVersion | None":
        """Of the versions of one shop, the one that serves this purpose, with its run."""
        serving = self.filter(purpose=purpose, status=VersionStatus.CHAMPION)
        return serving.select_related("run").first()

    def without_reports(self) -> "ModelVersionQuerySet":
        """Versions with what identifies and serves them; reports and logs, which are long, are read
        when they are used.
        """
        return self.only("shop", "number", "purpose", "status", "folder", "run", "run__recipe")

    def register(
        self, run: TrainingRun, folder: str, report: dict, purpose: str = "ranking"
    ) -> "ModelVersion":
        """Create a candidate model version from this run, with the shop's next version number.
        folder: checkpoint folder, relative to VITRINE_CHECKPOINTS.
        """
        with transaction.atomic():
            Shop.objects.select_for_update().get(pk=run.shop_id)
            last = self.filter(shop=run.shop_id).aggregate(last=models.Max("number"))["last"] or 0
            return self.create(
                shop=run.shop,
                number=last + 1,
                purpose=purpose,
                run=run,
                folder=folder,
                report=report,
            )


class ModelVersion(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    purpose = models.CharField(max_length=20, default="ranking")
    status = models.CharField(max_length=10, choices=VersionStatus, default=VersionStatus.CANDIDATE)
    run = models.OneToOneField(TrainingRun, models.PROTECT, related_name="version")
    folder = models.CharField(max_length=200, help_text="Below VITRINE_CHECKPOINTS.")
    report = models.JSONField(default=dict)
    gate_passed = models.BooleanField(null=True)
    gate_reason = models.TextField(blank=True, default="")
    score_shape = models.JSONField(
        default=dict,
        blank=True,
        help_text="How the best scores of its first stored lists were spread.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    promoted_at = models.DateTimeField(null=True, blank=True)
    promoted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "purpose"],
                condition=models.Q(status="champion"),
                name="one_champion_per_shop_and_purpose",
            ),
            models.UniqueConstraint(fields=["shop", "number"], name="version_number_once_a_shop"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"

    @property
    def label(self) -> str:
        """The name of the version in the API: `fusion@3`."""
        return f"{self.run.recipe}@{self.number}"

    @property
    def is_champion(self) -> bool:
        return self.status == VersionStatus.CHAMPION

    def promote(self, by=None) -> "ModelVersion":
        """Make this version the champion and invalidate caches, in one transaction."""
        with transaction.atomic():
            Shop.objects.select_for_update().get(pk=self.shop_id)
            same = ModelVersion.objects.filter(shop=self.shop_id, purpose=self.purpose)
            same.filter(status=VersionStatus.CHAMPION).exclude(pk=self.pk).update(
                status=VersionStatus.RETIRED
            )
            self.status = VersionStatus.CHAMPION
            self.promoted_at = timezone.now()
            self.promoted_by = by
            self.save(update_fields=["status", "promoted_at", "promoted_by"])
            Change.objects.create(shop_id=self.shop_id, kind=Change.CHAMPION, key=self.purpose)
        return self

    def previous(self) -> "ModelVersion | None":
        """The champion before this version was promoted, for a rollback."""
        served = ModelVersion.objects.filter(
            shop=self.shop_id, purpose=self.purpose, status=VersionStatus.RETIRED
        )
        return (
            served.filter(promoted_at__lt=self.promoted_at).order_by("-promoted_at").first()
            if self.promoted_at
            else None
        )

    def roll_back(self) -> "ModelVersion | None":
        """Make the champion before this one serve again; None where there is none.

        The earlier version keeps its promotion date, so that a second roll back goes one further.
        """
        with transaction.atomic():
            Shop.objects.select_for_update().get(pk=self.shop_id)
            self.refresh_from_db(fields=["status", "promoted_at"])
            earlier = self.previous() if self.is_champion else None
            if earlier is None:
                return None
            ModelVersion.objects.filter(pk=self.pk).update(status=VersionStatus.RETIRED)
            ModelVersion.objects.filter(pk=earlier.pk).update(status=VersionStatus.CHAMPION)
            Change.objects.create(shop_id=self.shop_id, kind=Change.CHAMPION, key=self.purpose)
        earlier.refresh_from_db()
        return earlier
