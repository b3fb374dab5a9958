"""Where a provider is reached, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from coccinelle.foundation.settings import OPENROUTER_URL

StructuredMode = Literal["json_schema", "tool", "plain"]


@dataclass(frozen=True)
class Endpoint:
    """One base URL and one key.

    Args:
        base_url: up to and including the version, such as `https://openrouter.ai/api/v1`.
        api_key: sent as a bearer token; None for local servers that want none.
        name: what logs, calls, prices and breakers call it.
        headers: further headers of every request.
        extras: further fields of every chat request's body.
        structured: how a JSON answer is asked for first; a refusal steps down to the next mode.
        max_tokens_field: `max_completion_tokens` for models that no longer accept `max_tokens`.
        free: a local server, whose tokens cost nothing.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    name: str = "default"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    extras: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    structured: StructuredMode = "json_schema"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    free: bool = False


def openrouter(api_key: str, *, site_url: str, title: str = "Coccinelle") -> Endpoint:
    """OpenRouter, named in its own headers and asked for the cost of each call.

    Source: OpenRouter's API reference, "App attribution" and "Usage accounting".
    """
    return Endpoint(
        base_url=OPENROUTER_URL,
        api_key=api_key,
        name="openrouter",
        headers={"HTTP-Referer": site_url, "X-Title": title},
        extras={"usage": {"include": True}},
    )


@dataclass(frozen=True)
class Deadlines:
    """How long a language model may take: to its first words, between words, and in all."""

    first_token_seconds: float = 8.0
    gap_seconds: float = 10.0
    total_seconds: float = 45.0
