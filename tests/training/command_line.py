"""The command line of the library, as tests call it."""

from pathlib import Path

from training.__main__ import main


def run_fit(snapshot: Path, out: Path, recipe: str, *options: str | Path) -> int:
    """`python -m training fit` of a recipe in this process; returns the exit code."""
    return main(["fit", str(snapshot), str(out), "--recipe", recipe, *map(str, options)])
