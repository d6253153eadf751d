"""Training jobs and model versions."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.problem_details import Conflict
from recommender.api.training import serializers as shapes
from recommender.inference import checkpoint_files, training_options
from recommender.model_lifecycle import promotion, runs
from recommender.models import AuditEntry, ModelVersion, TrainingRun


def is_number(text: str) -> bool:
    """True for plain digits that fit a primary key."""
    return text.isascii() and text.isdigit() and len(text) < 10


def find_run(request: Request, job_id: str) -> TrainingRun:
    number = job_id.removeprefix("job-")
    run = request.auth.shop.runs.filter(pk=int(number)).first() if is_number(number) else None
    if run is None:
        raise NotFound(f"job_id: {job_id[:60]!r} does not exist in this shop.")
    return run


class TrainingJobsView(APIView):
    scopes = {"*": "training:write"}

    @extend_schema(
        request=shapes.TrainingJobRequest,
        responses={202: shapes.TrainingJobSerializer},
        summary="Start a training run",
    )
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
        return Response(shapes.TrainingJobSerializer(run).data, status=202)


class TrainingJobView(APIView):
    scopes = {"*": "training:read"}

    @extend_schema(responses=shapes.TrainingJobSerializer, summary="How a training run is doing")
    def get(self, request: Request, job_id: str) -> Response:
        return Response(shapes.TrainingJobSerializer(find_run(request, job_id)).data)


class CancelJobView(APIView):
    scopes = {"*": "training:write"}

    @extend_schema(
        request=None, responses={202: shapes.TrainingJobSerializer}, summary="Stop a training run"
    )
    def post(self, request: Request, job_id: str) -> Response:
        run = find_run(request, job_id)
        if not run.request_cancel():
            raise Conflict(f"This run has already ended: {run.status}.")
        if not run.cancel_requested:
            AuditEntry.objects.note(run.shop, request.auth, AuditEntry.CANCELLED, f"run {run.pk}")
        run.refresh_from_db()
        return Response(shapes.TrainingJobSerializer(run).data, status=202)


class ResumeJobView(APIView):
    scopes = {"*": "training:write"}

    @extend_schema(
        request=None,
        responses={202: shapes.TrainingJobSerializer},
        summary="Go on with a cancelled or failed training run from its state",
    )
    def post(self, request: Request, job_id: str) -> Response:
        run = find_run(request, job_id)
        if run.promote in promotion.PROMOTING and not request.auth.allows("models:write"):
            raise PermissionDenied(
                f"promote: this run would promote ({run.promote}), which needs a key with "
                "the scope models:write."
            )
        if not runs.resume_run(run, request.auth):
            raise Conflict(f"This run cannot go on: {run.status}.")
        run.refresh_from_db()
        return Response(shapes.TrainingJobSerializer(run).data, status=202)


class ModelsView(APIView):
    scopes = {"*": "models:read"}

    @extend_schema(
        parameters=[OpenApiParameter("purpose", str)],
        responses=shapes.ModelsReply,
        summary="Model versions, newest first",
    )
    def get(self, request: Request) -> Response:
        versions = request.auth.shop.versions.select_related("run")
        query = shapes.ModelsRequest(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        if purpose := query.validated_data.get("purpose"):
            versions = versions.filter(purpose=purpose)
        return Response({"models": shapes.ModelVersionSerializer(versions[:200], many=True).data})


class PromoteView(APIView):
    scopes = {"*": "models:write"}

    @extend_schema(
        request=None, responses=shapes.ModelVersionSerializer, summary="Make a version the champion"
    )
    def post(self, request: Request, number: str) -> Response:
        digits = number.rpartition("@")[2]
        match = (
            request.auth.shop.versions.filter(number=int(digits))
            if is_number(digits)
            else ModelVersion.objects.none()
        )
        version = match.select_related("run").first()
        if version is None or ("@" in number and number != version.label):
            raise NotFound(f"id: {number[:60]!r} does not exist in this shop.")
        try:
            promotion.promote_version(version, request.auth)
        except checkpoint_files.BrokenCheckpoint as error:
            raise Conflict(f"This version cannot serve: {error}") from None
        return Response(shapes.ModelVersionSerializer(version).data)


class RollbackView(APIView):
    scopes = {"*": "models:write"}

    @extend_schema(
        request=shapes.RollbackRequest,
        responses=shapes.ModelVersionSerializer,
        summary="Put the version before the champion back",
    )
    def post(self, request: Request) -> Response:
        body = shapes.RollbackRequest(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            version = promotion.roll_back(
                request.auth.shop, body.validated_data["purpose"], request.auth
            )
        except checkpoint_files.BrokenCheckpoint as error:
            raise Conflict(f"The earlier version cannot serve: {error}") from None
        if version is None:
            raise Conflict("There is no earlier version to roll back to.")
        return Response(shapes.ModelVersionSerializer(version).data)
