"""What was said, what was asked of us, and the state of the turn that answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from coccinelle.foundation.ids import (
    AgentId,
    AgentVersionId,
    ChunkId,
    ConversationId,
    CustomerId,
    TenantId,
    TurnId,
)

Channel = Literal["chat_v2", "webhook_v1", "openai", "cli"]
Author = Literal["customer", "agent", "person"]
Outcome = Literal["answered", "escalated", "handed_over", "interrupted", "failed"]
State = Literal["accepted", "answering"] | Outcome
StepName = Literal["admit", "route", "retrieve", "generate", "record"]

OPEN_STATES = ("accepted", "answering")


@dataclass(frozen=True)
class Message:
    """One thing said, oldest first in any list."""

    author: Author
    text: str


@dataclass(frozen=True)
class Source:
    """A passage as it is shown under an answer."""

    title: str
    url: str | None
    score: float


def first_name(name: str) -> str:
    """What customers call a person of the business."""
    return (name.split() or [""])[0]


def distinct(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Each title and address once, the first of them: four lines of a table are one source."""
    found: dict[tuple[str, str | None], Source] = {}
    for source in sources:
        found.setdefault((source.title, source.url), source)
    return tuple(found.values())


@dataclass(frozen=True)
class Limits:
    """What one customer, one conversation and one address may send, and how long things live.

    `turn_seconds` is the longest that a turn waits and is answered, all together.
    """

    window_seconds: int = 60
    messages: int = 10
    address_messages: int = 60
    waiting: int = 3
    lease_seconds: int = 15
    turn_seconds: float = 80.0
    idempotency_hours: int = 24
    history_messages: int = 20


@dataclass(frozen=True)
class Arrival:
    """A customer's message, as it asks to be admitted.

    `message_key` identifies a message that may be sent twice; `address` is None for a caller who
    is exempt from the limit per address.
    """

    tenant_id: TenantId
    channel: Channel
    user_id: str
    conversation_id: str
    text: str
    message_key: str | None = None
    address: str | None = None

    @property
    def conversation_uuid(self) -> ConversationId:
        """Ours, derived from the client's, so that it is the same whatever contract carries it."""
        return ConversationId(uuid5(self.tenant_id, f"conversation:{self.conversation_id}"))

    @property
    def customer_uuid(self) -> CustomerId:
        """The id that a customer first seen under this `user_id` gets."""
        return CustomerId(uuid5(self.tenant_id, f"customer:{self.user_id}"))


@dataclass(frozen=True)
class Context:
    """What was said before a turn, newest last, and where the conversation stands.

    While a hand-off is claimed, a person answers and no agent does.
    """

    history: tuple[Message, ...] = ()
    customer_messages: int = 0
    last_agent_id: AgentId | None = None
    last_outcome: Outcome | None = None
    handoff_open: bool = False
    handoff_claimed: bool = False


@dataclass(frozen=True)
class Admitted:
    """A turn that is ours to answer; `waiting` when an earlier one of the conversation is open.

    It is ours for as long as the turn's row has our `lease_id`.
    """

    turn_id: TurnId
    conversation_id: ConversationId
    seq: int
    lease_id: UUID
    waiting: bool
    context: Context


@dataclass(frozen=True)
class Repeated:
    """The message was sent before: this is its turn."""

    turn_id: TurnId
    state: State


@dataclass(frozen=True)
class UsedPassage:
    """A passage that a turn was answered from."""

    chunk_id: ChunkId
    title: str
    url: str | None
    score: float
    cited: bool


@dataclass(frozen=True)
class Step:
    """A timed part of a turn, in milliseconds from its start.

    All but `record` are in the turn's row, which is written before the record has ended.
    """

    step: StepName
    started_ms: int
    duration_ms: int


@dataclass(frozen=True)
class CallRecord:
    """One request to a language model, also one that failed."""

    task: str
    provider: str
    model: str
    outcome: str
    first_token_ms: int | None
    duration_ms: int
    prompt_tokens: int
    completion_tokens: int
    cost_microeur: int
    estimated: bool


@dataclass
class Draft:
    """A turn in the making: what will be recorded, whenever it ends."""

    turn_id: TurnId
    conversation_id: ConversationId
    seq: int
    lease_id: UUID
    outcome: Outcome = "interrupted"
    failure_code: str | None = None
    text: str = ""
    agent_id: AgentId | None = None
    agent_version_id: AgentVersionId | None = None
    confidence: float | None = None
    reason: str | None = None
    route_method: str | None = None
    route_scores: dict[str, float] = field(default_factory=dict)
    search_question: str | None = None
    best_score: float | None = None
    answer_threshold: float | None = None
    loop_detected: bool = False
    gap_question: str | None = None
    first_text_ms: int | None = None
    latency_ms: int = 0
    finished_at: datetime | None = None
    steps: list[Step] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    passages: list[UsedPassage] = field(default_factory=list)


@dataclass(frozen=True)
class StoredTurn:
    """A finished turn as it is told again."""

    id: TurnId
    conversation_external_id: str
    state: State
    failure_code: str | None
    text: str | None
    agent_id: AgentId | None
    agent_key: str | None
    agent_name: str | None
    legacy_type: Literal["creation", "automation"] | None
    confidence: float | None
    reason: str | None
    variant: Literal["baseline", "candidate"]
    loop_detected: bool
    finished_at: datetime | None
    handoff_open: bool
    company_name: str
    locale: str


@dataclass(frozen=True)
class HistoryItem:
    """A line of a conversation as a widget that reloads shows it."""

    id: UUID
    seq: int
    author: Author
    text: str
    turn_id: TurnId | None
    agent: str | None
    name: str | None
    outcome: State | None
    feedback: int | None
    created_at: datetime
