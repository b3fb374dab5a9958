"""What OpenAPI is told of routes that read their body and write their answer themselves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_DEFS = "#/$defs/"


def request_body(body: type[BaseModel], *, is_required: bool = True) -> dict[str, Any]:
    """The `requestBody` of a route, whole: nothing in it refers to another place."""
    schema = body.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined = _inlined(schema, definitions)
    return {"required": is_required, "content": {"application/json": {"schema": inlined}}}


def header(name: str, description: str, example: str) -> dict[str, Any]:
    """A header that a route reads."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "examples": [example]},
    }


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    target = node.get("$ref", "")
    rest = {key: _inlined(value, definitions) for key, value in node.items() if key != "$ref"}
    if not target:
        return rest
    return {**_inlined(definitions[target.removeprefix(_DEFS)], definitions), **rest}
