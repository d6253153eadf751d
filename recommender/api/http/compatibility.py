"""Compatibility of the OpenAPI schema: what a new one breaks for clients of an older one.

A client breaks where something that it sends is refused, or something that it reads is gone:
operations, replies, fields of replies, values; required parameters and fields, types, limits.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
LIMITS = {"maximum": min, "maxLength": min, "maxItems": min}
FLOORS = {"minimum": max, "minLength": max, "minItems": max}
DEEPEST = 12


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Changes from `old` to `new` that break clients, in words; both are whole OpenAPI schemas."""
    return list(_Comparison(old, new).operations())


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old, new

    def operations(self) -> Iterator[str]:
        for path, methods in self.old["paths"].items():
            for method, before in methods.items():
                name = f"{method.upper()} {path}"
                after = self.new["paths"].get(path, {}).get(method)
                if after is None:
                    yield f"{name} is gone"
                    continue
                if before["operationId"] != after["operationId"]:
                    yield f"{name}: operationId {before['operationId']} is renamed"
                yield from self._parameters(name, before, after)
                yield from self._bodies(name, before, after)
                yield from self._replies(name, before, after)

    def _parameters(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        olds, news = (
            {(p["in"], p["name"]): p for p in operation.get("parameters", ())}
            for operation in (before, after)
        )
        for key, parameter in olds.items():
            if key not in news:
                yield f"{name}: parameter {key[1]} is gone"
                continue
            where = f"{name}: parameter {key[1]}"
            if news[key].get("required") and not parameter.get("required"):
                yield f"{where} is required now"
            yield from self._sent(where, parameter["schema"], news[key]["schema"])
        for key in news.keys() - olds.keys():
            if news[key].get("required"):
                yield f"{name}: parameter {key[1]} is new and required"

    def _bodies(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        old, new = (_content(op.get("requestBody", {})) for op in (before, after))
        if old is not None and new is None:
            yield f"{name}: has no body any more"
        elif old is not None:
            yield from self._sent(f"{name}: body", old, new)
        elif new is not None and after["requestBody"].get("required"):
            yield f"{name}: a body is required now"

    def _replies(self, name: str, before: Schema, after: Schema) -> Iterator[str]:
        for status, reply in before["responses"].items():
            if status not in after["responses"]:
                if status.startswith("2"):
                    yield f"{name}: status {status} is gone"
                continue
            old, new = _content(reply), _content(after["responses"][status])
            if old is not None and new is None:
                yield f"{name}: {status} has no body any more"
            elif old is not None and new is not None:
                yield from self._read(f"{name}: {status}", old, new)

    def _sent(self, where: str, old: Schema, new: Schema, depth: int = 0) -> Iterator[str]:
        """What was accepted before has to be accepted still."""
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        yield from _types(where, old, new, narrower=True)
        if (values := new.get("enum")) is not None:
            gone = [v for v in old.get("enum", ()) if v not in values]
            if "enum" not in old:
                yield f"{where}: only some values are accepted now"
            for value in gone:
                yield f"{where}: the value {value!r} is not accepted any more"
        for limit, pick in (LIMITS | FLOORS).items():
            if limit in new and (limit not in old or pick(old[limit], new[limit]) != old[limit]):
                yield f"{where}: {limit} is narrower"
        if depth > DEEPEST:
            return
        required = set(new.get("required", ())) - set(old.get("required", ()))
        known = old.get("properties", {})
        for field in sorted(required):
            yield f"{where}.{field} is required now"
        for field, schema in known.items():
            inner = new.get("properties", {}).get(field)
            if inner is not None:
                yield from self._sent(f"{where}.{field}", schema, inner, depth + 1)
            elif "properties" in new:
                yield f"{where}.{field} is gone"
        if "items" in old and "items" in new:
            yield from self._sent(f"{where}[]", old["items"], new["items"], depth + 1)

    def _read(self, where: str, old: Schema, new: Schema, depth: int = 0) -> Iterator[str]:
        """What was read before has to be there still. New values of an enumeration are let
        through: clients have to expect them.
        """
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        yield from _types(where, old, new, narrower=False)
        if new.get("nullable") and not old.get("nullable") and old:
            yield f"{where} may be null now"
        if depth > DEEPEST:
            return
        gone = set(old.get("required", ())) - set(new.get("required", ()))
        for field in sorted(gone & new.get("properties", {}).keys()):
            yield f"{where}.{field} may be missing now"
        for field, schema in old.get("properties", {}).items():
            inner = new.get("properties", {}).get(field)
            if inner is None:
                yield f"{where}.{field} is gone"
            else:
                yield from self._read(f"{where}.{field}", schema, inner, depth + 1)
        if "items" in old and "items" not in new and new:
            yield f"{where}[] is gone"
        if old.get("format") != new.get("format") and old.get("format") and new:
            yield f"{where} has another format"
        if "items" in old and "items" in new:
            yield from self._read(f"{where}[]", old["items"], new["items"], depth + 1)


def _content(part: Schema) -> Schema | None:
    """The schema of a body; None without one."""
    return next((c["schema"] for c in part.get("content", {}).values() if "schema" in c), None)


def _resolved(whole: Schema, schema: Schema) -> Schema:
    """A schema without references; `oneOf` of an enumeration and null is the enumeration, and of
    other schemas the first.
    """
    while True:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = whole["components"]["schemas"][name]
        elif len(schema.get("allOf", ())) == 1:
            schema = {**_resolved(whole, schema["allOf"][0]), **_without(schema, "allOf")}
        elif schema.get("oneOf"):
            parts = [_resolved(whole, part) for part in schema["oneOf"]]
            values = [v for part in parts for v in part.get("enum", ()) if v not in (None, "")]
            named = {"enum": values} if values else {}
            schema = {**parts[0], **named, **_without(schema, "oneOf")}
        else:
            return schema


def _without(schema: Schema, name: str) -> Schema:
    return {key: value for key, value in schema.items() if key != name}


def _types(where: str, old: Schema, new: Schema, narrower: bool) -> Iterator[str]:
    before, after = old.get("type"), new.get("type")
    wider = {("integer", "number")} if narrower else {("number", "integer")}
    if before != after and before and after and (before, after) not in wider:
        yield f"{where} is {after}, not {before}"
    elif not narrower and before and not after and "enum" not in new:
        yield f"{where} has no type any more"
    elif narrower and after and not before and "enum" not in old:
        yield f"{where} has to be {after} now"
    if narrower and old.get("nullable") and not new.get("nullable") and after == before:
        yield f"{where} must not be null any more"
