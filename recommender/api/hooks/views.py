"""Hooks of platforms: signed deliveries of Shopify, WooCommerce, Segment and RudderStack."""

from django.http import HttpRequest
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.problem_details import again_when_busy
from recommender.ingest import hooks
from recommender.models import PlatformHook
from recommender.models.platform_hooks import Platform


class Unwanted(APIException):
    """A delivery that is refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status


class HookView(APIView):
    """A platform signs instead of sending a key; the address itself names the shop."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def post(self, request: Request, platform: str, hook_id: str) -> Response:
        hook = (
            PlatformHook.objects.select_related("shop")
            .filter(platform=platform, hook_id=hook_id, active=True)
            .first()
        )
        if hook is None:
            raise NotFound("There is no such hook.")
        raw: HttpRequest = request._request
        body = raw.body
        if platform == Platform.WOOCOMMERCE and body.startswith(b"webhook_id="):
            return Response({"status": "ready"})  # what is sent when the webhook is saved
        headers = {name.lower(): value for name, value in raw.headers.items()}
        try:
            delivery, is_new = again_when_busy(lambda: hooks.take(hook, headers, body))
        except hooks.Refused as error:
            raise Unwanted(error.status, str(error)) from None
        return Response(
            {
                "status": delivery.status if is_new else "duplicate",
                "counts": delivery.counts,
                "detail": delivery.detail,
            }
        )
