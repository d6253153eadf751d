"""Search: quality on judged queries, exact codes, two peers, and speed by REST, at a million
products too.

Each part runs in a process of its own: the heap that training leaves would slow what is timed
after it, and the peers start in fresh processes.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PARTS = ("search_quality", "search_codes", "search_peers", "search_serving", "search_million")
RUN = """
import json, sys
from importlib import import_module
from pathlib import Path
Path(sys.argv[2]).write_text(json.dumps(import_module(f"bench.{sys.argv[1]}").run()))
"""


def run() -> dict[str, dict]:
    measures: dict[str, dict] = {}
    with TemporaryDirectory() as folder:
        out = Path(folder) / "measures.json"
        for part in PARTS:
            subprocess.run([sys.executable, "-c", RUN, part, str(out)], check=True)
            measures |= json.loads(out.read_text())
    return measures
