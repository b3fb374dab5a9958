"""Settings as they are shown: name, value or default, bounds, description; secrets masked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from coccinelle.foundation.settings import Settings, environment_name

_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


@dataclass(frozen=True)
class Knob:
    """One setting."""

    variable: str
    value: str
    default: str
    is_set: bool
    bounds: str
    description: str


def described(settings: Settings) -> Iterator[Knob]:
    """Every setting, in the order in which they are written."""
    for name, field in Settings.model_fields.items():
        variable = environment_name(name)
        yield Knob(
            variable=variable,
            value=_shown(getattr(settings, name)),
            default=_shown(field.default),
            is_set=bool(os.environ.get(variable)),
            bounds=_bounds(field),
            description=field.description or "",
        )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return "********"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(field: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    patterns = [rule.pattern for rule in field.metadata if getattr(rule, "pattern", None)]
    choices = [str(pattern).strip("^$()").replace("|", ", ") for pattern in patterns]
    return ", ".join([*found, *choices])
