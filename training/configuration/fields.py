"""Fields of frozen configuration dataclasses: overrides by dotted name, validation, and
descriptions from docstrings.
"""

import ast
import inspect
import itertools
from dataclasses import Field, asdict, fields, is_dataclass, replace
from functools import cache
from typing import Any

LARGEST = 1e9
LONGEST = 1000
"""Maximum length of a text value, in characters."""


class ConfigError(ValueError):
    """A configuration field does not exist or its value is invalid. The message names the field."""


def set_fields(
    config: Any,
    overrides: dict[str, Any],
    limits: dict[str, tuple],
    choices: dict[str, tuple],
    keys: dict[str, tuple],
) -> Any:
    """A copy of `config` with `overrides`. Raises ConfigError with the field's name.

    overrides: keys may be dotted (`text.steps`); values may be strings
    limits: minimum and maximum of a number, by the field's last name; default: 0 to 1e9
    choices: allowed values of a text field
    keys: allowed keys of a dictionary field
    """
    reader = _Reader(limits, choices, keys)
    for key, value in overrides.items():
        config = reader.set(config, _whole_name(config, key), value, key)
    return config


def _whole_name(config: Any, key: str) -> str:
    """Dotted name of a field; fields of the nested `text` may come without their prefix."""
    head = key.partition(".")[0]
    names = {f.name for f in fields(config)}
    if head in names or "text" not in names or head not in {f.name for f in fields(config.text)}:
        return key
    return f"text.{key}"


class _Reader:
    def __init__(
        self, limits: dict[str, tuple], choices: dict[str, tuple], keys: dict[str, tuple]
    ) -> None:
        self.limits, self.choices, self.keys = limits, choices, keys

    def set(self, config: Any, key: str, value: Any, whole: str) -> Any:
        """A copy of `config` with one field set. Raises ConfigError."""
        head, _, rest = key.partition(".")
        known = {f.name: f for f in fields(config)}
        if head not in known:
            raise ConfigError(
                f"{whole}: no such field; {type(config).__name__} has {', '.join(sorted(known))}"
            )
        current = _value(config, known[head])
        if is_dataclass(current):
            return replace(config, **{head: self._set_nested(current, rest, value, whole)})
        if isinstance(current, dict):
            return replace(config, **{head: self._set_keys(head, current, rest, value, whole)})
        if rest:
            raise ConfigError(f"{whole}: {head} has no parts")
        return replace(config, **{head: self._parse(value, current, whole)})

    def _set_nested(self, current: Any, rest: str, value: Any, whole: str) -> Any:
        if rest:
            return self.set(current, rest, value, whole)
        if not isinstance(value, dict):
            raise ConfigError(f"{whole}: expected an object, got {_short(value)}")
        for name, inner in value.items():
            current = self.set(current, name, inner, f"{whole}.{name}")
        return current

    def _set_keys(self, head: str, current: dict, rest: str, value: Any, whole: str) -> dict:
        given = {rest: value} if rest else value
        if not isinstance(given, dict):
            raise ConfigError(f"{whole}: expected an object, got {_short(value)}")
        unknown = [name for name in given if name not in self.keys[head]]
        if unknown:
            raise ConfigError(f"{whole}: {unknown[0]!r} is not one of {', '.join(self.keys[head])}")
        return current | {
            name: self._parse(inner, 0.0, f"{head}.{name}") for name, inner in given.items()
        }

    def _parse(self, value: Any, current: Any, name: str) -> Any:
        if isinstance(value, str) and len(value) > LONGEST:
            raise ConfigError(f"{name}: is longer than {LONGEST} characters")
        if isinstance(value, str) and not isinstance(current, str):
            value = _literal(value, current, name)
        if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(current):
            raise ConfigError(
                f"{name}: {_short(value)} is not a "
                f"{'number' if isinstance(current, float) else type(current).__name__}"
            )
        last = name.rpartition(".")[2]
        if isinstance(value, str):
            self._check_text(value, last, name)
        elif not isinstance(value, bool):
            least, most = self.limits.get(last, (0, LARGEST))
            if not least <= value <= most:
                raise ConfigError(f"{name}: {_short(value)} is not between {least} and {most:g}")
        return value

    def _check_text(self, value: str, last: str, name: str) -> None:
        if last in self.choices and value not in self.choices[last]:
            raise ConfigError(
                f"{name}: {_short(value)} is not one of {', '.join(self.choices[last])}"
            )
        if "\x00" in value:
            raise ConfigError(f"{name}: is not a usable text")


def _value(config: Any, known: Field) -> Any:
    """The value of a field; a float also where its default is written as an int."""
    value = getattr(config, known.name)
    return float(value) if known.type is float else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _literal(value: str, current: Any, name: str) -> Any:
    try:
        return ast.literal_eval(value.title() if value.lower() in ("true", "false") else value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ConfigError(f"{name}: {value[:60]!r} is not a {type(current).__name__}") from None


def describe_fields(config: Any, prefix: str = "") -> list[tuple[str, Any, str]]:
    """(field, default, description) of every field; nested fields have dotted names."""
    meanings = _docstrings(type(config))
    rows = []
    for f in fields(config):
        value = _value(config, f)
        if is_dataclass(value):
            rows += describe_fields(value, f"{prefix}{f.name}.")
        else:
            rows.append((prefix + f.name, value, meanings.get(f.name, "")))
    return rows


@cache
def _docstrings(cls: type) -> dict[str, str]:
    """Docstring below each field, including inherited fields."""
    docstrings: dict[str, str] = {}
    for parent in [p for p in reversed(cls.__mro__) if is_dataclass(p)]:
        body = ast.parse(inspect.getsource(parent)).body[0].body
        for a, b in itertools.pairwise(body):
            if (
                isinstance(a, ast.AnnAssign)
                and isinstance(b, ast.Expr)
                and isinstance(b.value, ast.Constant)
            ):
                docstrings[a.target.id] = inspect.cleandoc(b.value.value)
    return docstrings


def to_dict(config: Any) -> dict[str, Any]:
    return asdict(config)
