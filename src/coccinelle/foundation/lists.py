"""What every list of ours takes over HTTP: how many items, and after which."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

Limit = Annotated[
    int, Query(ge=1, le=200, description="Items in the answer, at most.", examples=[50])
]
Cursor = Annotated[
    UUID | None,
    Query(
        description="`next_cursor` of the answer before; none: the first items.",
        examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e01"],
    ),
]
