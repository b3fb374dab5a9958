"""What comes in, what goes out as it happens, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from coccinelle.conversations.model import Channel, Message, Outcome, Source, Step
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.ids import TenantId, TurnId

ESCALATE = "escalate"
Variant = Literal["baseline", "candidate"]


@dataclass(frozen=True)
class Inbound:
    """A customer's message as its channel understood it.

    `message_key` identifies a message that may be sent twice. `address` is the sender's network
    address, or None for a caller that the limit per address does not concern. `agent_key` asks for
    one agent instead of the orchestrator. `context` is what the client says was said before, and
    is not stored.
    """

    tenant_id: TenantId
    channel: Channel
    user_id: str
    conversation_id: str
    text: str
    message_key: str | None = None
    address: str | None = None
    agent_key: str | None = None
    context: tuple[Message, ...] = ()


@dataclass(frozen=True)
class TurnResult:
    """A finished turn, all that a channel may say of it. `agent` is a key, or `escalate`.

    While a person has claimed the conversation, nothing is said: `notice` is then for a client that
    cannot show an empty answer.
    """

    turn_id: TurnId
    conversation_id: str
    outcome: Outcome
    text: str
    agent: str
    agent_name: str | None
    legacy_type: Literal["creation", "automation"] | None
    confidence: float
    reason: str
    finished_at: datetime
    sources: tuple[Source, ...] = ()
    handoff: bool = False
    notice: str = ""
    variant: Variant = "candidate"
    loop_detected: bool = False
    steps: tuple[Step, ...] = ()
    first_text_ms: int | None = None
    latency_ms: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_microeur: int = 0
    model: str | None = None

    @property
    def interrupted(self) -> bool:
        """True when the customer was gone before the answer was whole."""
        return self.outcome == "interrupted"


@dataclass(frozen=True)
class TurnStarted:
    """The message is written; an answer will be recorded whatever happens."""

    turn_id: TurnId


@dataclass(frozen=True)
class AgentSelected:
    """Who answers, how sure the route is (0-1) and why."""

    agent: str
    name: str | None
    confidence: float
    reason: str


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the answer, checked: whole sentences."""

    text: str


@dataclass(frozen=True)
class TextReset:
    """Drop what was said so far: another model starts again."""


@dataclass(frozen=True)
class HandoffOpened:
    """The customer asked for a person, and will get one."""

    reason: str


@dataclass(frozen=True)
class TurnFinished:
    """The turn is recorded."""

    result: TurnResult


@dataclass(frozen=True)
class TurnFailed:
    """The turn is recorded as failed; the error's sentence is for the customer."""

    turn_id: TurnId
    error: CoccinelleError


TurnEvent = (
    TurnStarted | AgentSelected | TextDelta | TextReset | HandoffOpened | TurnFinished | TurnFailed
)


@dataclass(frozen=True)
class EngineSettings:
    """The engine's knobs, as `foundation/settings.py` describes them."""

    max_tokens: int = 700
    history_tokens: int = 2000
    passages: int = 6
    exact_search_chunks: int = 10_000
    routing_seconds: float = 3.0
    route_sure_score: float = 0.30
    route_sure_lead: float = 0.05
    route_floor_score: float = 0.15
    route_keyword_bonus: float = 0.08
    route_min_confidence: float = 0.7
    loop_similarity: float = 0.70
    twin_wait_seconds: float = 45.0
    disconnect_grace_seconds: float = 10.0
    routing_head_start_ms: int = 0
