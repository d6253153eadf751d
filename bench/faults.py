"""How many of the deliberate faults in bench/faults.toml the tests catch: each is made in a copy of
the project, where the suite then has to fail.

usage: python -m bench.faults [--only N ...] [--relevant]; `make bench ONLY=faults` runs all and
writes docs/faults.md. A fault is written without a look at the tests. Tests that import the broken
module run first, so that most faults take seconds; what survives runs the whole suite.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from bench.__main__ import ROOT, measure

AT_ONCE = int(os.environ.get("VITRINE_FAULTS_AT_ONCE", "2"))
LONGEST = 30 * 60
FAILED = 1
"""pytest's exit status where tests failed; any other is no catch, such as 2 where a module
could not be imported.
"""
ALONGSIDE = {
    "training": ("tests/training/",),
    "recommender": (
        "tests/api/test_recommendations.py",
        "tests/recommendations/test_recommend.py",
        "tests/ingest/test_event_meanings.py",
        "tests/model_lifecycle/test_runs.py",
    ),
}
"""Tests that use a package's modules without importing each by its name."""


@dataclass(frozen=True)
class Fault:
    number: int
    area: str
    file: str
    what: str
    before: str
    after: str
    first: str = ""


@dataclass(frozen=True)
class Outcome:
    fault: Fault
    caught_by: str
    """The first test that failed; empty where none did."""


def read_faults() -> list[Fault]:
    """Raises ValueError where the text to be changed does not stand exactly once in its file."""
    rows = tomllib.loads((ROOT / "bench" / "faults.toml").read_text())["fault"]
    faults = [Fault(number, **row) for number, row in enumerate(rows, 1)]
    for fault in faults:
        if (ROOT / fault.file).read_text().count(fault.before) != 1:
            raise ValueError(
                f"fault {fault.number}: its text does not stand exactly once in {fault.file}"
            )
    return faults


def run() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        done = _pytest(["-n", str(AT_ONCE), "--dist", "loadfile", "tests"], _copy(Path(folder)))
        if done is None or done.returncode:
            sys.exit(
                "bench faults: the suite fails without any "
                f"fault\n{done.stdout[-2000:] if done else 'it did not end'}"
            )
    outcomes = list(tried(read_faults(), whole=True))
    _write(outcomes)
    areas = Counter(o.fault.area for o in outcomes)
    caught = Counter(o.fault.area for o in outcomes if o.caught_by)
    result = {
        "faults": measure(len(outcomes), "faults"),
        "caught": measure(caught.total() / len(outcomes), "share", 1.0),
    }
    return result | {
        f"caught_{area}": measure(caught[area], "faults", number) for area, number in areas.items()
    }


def tried(faults: list[Fault], whole: bool) -> Iterator[Outcome]:
    """Each fault by itself, some at once, in their order. whole: what survives the relevant
    tests runs the others as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            copies.put(_copy(Path(folder, str(number))))

        def one(fault: Fault) -> Outcome:
            copy = copies.get()
            try:
                return _outcome(fault, copy, whole)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for outcome in pool.map(one, faults):
                print(
                    f"{outcome.fault.number:3} {outcome.fault.area:12} "
                    f"{outcome.caught_by or 'SURVIVED: ' + outcome.fault.what}",
                    flush=True,
                )
                yield outcome


def _copy(to: Path) -> Path:
    """The project's files as they are now, without what git ignores."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split("\n")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def _outcome(fault: Fault, copy: Path, whole: bool) -> Outcome:
    path = copy / fault.file
    sound = path.read_text()
    path.write_text(sound.replace(fault.before, fault.after))
    try:
        relevant, others = _tests(fault, copy)
        caught = _first_failure(relevant, copy) or (_first_failure(others, copy) if whole else "")
    finally:
        path.write_text(sound)
    return Outcome(fault, caught)


def _tests(fault: Fault, copy: Path) -> tuple[list[str], list[str]]:
    """(test files that name the broken module, or use its package; all others)"""
    package, module = fault.file.split("/")[0], Path(fault.file).stem
    files = [
        path.relative_to(copy).as_posix() for path in sorted((copy / "tests").rglob("test_*.py"))
    ]
    naming = re.compile(rf"\b{re.escape(module)}\b")
    naming_it = [name for name in files if naming.search((copy / name).read_text())]
    other = [name for name in files if name.startswith(ALONGSIDE[package])]
    relevant = list(dict.fromkeys([*naming_it, *other]))
    if fault.first:
        return [fault.first], [
            *(name for name in relevant if name != fault.first),
            *(name for name in files if name not in relevant),
        ]
    return relevant, [name for name in files if name not in relevant]


def _pytest(tests: list[str], copy: Path) -> subprocess.CompletedProcess | None:
    """None where it did not end in time."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VITRINE_HOME", "DATABASE_URL", "REDIS_URL")
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--tb=no",
        "--no-header",
        *tests,
    ]
    try:
        return subprocess.run(
            command,
            cwd=copy,
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        return None


def _first_failure(tests: list[str], copy: Path) -> str:
    done = _pytest(tests, copy)
    if done is None:
        return "the suite did not end"
    if done.returncode != FAILED:
        return ""
    failure = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failure[1] if failure else "unknown"


def _write(outcomes: list[Outcome]) -> None:
    caught = sum(bool(outcome.caught_by) for outcome in outcomes)
    lines = [
        "# Deliberate faults",
        "",
        (
            "Each line is a fault that was made in a copy of the project to see whether the "
            "tests catch it, chosen without a look at the tests"
        ),
        (
            "(`bench/faults.toml` holds the changes; `make bench ONLY=faults` makes them and "
            f"writes this file). Caught: {caught} of {len(outcomes)}."
        ),
        (
            "About a third were not caught when they were first made; each of those has a test "
            "since, so other faults will be caught less often."
        ),
        "",
        "| | area | file | what the code then does wrong | first test that fails |",
        "| --- | --- | --- | --- | --- |",
    ]
    for o in outcomes:
        test = (
            f"`{o.caught_by.split('[')[0].removeprefix('tests/')}`" if o.caught_by else "**none**"
        )
        lines.append(
            f"| {o.fault.number} | {o.fault.area} | `{o.fault.file}` | {o.fault.what} | {test} |"
        )
    (ROOT / "docs" / "faults.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument(
        "--only", type=int, nargs="+", help="numbers of faults, counted from 1 in bench/faults.toml"
    )
    parser.add_argument(
        "--relevant",
        action="store_true",
        help="no whole suite for what the relevant tests let pass",
    )
    options = parser.parse_args()
    faults = [fault for fault in read_faults() if not options.only or fault.number in options.only]
    outcomes = list(tried(faults, whole=not options.relevant))
    if len(outcomes) == len(read_faults()) and not options.relevant:
        _write(outcomes)
    print(f"{sum(bool(o.caught_by) for o in outcomes)} of {len(outcomes)} caught")


if __name__ == "__main__":
    main()
