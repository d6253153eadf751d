"""Serializers of training jobs, model versions and recipes."""

from collections.abc import Iterable

from django.db.models import prefetch_related_objects
from rest_framework import serializers

from recommender.api.http.listing import PageQuery, PageReply
from recommender.api.http.strict_fields import DayField, ObjectField, Since, StrictSerializer
from recommender.model_lifecycle import run_options
from recommender.models import MetricPoint, ModelVersion, TrainingRun
from recommender.models.registry import USUAL_PRESET, RunStatus, VersionStatus


class DataWindow(Since):
    from_ = DayField(required=False, allow_null=True)
    to = DayField(required=False, allow_null=True)


class TrainingJobRequest(StrictSerializer):
    recipe = serializers.CharField(default="fusion", max_length=20)
    preset = serializers.CharField(default=USUAL_PRESET, max_length=20)
    data = DataWindow(required=False)
    set = ObjectField(required=False, help_text="fields of the recipe, such as text.steps")
    promote = serializers.ChoiceField(
        run_options.PROMOTE,
        required=False,
        help_text="default: if-better, or ask where the key lacks models:write",
    )


class TrainingJobSerializer(serializers.ModelSerializer):
    """A training run. Built by `jobs_json`, which reads the metrics of all rows by one query."""

    job_id = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField()
    data = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields = [
            "job_id",
            "status",
            "recipe",
            "preset",
            "promote",
            "data",
            "stage",
            "progress",
            "seconds_left",
            "error",
            "created_at",
            "started_at",
            "finished_at",
            "version",
            "metrics",
            "links",
        ]

    def get_job_id(self, run) -> str:
        return f"job-{run.pk}"

    def get_version(self, run) -> str | None:
        version = getattr(run, "version", None)
        return version.label if version else None

    def get_data(self, run) -> dict:
        return {
            "from": run.data_from,
            "to": run.data_to,
            "counts": run.counts,
            "digest": run.snapshot_digest or None,
        }

    def get_metrics(self, run) -> dict:
        return self.context["metrics"].get(run.pk, {})

    def get_links(self, run) -> dict:
        base = f"/api/v1/training-jobs/job-{run.pk}"
        return {"self": base, "cancel": f"{base}/cancel", "resume": f"{base}/resume"}


def jobs_json(runs: Iterable[TrainingRun]) -> list[dict]:
    """Training runs as the REST API returns them, each with its version and last metrics."""
    runs = list(runs)
    prefetch_related_objects(runs, "version__run")
    points = MetricPoint.objects.filter(run__in=runs).order_by("run_id", "name", "-step")
    metrics: dict[int, dict[str, float]] = {}
    for point in points.distinct("run_id", "name"):
        metrics.setdefault(point.run_id, {})[point.name] = point.value
    return TrainingJobSerializer(runs, many=True, context={"metrics": metrics}).data


def job_json(run: TrainingRun) -> dict:
    return jobs_json([run])[0]


class TrainingJobsQuery(PageQuery):
    status = serializers.ChoiceField(
        RunStatus.choices, required=False, help_text="only jobs with this status"
    )
    recipe = serializers.CharField(
        required=False, max_length=20, help_text="only jobs of this recipe"
    )


class ModelVersionSerializer(serializers.ModelSerializer):
    model_version = serializers.CharField(source="label")
    id = serializers.IntegerField(source="number")
    job_id = serializers.SerializerMethodField()
    gate = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "model_version",
            "purpose",
            "status",
            "job_id",
            "created_at",
            "promoted_at",
            "gate",
            "metrics",
        ]

    def get_job_id(self, version) -> str:
        return f"job-{version.run_id}"

    def get_gate(self, version) -> dict:
        return {"passed": version.gate_passed, "reason": version.gate_reason}

    def get_metrics(self, version) -> dict:
        """Systems with their measures, by part of the report; a report without parts has them
        under `test`.
        """
        metrics = {
            part: part_report["systems"]
            for part in ("all", "discovery", "new", "old")
            if (part_report := version.report.get(part))
        }
        return metrics or {"test": version.report.get("systems", {})}


class RollbackRequest(StrictSerializer):
    purpose = serializers.CharField(default="ranking", max_length=20)


class ModelsQuery(PageQuery):
    purpose = serializers.CharField(
        required=False,
        max_length=20,
        help_text="only versions for this, such as ranking, encoder, behaviour",
    )
    status = serializers.ChoiceField(
        VersionStatus.choices, required=False, help_text="only versions with this status"
    )


class ModelsReply(PageReply):
    items = ModelVersionSerializer(many=True)
    models = ModelVersionSerializer(
        many=True, help_text="deprecated: the same as `items`; it will be left out"
    )


class RecipeFieldSerializer(serializers.Serializer):
    field = serializers.CharField(help_text="its name in `set` of a training job")
    default = serializers.JSONField(allow_null=True)
    description = serializers.CharField()
    minimum = serializers.FloatField(allow_null=True, help_text="of a number")
    maximum = serializers.FloatField(allow_null=True, help_text="of a number")
    choices = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="allowed values of a text"
    )
    restricted = serializers.BooleanField(
        help_text="it names a folder, a file or code: the operator's settings list what is allowed"
    )


class RecipeSerializer(serializers.Serializer):
    recipe = serializers.CharField()
    purpose = serializers.CharField(help_text="of its versions; each purpose has one champion")
    needs = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="data that it requires: all of them, of each one alternative",
    )
    stages = serializers.ListField(child=serializers.CharField())
    presets = serializers.DictField(
        child=serializers.DictField(), help_text="fields that differ from the defaults, by preset"
    )
    settings = RecipeFieldSerializer(many=True)


class RecipesReply(PageReply):
    items = RecipeSerializer(many=True)
