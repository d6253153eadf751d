"""Writes the methods of the TypeScript client: one per operation, typed by the schema."""

import re
from typing import Any

HEAD = """/** A method per operation of the API. Generated. */
import type { Client } from "openapi-fetch";

import type { operations, paths } from "./schema.js";

type Body<Name extends keyof operations> = operations[Name] extends {
  requestBody?: { content: { "application/json": infer Json } };
}
  ? Json
  : never;
type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;

export interface CreateOptions {
  /** A repeated call with it within a day gets the first reply; by default a random one. */
  idempotencyKey?: string;
}

export abstract class Operations {
  abstract readonly client: Client<paths>;
  protected abstract unwrap<T>(
    call: Promise<{ data?: T; error?: unknown; response: Response }>,
  ): Promise<T>;
  protected abstract id(value: string): string;
"""


def typescript_operations(schema: dict[str, Any]) -> str:
    """The text of `operations.ts`."""
    methods = [
        _method(path, method, operation)
        for path, by_method in schema["paths"].items()
        for method, operation in by_method.items()
    ]
    return HEAD + "\n" + "\n".join(methods) + "}\n"


def _method(path: str, method: str, operation: dict[str, Any]) -> str:
    name = operation["operationId"]
    parameters = operation.get("parameters", [])
    in_path = re.findall(r"{(\w+)}", path)
    in_query = [p for p in parameters if p["in"] == "query"]
    is_idempotent = any(p["in"] == "header" for p in parameters)
    arguments = [f"{part}: string" for part in in_path]
    init, params = [], []
    if in_path:
        params.append("path: { " + ", ".join(f"{p}: this.id({p})" for p in in_path) + " }")
    if "requestBody" in operation:
        arguments.append(f'body: Body<"{name}">')
    if in_query:
        required = any(p.get("required") for p in in_query)
        arguments.append(f'query{"" if required else "?"}: Query<"{name}">')
        params.append("query")
    if is_idempotent:
        arguments.append("options?: CreateOptions")
        key = "options?.idempotencyKey ?? crypto.randomUUID()"
        params.append(f'header: {{ "Idempotency-Key": {key} }}')
    if params:
        init.append("params: { " + ", ".join(params) + " }")
    if "requestBody" in operation:
        init.append("body")
    call = f'this.client.{method.upper()}("{path}"'
    call += ", { " + ", ".join(init) + " })" if init else ")"
    return (
        f"  /** {operation['summary']} ({method.upper()} {path}). */\n"
        f"  {_camel(name)}({', '.join(arguments)}) {{\n"
        f"    return this.unwrap({call});\n"
        "  }\n"
    )


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
