"""An agent as it answers now, and the configuration that a version freezes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coccinelle.foundation.ids import AgentId, AgentVersionId

LegacyType = Literal["creation", "automation"]


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
