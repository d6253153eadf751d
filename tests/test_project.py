"""The project as a whole: pins, migrations, schema, commands."""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from bench.faults import read_faults

ROOT = Path(__file__).resolve().parent.parent


def test_every_requirement_is_pinned_and_has_its_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.\[\]-]+==[\w.]+ +# \S.+", line), line


@pytest.mark.django_db
def test_migrations_are_complete():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


def test_the_schema_is_valid_and_has_every_address():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    for path in (
        "recommendations",
        "items/related",
        "events",
        "items/{item_id}",
        "items:batch",
        "users/{user_id}",
        "training-jobs",
        "training-jobs/{job_id}/cancel",
        "models",
        "models/rollback",
        "health/ready",
    ):
        assert f"/api/v1/{path}" in schema["paths"], path


def test_every_deliberate_fault_has_its_text_in_the_code():
    assert len(read_faults()) >= 60


def test_each_command_has_a_test():
    commands = {p.stem for p in (ROOT / "recommender/management/commands").glob("*.py")} - {
        "__init__"
    }
    tests = "".join(p.read_text() for p in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in commands if f'"{name}"' not in tests} == set()


@pytest.mark.parametrize("key", ["DEBUG=maybe", "DATABASE_URL=sqlite:///x"])
def test_settings_are_checked_at_start(key):
    name, value = key.split("=")
    code = (
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'ecomsite.settings'); "
        "import django; django.setup()"
    )
    import os

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode and name in done.stderr


def test_no_path_of_a_machine_is_in_the_sources():
    wrong = re.compile(r"/(?:root|work|farm)/")
    untracked = {".git", ".venv", "var", "vendor", "tmp"}
    for path in ROOT.rglob("*"):
        tracked = path.is_file() and not untracked & set(path.relative_to(ROOT).parts)
        if (
            tracked
            and path.suffix in {".py", ".md", ".toml", ".yml", ".html", ".sh"}
            and path != Path(__file__)
        ):
            assert not wrong.search(path.read_text(encoding="utf-8")), path


def test_templates_styles_and_scripts_have_lines_of_at_most_100_columns():
    own = [p for p in (ROOT / "static").rglob("*.*") if p.suffix in {".css", ".js"}]
    own += (ROOT / "templates").rglob("*.html")
    # Vendored files, and Unfold's templates, keep the form of their projects.
    own = [p for p in own if not {"vendor", "unfold"} & set(p.parts)]
    own.remove(ROOT / "templates" / "admin" / "base.html")
    assert len(own) > 40
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in own
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert long == []
