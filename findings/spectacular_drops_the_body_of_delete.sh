#!/bin/sh
# Expected: `@extend_schema(responses=ReceiptSerializer)` on a view's delete() describes a 200 with that body, as it does on get() and put().
# Happens:  for DELETE the named serializer is dropped without a warning, and the schema says 204 "No response body". A client that is generated
#           from it takes the 200 for undocumented and loses the body, such as the receipt of an erasure.
# With a status, `responses={200: ReceiptSerializer}`, the body is described.
# Versions: drf-spectacular 0.30.0, djangorestframework 3.18.3, Django 5.2.19; Python 3.11; 2026-11-29.
# Means:    name the status of each DELETE that replies with a body, and compare the schema's statuses with real replies in a test.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check django==5.2.19 djangorestframework==3.18.3 drf-spectacular==0.30.0
cat > "$folder/seen.py" <<'PY'
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="__main__", INSTALLED_APPS=["rest_framework", "drf_spectacular"],
    REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema", "UNAUTHENTICATED_USER": None},
)
django.setup()

from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.views import APIView


class ReceiptSerializer(serializers.Serializer):
    receipt_id = serializers.CharField()


def view(responses):
    class View(APIView):
        @extend_schema(responses=responses)
        def get(self, request):
            pass

        @extend_schema(responses=responses)
        def delete(self, request):
            pass

    return View.as_view()


urlpatterns = [path("bare", view(ReceiptSerializer)), path("status", view({200: ReceiptSerializer}))]
paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
seen = {
    (way, method): [(status, "content" in reply) for status, reply in paths[f"/{way}"][method]["responses"].items()]
    for way in ("bare", "status") for method in ("get", "delete")
}
for (way, method), replies in seen.items():
    print(f"{way:7} {method:7} {replies}")
assert seen["bare", "get"] == seen["status", "get"] == seen["status", "delete"] == [("200", True)]
assert seen["bare", "delete"] == [("204", False)], "the behaviour has changed"
PY
"$folder/venv/bin/python" "$folder/seen.py"
