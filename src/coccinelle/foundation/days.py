"""A day as addresses and forms write it."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _only_a_day(value: object) -> object:
    """As JSON writes it (`2026-11-03`), and nothing else that could be taken for one."""
    if isinstance(value, str) and not _WRITTEN.fullmatch(value):
        raise PydanticCustomError("bad_day", "A day is written 2026-11-03.")
    return value


WrittenDay = Annotated[date, BeforeValidator(_only_a_day)]
