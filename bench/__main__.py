"""`make bench [ONLY=NAME]`: every measured claim of the README, written to bench/results/NAME.json
and printed as a table.

Absolute times move with the machine; what counts are ratios within one run.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
NAMES = (
    "online_retail",
    "beauty",
    "presets",
    "training",
    "tasks",
    "pretraining",
    "compression",
    "live",
    "serving",
    "robustness",
    "listing",
    "imports",
    "search",
    "listening",
    "listening_clauses",
    "listening_serving",
    "opinion_feature",
    "faults",
    "soak",
    "journey",
    "peers",
)


def measure(value: float, unit: str, reference: float | None = None) -> dict:
    """One measure; with a reference, the ratio to it."""
    row = {"value": round(float(value), 6), "unit": unit}
    return row | (
        {"reference": round(float(reference), 6), "ratio": round(float(value / reference), 4)}
        if reference
        else {}
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("only", nargs="?", choices=NAMES)
    only = parser.parse_args().only
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for name in [only] if only else NAMES:
        module = __import__(f"bench.{name}", fromlist=["run"])
        _write(name, module.run())
    return 0


def _write(name: str, measures: dict) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(
        json.dumps({"measures": measures, "machine": machine, "commit": commit}, indent=1) + "\n"
    )
    lines = ["| measure | value | unit | against | ratio |", "| --- | --- | --- | --- | --- |"]
    for key, row in measures.items():
        lines.append(
            f"| {key} | {row['value']:g} | {row['unit']} | {row.get('reference', '')} | "
            f"{row.get('ratio', '')} |"
        )
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    print(f"{name}\n" + "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
