"""Writes the methods of the Python client: one per operation, typed like the generated function."""

import inspect
import re
import types
import typing
from enum import Enum
from typing import Any

HEAD = '''"""A method per operation of the API. Generated."""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

from . import models
{imports}
from .types import UNSET, Unset


class Operations:
    """Every call of the API, by its operation id; bodies may be dictionaries."""

    def _call(self, operation: ModuleType, body_type: type | None = None, **values: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def _enum(kind: type, value: Any) -> Any:
        return kind(value) if isinstance(value, str) and not isinstance(value, kind) else value
'''


def python_operations(schema: dict[str, Any], modules: dict[str, Any]) -> str:
    """The text of `operations.py`. modules: generated modules by operation id."""
    imports, methods = [], []
    for path, by_method in schema["paths"].items():
        for method, operation in by_method.items():
            name = operation["operationId"]
            module = modules[name]
            imports.append(f"from {module.__name__.replace('vitrine_client', '')} import")
            imports[-1] = f"from {_package_of(module)} import {name}"
            methods.append(_method(name, operation, module, method.upper(), path))
    return HEAD.format(imports="\n".join(sorted(imports))) + "\n" + "\n".join(methods)


def _package_of(module: Any) -> str:
    return module.__name__.removeprefix("vitrine_client").rpartition(".")[0]


def _method(name: str, operation: dict[str, Any], module: Any, method: str, path: str) -> str:
    signature = inspect.signature(module.sync_detailed)
    placed, named, passed, body, body_type = {}, [], [], [], ""
    in_path = re.findall(r"{(\w+)}", path)
    for parameter in signature.parameters.values():
        if parameter.name == "client":
            continue
        kind = _code(parameter.annotation)
        if enum := _enum_of(parameter.annotation):
            kind = kind.replace(f"models.{enum}", f"models.{enum} | str")
            passed.append(f"{parameter.name}=self._enum(models.{enum}, {parameter.name})")
        else:
            passed.append(f"{parameter.name}={parameter.name}")
        if parameter.name == "body":
            body_type = _body_type(parameter.annotation)
            body = [f"body: {kind} | dict[str, Any]"]
        elif parameter.name in in_path:
            placed[parameter.name] = f"{parameter.name}: {kind}"
        else:
            default = "" if parameter.default is inspect.Parameter.empty else " = UNSET"
            named.append(f"{parameter.name}: {kind}{default}")
    named.sort(key=lambda text: text.endswith(" = UNSET"))
    arguments = ["self", *(placed[part] for part in in_path), *body]
    arguments += ["*", *named] if named else []
    result = _result(module)
    more = [f"models.{body_type}"] if body_type else []
    lines = [
        f"    def {name}({', '.join(arguments)}) -> {result}:",
        f'        """{operation["summary"]} ({method} {path})."""',
        f"        return self._call({', '.join([name, *more, *passed])})",
    ]
    return "\n".join(lines) + "\n"


def _result(module: Any) -> str:
    """The type of a successful reply."""
    if not hasattr(module, "sync"):
        return "None"
    annotation = inspect.signature(module.sync).return_annotation
    kinds = [kind for kind in _parts(annotation) if _code(kind) not in ("models.Problem", "None")]
    return " | ".join(dict.fromkeys(map(_code, kinds))) or "None"


def _parts(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return typing.get_args(annotation)
    return (annotation,)


def _body_type(annotation: Any) -> str:
    """The model of a body; generated code takes a union where a body may come as two types."""
    (model,) = [kind for kind in _parts(annotation) if hasattr(kind, "from_dict")][:1]
    return model.__name__


def _enum_of(annotation: Any) -> str | None:
    """The enumeration of a parameter, whose values may be given as texts."""
    kinds = [
        kind for kind in _parts(annotation) if inspect.isclass(kind) and issubclass(kind, Enum)
    ]
    return kinds[0].__name__ if kinds else None


def _code(annotation: Any) -> str:
    """An annotation as source text."""
    if annotation is type(None) or annotation is None:
        return "None"
    if annotation is typing.Any:
        return "Any"
    if len(parts := _parts(annotation)) > 1:
        return " | ".join(map(_code, parts))
    if (origin := typing.get_origin(annotation)) is not None:
        return f"{_code(origin)}[{', '.join(map(_code, typing.get_args(annotation)))}]"
    module = annotation.__module__
    if ".models." in module:
        return f"models.{annotation.__name__}"
    return f"datetime.{annotation.__name__}" if module == "datetime" else annotation.__name__
