"""Agents as an owner writes them: a TOML file with one `[[agents]]` table each."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from coccinelle.agents.model import RESERVED_KEYS, Configuration
from coccinelle.foundation.errors import FieldError, Invalid

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


def _unreserved(key: str) -> str:
    if key in RESERVED_KEYS:
        raise ValueError("a reserved key")
    return key


Key = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"),
    AfterValidator(_unreserved),
]


class WrittenAgent(BaseModel):
    """One agent of the file. At least eight examples let it be found without a routing model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    description: Text
    persona: Text
    greeting: Text
    fallback_message: Text
    composer_intro: Text
    language: Literal["fr", "en"] = "fr"
    keywords: Annotated[tuple[Line, ...], Field(max_length=200)] = ()
    examples: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    models: tuple[Line, ...] = ()
    temperature: float = Field(0.3, ge=0, le=2)
    legacy_type: Literal["creation", "automation"] | None = None

    def configuration(self, known: Configuration | None = None) -> Configuration:
        """What a version of the agent freezes; of `known`, what a file does not say."""
        written = self.model_dump(exclude={"key"})
        return Configuration(**written) if known is None else replace(known, **written)


class _File(BaseModel):
    agents: Annotated[tuple[WrittenAgent, ...], Field(min_length=1, max_length=50)]


def read(text: str) -> tuple[WrittenAgent, ...]:
    """The agents of a file, in their order; its other tables are somebody else's.

    Raises:
        Invalid: it is not TOML, or an agent lacks something; says what and where.
    """
    try:
        return _File.model_validate(tomllib.loads(text)).agents
    except tomllib.TOMLDecodeError as error:
        raise Invalid("agents_file_not_toml", place=str(error)) from error
    except ValidationError as error:
        places = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        fields = tuple(FieldError(place, "agents_file_field") for place in places)
        raise Invalid("agents_file_invalid", fields, places=", ".join(places)) from error
