"""Serializers of training jobs and model versions."""

from rest_framework import serializers

from recommender.api.http.strict_fields import DayField, ObjectField, Since, StrictSerializer
from recommender.model_lifecycle import run_options
from recommender.models import ModelVersion, TrainingRun
from recommender.models.registry import USUAL_PRESET


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
        version = ModelVersion.objects.filter(run=run).first()
        return version.label if version else None

    def get_data(self, run) -> dict:
        return {
            "from": run.data_from,
            "to": run.data_to,
            "counts": run.counts,
            "digest": run.snapshot_digest or None,
        }

    def get_metrics(self, run) -> dict:
        return {p.name: p.value for p in run.points.order_by("step")}

    def get_links(self, run) -> dict:
        base = f"/api/v1/training-jobs/job-{run.pk}"
        return {"self": base, "cancel": f"{base}/cancel", "resume": f"{base}/resume"}


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


class ModelsRequest(StrictSerializer):
    purpose = serializers.CharField(max_length=20, required=False)


class ModelsReply(serializers.Serializer):
    models = ModelVersionSerializer(many=True)
