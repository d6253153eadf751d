"""Check the OpenAPI schema against the released one, and write the new one.

manage.py api_schema            # exit 1 where the file is out of date or a client would break
manage.py api_schema --write    # write docs/openapi.json; refuses a breaking change
"""

import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from drf_spectacular.generators import SchemaGenerator

from recommender.api.http.compatibility import breaking_changes

RELEASED = Path("docs/openapi.json")


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--write", action="store_true", help="write the schema of this code")
        parser.add_argument(
            "--break",
            dest="may_break",
            action="store_true",
            help="with --write: also where clients break; raise the major part of VERSION first",
        )

    def handle(self, **options):
        path = settings.BASE_DIR / RELEASED
        text = current_schema()
        released = path.read_text(encoding="utf-8") if path.exists() else text
        changes = breaking_changes(json.loads(released), json.loads(text))
        if changes and not options["may_break"]:
            lines = "\n".join(f"  {change}" for change in changes)
            raise CommandError(f"clients of {RELEASED} would break:\n{lines}")
        if options["write"]:
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"{RELEASED} written")
        elif not path.exists() or released != text:
            raise CommandError(f"{RELEASED} is out of date: manage.py api_schema --write")
        else:
            self.stdout.write(f"{RELEASED} is up to date")


def current_schema() -> str:
    """The OpenAPI schema of this code as JSON text."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
