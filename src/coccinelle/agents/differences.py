"""What differs between two configurations, field by field and word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from coccinelle.agents.model import Configuration, Voice

Kind = Literal["same", "added", "removed"]

# In the order in which people read them.
FIELDS = (
    "name",
    "greeting",
    "persona",
    "description",
    "examples",
    "keywords",
    "language",
    "fallback_message",
    "composer_intro",
    "voice",
    "models",
    "temperature",
    "type",
    "legacy_type",
    "enable_appointments",
    "enable_products",
)
# Comparing takes the product of both lengths: longer texts are told apart by lines, or as wholes.
MAX_PARTS = 2_000

_WORDS = re.compile(r"\w+\s*|[^\s\w]\s*|\s+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class Piece:
    """Some text that both have, or one of them."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Difference:
    """A field that is not the same; a list is a text of one line an item."""

    field: str
    before: str
    after: str
    is_list: bool = False

    @property
    def pieces(self) -> list[Piece]:
        """From one to the other: words of a text, whole lines of a list."""
        if self.is_list:
            return _told(*_within_reason(_lines(self.before), _lines(self.after)))
        return compared(self.before, self.after)


def differences(before: Configuration, after: Configuration) -> list[Difference]:
    """Each field that differs, in the order in which people read them; none: they say the same."""
    return [
        Difference(
            name,
            _written(before, name),
            _written(after, name),
            is_list=isinstance(getattr(before, name), tuple),
        )
        for name in FIELDS
        if getattr(before, name) != getattr(after, name)
    ]


def compared(before: str, after: str) -> list[Piece]:
    """The words of both texts in their order, neighbours of one kind as one piece."""
    return _told(*_parts(before, after))


def _told(one: Sequence[str], other: Sequence[str]) -> list[Piece]:
    found: list[Piece] = []
    for is_same, (start, end), (start_after, end_after) in _ranges(one, other):
        if is_same:
            found.append(_piece("same", one[start:end]))
        else:
            found.append(_piece("removed", one[start:end]))
            found.append(_piece("added", other[start_after:end_after]))
    return [piece for piece in found if piece.text]


def _ranges(
    one: Sequence[str], other: Sequence[str]
) -> Iterator[tuple[bool, tuple[int, int], tuple[int, int]]]:
    """What follows what in both, and whether it is the same.

    A word at every second place would take the cube of the length, so that everybody waits for
    seconds: those that the longer text is full of only join what stands beside them.
    """
    is_shorter = len(other) < len(one)
    pair = (other, one) if is_shorter else (one, other)
    for kind, start, end, start_b, end_b in SequenceMatcher(None, *pair).get_opcodes():
        ranges = (start, end), (start_b, end_b)
        yield kind == "equal", *(ranges[::-1] if is_shorter else ranges)


def _parts(before: str, after: str) -> tuple[list[str], list[str]]:
    for parts in (_WORDS, _LINES):
        one, other = parts.findall(before), parts.findall(after)
        if len(one) + len(other) <= MAX_PARTS:
            return one, other
    return [before], [after]


def _within_reason(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    if len(one) + len(other) <= MAX_PARTS:
        return one, other
    return ["".join(one)], ["".join(other)]


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.splitlines()]


def _piece(kind: Kind, parts: Sequence[str]) -> Piece:
    return Piece(kind, "".join(parts))


def _written(configuration: Configuration, name: str) -> str:
    value = getattr(configuration, name)
    if isinstance(value, Voice):
        own = (f"{key}={setting}" for key, setting in value.settings)
        return "\n".join([f"{value.provider}: {value.id}", value.language, *own])
    if isinstance(value, tuple):
        return "\n".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
