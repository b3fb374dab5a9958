"""An agent as it answers now, and the configuration that a version freezes."""

from __future__ import annotations

from dataclasses import dataclass
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
Setting = str | int | float | bool


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
