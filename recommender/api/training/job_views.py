"""Training jobs: list, start, follow, cancel, resume."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.idempotency import idempotent
from recommender.api.http.listing import (
    FieldsQuery,
    QueryRows,
    choose,
    page,
    page_of,
    read_fields,
)
from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import find_numbered
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.api.training import serializers as shapes
from recommender.inference import training_options
from recommender.model_lifecycle import promotion, runs

JOB_NAMES = shapes.TrainingJobSerializer.Meta.fields


class TrainingJobsView(ApiView):
    scopes = {"GET": "training:read", "*": "training:write"}
    query = {"GET": shapes.TrainingJobsQuery, "POST": DryRun}

    @extend_schema(
        operation_id="list_training_jobs",
        responses=page_of(shapes.TrainingJobSerializer, "TrainingJobsPage"),
        summary="Training jobs, newest first",
    )
    def get(self, request: Request) -> Response:
        jobs = request.auth.shop.runs.all()
        for name in ("status", "recipe"):
            if name in self.params:
                jobs = jobs.filter(**{name: self.params[name]})
        rows = QueryRows(jobs, ("-pk",))
        return Response(page(request, "jobs", self.params, rows, shapes.jobs_json, JOB_NAMES))

    @extend_schema(
        operation_id="start_training",
        request=shapes.TrainingJobRequest,
        responses={202: shapes.TrainingJobSerializer},
        summary="Start a training run",
    )
    @may_dry_run
    @idempotent()
    def post(self, request: Request) -> Response:
        body = shapes.TrainingJobRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        promote = values.get("promote") or (
            "if-better" if request.auth.allows("models:write") else "ask"
        )
        if promote in promotion.PROMOTING and not request.auth.allows("models:write"):
            raise PermissionDenied(
                f"promote: {promote} needs a key with the scope models:write; ask or never "
                "does not."
            )
        window = values.get("data", {})
        since, until = window.get("from_"), window.get("to")
        if since and until and since > until:
            raise ValidationError({"data.from": ["lies after data.to"]})
        try:
            run = runs.start_run(
                request.auth.shop,
                values["recipe"],
                values["preset"],
                values.get("set", {}),
                promote,
                request.auth,
                since,
                until,
            )
        except training_options.InvalidConfig as error:
            field, _, message = str(error).partition(": ")
            name = field if field in ("recipe", "preset") else f"set.{field}"
            raise ValidationError({name: [message]}) from None
        return Response(shapes.job_json(run), status=202)


class TrainingJobView(ApiView):
    scopes = {"*": "training:read"}
    query = {"GET": FieldsQuery}

    @extend_schema(
        operation_id="get_training_job",
        responses=shapes.TrainingJobSerializer,
        summary="How a training job is doing",
    )
    def get(self, request: Request, job_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), JOB_NAMES)
        return Response(
            choose(shapes.job_json(find_numbered(request.auth.shop.runs, "job", job_id)), chosen)
        )


class CancelJobView(ApiView):
    scopes = {"*": "training:write"}

    @extend_schema(
        operation_id="cancel_training_job",
        request=None,
        responses={202: shapes.TrainingJobSerializer},
        summary="Stop a training run",
    )
    def post(self, request: Request, job_id: str) -> Response:
        run = find_numbered(request.auth.shop.runs, "job", job_id)
        if not runs.cancel_run(run, request.auth):
            raise Conflict(f"This run has already ended: {run.status}.")
        return Response(shapes.job_json(run), status=202)


class ResumeJobView(ApiView):
    scopes = {"*": "training:write"}

    @extend_schema(
        operation_id="resume_training_job",
        request=None,
        responses={202: shapes.TrainingJobSerializer},
        summary="Go on with a cancelled or failed training run from its state",
    )
    def post(self, request: Request, job_id: str) -> Response:
        run = find_numbered(request.auth.shop.runs, "job", job_id)
        if run.promote in promotion.PROMOTING and not request.auth.allows("models:write"):
            raise PermissionDenied(
                f"promote: this run would promote ({run.promote}), which needs a key with "
                "the scope models:write."
            )
        if not runs.resume_run(run, request.auth):
            raise Conflict(f"This run cannot go on: {run.status}.")
        run.refresh_from_db()
        return Response(shapes.job_json(run), status=202)
