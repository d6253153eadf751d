"""The rooms: who imports whom, and how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"recommender": 4, "training": 5}
"""At most so many modules lie outside the rooms of a package."""


def test_the_contracts_of_the_rooms_are_kept():
    """.importlinter says who may import whom; imports inside functions count."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_modules_lie_in_rooms():
    for package, most in ROOMS.items():
        assert len(list((ROOT / package).glob("[!_]*.py"))) <= most


def test_serving_and_the_library_know_their_own_packages_alone():
    code = (
        "import sys, training.__main__, training.fit, training.benchmark; sys.exit('django' in "
        "sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_tests_of_the_library_import_no_application():
    files = [*(ROOT / "tests/training").rglob("*.py")]
    files += [ROOT / "tests" / name for name in ("tinyshop.py", "tiny_models.py")]
    applications = {"django", "ecomsite", "recommender", "rest_framework", "celery"}
    imported = {
        (str(path.relative_to(ROOT)), name.partition(".")[0])
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert len(files) > 30
    assert {entry for entry in imported if entry[1] in applications} == set()


def test_each_task_that_is_queued_is_registered():
    from celery import current_app

    names = set()
    for path in (ROOT / "recommender").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names |= {
            part.split('"')[1]
            for call in ("enqueue(", "enqueue_group(")
            for part in text.split(call)[1:]
            if part.startswith('"')
        }
    import recommender.tasks

    assert names and all(f"recommender.tasks.{name}" in current_app.tasks for name in names), (
        recommender.tasks.__name__
    )


def test_no_file_is_two_files():
    folders = (
        "training",
        "recommender",
        "ecomsite",
        "tests",
        "templates",
        "static/js",
        "static/css",
    )
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    long = [
        path
        for path in sources
        if path.suffix in (".py", ".html", ".js", ".css")
        and "migrations" not in path.parts
        and len(path.read_text().splitlines()) > 400
    ]
    assert not long
