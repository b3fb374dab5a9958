"""A validated object out of a language model: asked for, checked, repaired once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import pydantic
from pydantic_core import from_json

from coccinelle.providers.language.failover import Failover
from coccinelle.providers.language.model import (
    ChatMessage,
    JsonSchema,
    LanguageModel,
    ModelCall,
    ModelFailed,
    Prompt,
)

T = TypeVar("T", bound=pydantic.BaseModel)

SHOWN_CHARACTERS = 4000
KEPT_SCHEMAS = 256
_FENCED = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


async def ask(
    model: LanguageModel,
    prompt: Prompt,
    schema_type: type[T],
    *,
    calls: list[ModelCall],
    until: float | None = None,
) -> T:
    """The model's answer as a `schema_type`, valid.

    An answer that is not valid is shown to the model once with what is wrong; then the next model
    of a `Failover` is asked. Nobody is asked anything once `until` has passed.

    Raises:
        ModelFailed: no model gave a valid answer (`invalid_output`), or none answered.
    """
    schema = schema_of(schema_type)
    candidates = model.models if isinstance(model, Failover) else (model,)
    end_at = model.latest(until) if isinstance(model, Failover) else until
    last: ModelFailed | None = None
    for candidate in candidates:
        if _is_over(end_at):
            break
        try:
            return await _ask_one(candidate, prompt, schema, schema_type, calls=calls, until=end_at)
        except ModelFailed as error:
            last = error
    if last is not None and len(candidates) == 1:
        raise last
    raise ModelFailed("all_models_failed") from last


async def _ask_one(
    model: LanguageModel,
    prompt: Prompt,
    schema: JsonSchema,
    schema_type: type[T],
    *,
    calls: list[ModelCall],
    until: float | None,
) -> T:
    text = await model.complete(prompt, schema=schema, calls=calls, until=until)
    try:
        return parse(text, schema_type)
    except ValueError as error:
        if _is_over(until):
            raise _invalid(text) from error
        repair = _shown(prompt, text, error)
    text = await model.complete(repair, schema=schema, calls=calls, until=until)
    try:
        return parse(text, schema_type)
    except ValueError as error:
        raise _invalid(text) from error


def _invalid(text: str) -> ModelFailed:
    return ModelFailed("invalid_output", detail=text[:300])


def _is_over(until: float | None) -> bool:
    return until is not None and asyncio.get_running_loop().time() >= until


def parse(text: str, schema_type: type[T]) -> T:
    """The JSON object in `text`, alone or in one code fence; NaN and NUL are refused.

    Raises:
        ValueError: it is not JSON, or not a `schema_type` (pydantic's strict JSON rules).
    """
    fenced = _FENCED.match(text)
    body = fenced[1] if fenced else text
    from_json(body, allow_inf_nan=False)
    if "\0" in body or "\\u0000" in body:
        raise ValueError("a NUL character is not allowed")
    return schema_type.model_validate_json(body, strict=True)


@lru_cache(maxsize=KEPT_SCHEMAS)
def schema_of(schema_type: type[pydantic.BaseModel]) -> JsonSchema:
    """The JSON schema that strict structured output wants: every field required, no other.

    Made once for each type, and shared: not to be changed.
    """
    strict = _strict(schema_type.model_json_schema())
    assert isinstance(strict, dict)  # noqa: S101
    return JsonSchema(schema_type.__name__, strict)


def _strict(node: object) -> object:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    strict = {key: _strict(value) for key, value in node.items() if key != "default"}
    properties = node.get("properties")
    if node.get("type") == "object" and isinstance(properties, Mapping):
        strict["properties"] = {name: _strict(value) for name, value in properties.items()}
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
    return strict


def _shown(prompt: Prompt, text: str, error: ValueError) -> Prompt:
    complaint = (
        f"That is not valid: {_reason(error)}\n"
        "Answer again with the corrected JSON object only, without any other text."
    )
    said = ChatMessage("assistant", text[:SHOWN_CHARACTERS])
    return replace(prompt, messages=(*prompt.messages, said, ChatMessage("user", complaint)))


def _reason(error: ValueError) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in wrong[:5])
