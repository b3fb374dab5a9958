"""What customers of a sector are likely to ask, and the topics that a passage may speak of."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge.facts.lines import folded

ANY_SECTOR = "generaliste"
PRICE = "price"


@dataclass(frozen=True)
class Topic:
    """Something that customers ask about; `cues` tell a passage that speaks of it.

    A topic with a `fact` is covered where a fact of that kind was read, too.
    """

    key: str
    label: dict[str, str]
    cues: tuple[re.Pattern[str], ...] = ()
    fact: str | None = None

    def speaks(self, text: str) -> bool:
        """Whether a text speaks of it, by its words."""
        plain = folded(text)
        return any(cue.search(plain) for cue in self.cues)


@dataclass(frozen=True)
class PackQuestion:
    """A likely question; `about` is the service whose price is asked."""

    topic: str
    texts: dict[str, str]
    about: str = ""

    def text(self, locale: Locale) -> str:
        """The question as a customer asks it."""
        return self.texts[locale]


@cache
def topics() -> dict[str, Topic]:
    """Every topic by its key."""
    written = tomllib.loads(_read("topics.toml"))
    return {
        key: Topic(
            key, one["label"], tuple(re.compile(cue) for cue in one["cues"]), one.get("fact")
        )
        for key, one in written.items()
    }


@cache
def pack(sector: str | None) -> tuple[PackQuestion, ...]:
    """The sector's questions, the most important first; those of any business where there is no
    such sector."""
    known = sector if sector in sectors() else ANY_SECTOR
    return tuple(
        PackQuestion(one["topic"], {"fr": one["fr"], "en": one["en"]}, one.get("about", ""))
        for one in tomllib.loads(_read("packs", f"{known}.toml"))["questions"]
    )


@cache
def sectors() -> frozenset[str]:
    """The sectors that have a pack."""
    folder = resources.files(__package__) / "packs"
    return frozenset(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def _read(*parts: str) -> str:
    return resources.files(__package__).joinpath(*parts).read_text("utf-8")
