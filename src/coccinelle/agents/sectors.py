"""What a business does: fourteen sectors, the names people give them, and what each begins with."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

GENERAL = "generaliste"

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class DefaultHours:
    """A range of opening hours: an ISO weekday, local times as `09:00`."""

    weekday: int
    opens: str
    closes: str


@dataclass(frozen=True)
class Sector:
    """A sector. `label`, `wording` (what such a business is) and `staff` are by language."""

    key: str
    label: Mapping[str, str]
    wording: Mapping[str, str]
    staff: Mapping[str, tuple[str, ...]]
    aliases: tuple[str, ...]
    hours: tuple[DefaultHours, ...]
    closes_on_public_holidays: bool | None


def sector_of(said: str) -> Sector:
    """The sector that a person means, by its key or another name; `generaliste` if unknown."""
    return sectors()[_names().get(_folded(said), GENERAL)]


@cache
def sectors() -> dict[str, Sector]:
    """Every sector by its key, in the order in which they are shown."""
    text = resources.files("coccinelle.agents").joinpath("sectors.toml").read_text("utf-8")
    return {key: _sector(key, written) for key, written in tomllib.loads(text).items()}


@cache
def _names() -> dict[str, str]:
    found: dict[str, str] = {}
    for sector in sectors().values():
        for name in (sector.key, *sector.label.values(), *sector.aliases):
            found.setdefault(_folded(name), sector.key)
    return found


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _NOT_A_WORD.sub(" ", plain.encode("ascii", "ignore").decode()).strip()


def _sector(key: str, written: Mapping[str, Any]) -> Sector:
    return Sector(
        key,
        written["label"],
        written["wording"],
        {language: tuple(names) for language, names in written["staff"].items()},
        tuple(written["aliases"]),
        tuple(_hours(written["hours"])),
        written.get("closes_on_public_holidays"),
    )


def _hours(written: Mapping[str, list[str]]) -> list[DefaultHours]:
    found = []
    for days, ranges in written.items():
        first, _, last = days.partition("-")
        for weekday in range(int(first), int(last or first) + 1):
            found += [DefaultHours(weekday, *times.split("-")) for times in ranges]
    return found
