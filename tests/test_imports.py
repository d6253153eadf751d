"""The house: imports go one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INTERFACES = {"api", "console", "storefront", "tasks", "management"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder: str) -> list[Path]:
    return [p for p in (ROOT / folder).rglob("*.py") if "migrations" not in p.parts]


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", files("training"), ids=lambda p: p.name)
def test_the_library_knows_no_site(path):
    assert not roots(path) & {"django", "recommender", "ecomsite", "rest_framework", "celery"}


@pytest.mark.parametrize("path", files("recommender") + files("ecomsite"), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_engine_opens_the_library(path):
    if path != ROOT / "recommender" / "engine.py":
        assert not roots(path) & {"training", "torch", "transformers", "lightgbm", "numpy", "scipy"}
    top_level = {
        n for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom | ast.Import) for n in [getattr(node, "module", None) or ""]
    }
    assert not {name for name in top_level if name.split(".")[0] == "training"}


@pytest.mark.parametrize("path", files("recommender"), ids=lambda p: str(p.relative_to(ROOT)))
def test_interfaces_do_not_import_each_other(path):
    part = path.relative_to(ROOT / "recommender").parts[0].removesuffix(".py")
    seen = {name.split(".")[1] for name in imports(path) if name.startswith("recommender.") and name.count(".") >= 1}
    if part in INTERFACES:
        assert not (seen & INTERFACES) - {part, "tasks"}
    elif part not in ("admin", "models"):
        assert not seen & (INTERFACES - {"tasks"})
    if part == "models":
        assert seen <= {"models"}


def test_the_library_runs_without_django():
    code = "import sys, training.__main__, training.fit, training.benchmark; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_file_is_two_files():
    sources = [
        p for folder in ("training", "recommender", "ecomsite", "tests", "templates", "static/js", "static/css") for p in (ROOT / folder).rglob("*")
    ]
    long = [
        p for p in sources if p.suffix in (".py", ".html", ".js", ".css") and "migrations" not in p.parts and len(p.read_text().splitlines()) > 500
    ]
    assert not long
