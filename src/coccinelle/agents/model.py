"""An agent as it answers now, and the configuration that a version freezes."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coccinelle.foundation.ids import AgentId, AgentVersionId

LegacyType = Literal["creation", "automation"]
AgentType = Literal[
    "multi_purpose",
    "real_estate_reception",
    "appointment_booking",
    "phone_reception",
    "customer_support",
    "custom",
]
State = Literal["live", "new", "retired"]
Setting = str | int | float | bool

MAX_AGENTS = 50
MAX_KEY_CHARS = 40
# What an agent cannot be called: a request for `auto` is routed, a model's `escalate` is a person.
RESERVED_KEYS = frozenset({"auto", "escalate"})


@dataclass(frozen=True)
class Voice:
    """How an agent sounds. The provider `default` has two voices, `female` and `male`.

    `language` is a BCP 47 tag; `settings` are the provider's own.
    """

    provider: str = "default"
    id: str = "female"
    language: str = "fr-FR"
    settings: tuple[tuple[str, Setting], ...] = ()


@dataclass(frozen=True)
class Configuration:
    """All that a version says of an agent.

    `description`, `keywords` and `examples` are what the orchestrator reads; at least eight
    examples let it route well without a model.
    """

    name: str
    description: str
    persona: str
    greeting: str
    fallback_message: str
    composer_intro: str
    language: str = "fr"
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    temperature: float = 0.3
    legacy_type: LegacyType | None = None
    type: AgentType = "custom"
    voice: Voice = Voice()
    enable_appointments: bool = False
    enable_products: bool = False


@dataclass(frozen=True)
class Agent:
    """An agent and its live version, in the tenant's order."""

    id: AgentId
    version_id: AgentVersionId
    key: str
    position: int
    configuration: Configuration

    @property
    def name(self) -> str:
        """What customers call it."""
        return self.configuration.name


@dataclass(frozen=True)
class Version:
    """A configuration that was published, and answers or has answered; it never changes.

    `by` is the name of who published it; None where no member did. `based_on` is the number of the
    version that it was written from, where that is known.
    """

    id: AgentVersionId
    number: int
    published_at: datetime
    based_on: int | None
    by: str | None
    configuration: Configuration


@dataclass(frozen=True)
class Draft:
    """What an agent will be once it is published; no customer meets it.

    `based_on` is the number of the version that it was begun from; None for a first one.
    """

    id: AgentVersionId
    based_on: int | None
    saved_at: datetime
    by: str | None
    configuration: Configuration


@dataclass(frozen=True)
class Managed:
    """An agent as who manages it sees it: what answers, and what is being written.

    `revision` goes up with every change of it; `latest` is its newest version, live or not.
    """

    id: AgentId
    key: str
    position: int
    revision: int
    live: Version | None
    latest: Version | None
    draft: Draft | None

    @property
    def state(self) -> State:
        """Whether it answers, was never published, or answers no longer."""
        if self.live is not None:
            return "live"
        return "retired" if self.latest is not None else "new"

    @property
    def written(self) -> Configuration:
        """The draft, or where there is none what would be changed."""
        found = self.draft or self.live or self.latest
        if found is None:
            raise LookupError("an agent has a draft or a version")
        return found.configuration

    @property
    def name(self) -> str:
        """What its customers call it, or will."""
        return self.live.configuration.name if self.live else self.written.name

    def answering_as(self, configuration: Configuration) -> Agent:
        """As it would answer, were it published so."""
        found = self.draft or self.live or self.latest
        if found is None:
            raise LookupError("an agent has a draft or a version")
        return Agent(self.id, found.id, self.key, self.position, configuration)

    @property
    def is_outdated(self) -> bool:
        """Whether another version was published since the draft was begun."""
        if self.draft is None or self.latest is None:
            return False
        return self.draft.based_on != (self.live or self.latest).number


def key_of(name: str, *, taken: Collection[str]) -> str:
    """A key for an agent of this name, which is none of `taken`: `Léa` is `lea`, then `lea-2`."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    key = "-".join(words)[:MAX_KEY_CHARS].strip("-") or "assistant"
    number = 1
    while (found := key if number == 1 else f"{key}-{number}") in taken or found in RESERVED_KEYS:
        number += 1
    return found
