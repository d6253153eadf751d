"""Builds the Python and the TypeScript client, and the Postman collection, out of the schema.

    python -m recommender.api.clients.build OUT

OUT gets openapi.json, a wheel, an npm package, and vitrine.postman_collection.json. Types and calls
are generated; `python/` and `typescript/` beside this file add what the generators lack: methods by
operation id, typed errors, retries, batches of events.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from recommender.api.clients.collection import postman_collection
from recommender.api.clients.python_methods import python_operations
from recommender.api.clients.typescript_methods import typescript_operations

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOOLS = Path(sys.executable).parent
PACKAGE = "vitrine_client"


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command quietly. Raises RuntimeError with its output where it fails."""
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def build(out: Path) -> dict[str, Path]:
    """Build everything below `out`; returns the paths: schema, wheel, npm, collection."""
    out.mkdir(parents=True, exist_ok=True)
    schema_path = out / "openapi.json"
    manage = [sys.executable, "manage.py", "spectacular", "--format", "openapi-json"]
    run(*manage, "--file", schema_path, cwd=ROOT)
    schema = json.loads(schema_path.read_text(encoding="utf-8"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    collection = out / "vitrine.postman_collection.json"
    text = json.dumps(postman_collection(schema), indent=1, ensure_ascii=False)
    collection.write_text(text + "\n", encoding="utf-8")
    return {
        "schema": schema_path,
        "collection": collection,
        "wheel": build_python(out / "python", schema_path, schema, version),
        "npm": build_typescript(out / "typescript", schema_path, schema, version),
    }


def build_python(folder: Path, schema_path: Path, schema: dict[str, Any], version: str) -> Path:
    """Generate the Python package and pack it; returns the wheel."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "python", folder)
    own, generated = folder / PACKAGE, folder / "generated" / PACKAGE
    generate = [TOOLS / "openapi-python-client", "generate", "--meta", "none", "--overwrite"]
    generated.parent.mkdir()
    run(*generate, "--path", schema_path, "--output-path", generated, cwd=folder)
    (own / "package_init.py").rename(own / "__init__.py")
    (generated / "__init__.py").unlink()
    (generated / "errors.py").rename(own / "errors.py")
    shutil.copytree(generated, own, dirs_exist_ok=True)
    (own / "version.py").write_text(f'__version__ = "{version}"\n')
    (own / "py.typed").touch()
    (own / "operations.py").write_text("class Operations:\n    pass\n")
    (own / "operations.py").write_text(python_operations(schema, _modules(folder, schema)))
    wheels = folder / "dist"
    run(TOOLS / "uv", "build", "--wheel", "--out-dir", wheels, "--no-build-isolation", cwd=folder)
    return next(wheels.glob("*.whl"))


def _modules(folder: Path, schema: dict[str, Any]) -> dict[str, Any]:
    """The generated module of each operation, by operation id."""
    sys.path.insert(0, str(folder))
    try:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        return {
            operation["operationId"]: importlib.import_module(
                f"{PACKAGE}.api.{operation['tags'][0].replace('-', '_')}.{operation['operationId']}"
            )
            for methods in schema["paths"].values()
            for operation in methods.values()
        }
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def build_typescript(folder: Path, schema_path: Path, schema: dict[str, Any], version: str) -> Path:
    """Generate the types, compile the package and pack it; returns the tarball."""
    modules = folder / "node_modules"
    for part in folder.iterdir() if folder.exists() else ():
        if part != modules:
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    shutil.copytree(HERE / "typescript", folder, dirs_exist_ok=True)
    package = folder / "package.json"
    declared = json.loads(package.read_text()) | {"version": version}
    package.write_text(json.dumps(declared, indent=2) + "\n")
    if not modules.exists():
        run(TOOLS / "npm", "ci", "--ignore-scripts", cwd=folder)
    types = folder / "src" / "schema.ts"
    binaries = modules / ".bin"
    run(binaries / "openapi-typescript", schema_path, "-o", types, cwd=folder)
    (folder / "src" / "operations.ts").write_text(typescript_operations(schema), encoding="utf-8")
    run(binaries / "tsc", cwd=folder)
    run(TOOLS / "npm", "pack", "--ignore-scripts", cwd=folder)
    return next(folder.glob("*.tgz"))


if __name__ == "__main__":
    for what, path in build(Path(sys.argv[1]).resolve()).items():
        print(f"{what:10} {path}")
