"""What chat v2 accepts and gives, as pydantic sees it: validation, and its OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from coccinelle.engine.model import TurnResult
from coccinelle.foundation.clock import rfc3339

MAX_ID_CHARS = 128
MAX_COMMENT_CHARS = 2000
MAX_IDENTITY_CHARS = 200

ClientId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _not_boolean(value: object) -> object:
    """JSON's true is not the number 1, whatever Python thinks."""
    if isinstance(value, bool):
        raise PydanticCustomError("not_one_of", "not a score", {"expected": "1, -1"})
    return value


Score = Annotated[Literal[1, -1], BeforeValidator(_not_boolean)]


class ChatIn(BaseModel):
    """A customer's message. Other keys are ignored."""

    user_id: ClientId = Field(
        description="The customer, by an id that the client made up.", examples=["u-42"]
    )
    conversation_id: ClientId = Field(
        description="The conversation, by an id that the client made up. It belongs to `user_id`.",
        examples=["c-7"],
    )
    message: Said = Field(
        description="What the customer says; trimmed.",
        examples=["Comment automatiser mes emails de bienvenue?"],
    )
    timestamp: str | None = Field(
        None,
        max_length=64,
        description="When the client sent it; kept by nobody.",
        examples=["2026-11-03T12:00:00Z"],
    )
    message_id: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Made up by the client: the same one again gets the same answer, for 24 hours.",
        examples=["8f1c2a64-5a0e-4b9e-9d8e-0f6f5f2f7a11"],
    )


class SourceOut(BaseModel):
    """A passage that an answer was made from."""

    title: str = Field(description="Title of the document.", examples=["Séquence de bienvenue"])
    url: str | None = Field(
        description="Where it is published, if it is.",
        examples=["https://example.com/bienvenue"],
    )
    score: float = Field(description="How well it fits the question, 0 to 1.", examples=[0.81])


class ChatOut(BaseModel):
    """The answer."""

    conversation_id: str = Field(description="As it was sent.", examples=["c-7"])
    message: str = Field(
        description="The answer's text; empty while a person takes care of the conversation.",
        examples=["Commencez par…"],
    )
    agent: str = Field(
        description="Key of the agent that answers, or `escalate`: the text offers a person.",
        examples=["audrey"],
    )
    confidence: float = Field(description="How sure the route is, 0 to 1.", examples=[0.93])
    reasoning: str = Field(description="Why this agent.", examples=["Question sur les e-mails."])
    timestamp: datetime = Field(
        description="When the answer was complete.", examples=["2026-11-03T12:00:02.114Z"]
    )
    turn_id: UUID = Field(
        description="Names the answer, for feedback.",
        examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8877"],
    )
    sources: list[SourceOut] = Field(
        description="The passages that the answer cites.",
        examples=[
            [
                {
                    "title": "Séquence de bienvenue",
                    "url": "https://example.com/bienvenue",
                    "score": 0.81,
                }
            ]
        ],
    )
    handoff: bool = Field(
        description="True while a person is being asked for, or has come.", examples=[False]
    )
    outcome: Literal["answered", "escalated", "handed_over", "interrupted"] = Field(
        description=(
            "What became of the message: `handed_over`: a person of the business reads it, and no"
            " agent answers."
        ),
        examples=["answered"],
    )
    variant: Literal["baseline", "candidate"] = Field(
        description="Which side of a rollout answered.", examples=["candidate"]
    )
    interrupted: Literal[True] | None = Field(
        None,
        description="True when the client was gone before the text was whole; else left out.",
        examples=[True],
    )


class HistoryItemOut(BaseModel):
    """One thing that was said."""

    id: UUID = Field(description="The message.", examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8878"])
    seq: int = Field(description="Its place in the conversation; some are left out.", examples=[2])
    author: Literal["customer", "agent", "person"] = Field(
        description="Who said it: the customer, an agent, or a person of the business.",
        examples=["agent"],
    )
    text: str = Field(description="What was said.", examples=["Commencez par…"])
    timestamp: datetime = Field(description="When.", examples=["2026-11-03T12:00:02.114Z"])
    turn_id: UUID | None = Field(
        description="The turn that it is part of.",
        examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8877"],
    )
    agent: str | None = Field(
        description="Key of the agent, or `escalate`; only of an agent's message.",
        examples=["audrey"],
    )
    name: str | None = Field(
        description="Name of the agent, or first name of the person, if they are known.",
        examples=["Audrey"],
    )
    outcome: str | None = Field(description="State of the turn.", examples=["answered"])
    feedback: Literal[1, -1] | None = Field(
        description="What the customer thought of it.", examples=[1]
    )
    sources: list[SourceOut] = Field(
        description="The passages that it cites.",
        examples=[
            [
                {
                    "title": "Séquence de bienvenue",
                    "url": "https://example.com/bienvenue",
                    "score": 0.81,
                }
            ]
        ],
    )


class HistoryOut(BaseModel):
    """A conversation, oldest first."""

    items: list[HistoryItemOut] = Field(description="What was said.", examples=[[]])
    next_cursor: str | None = Field(
        description="Give it as `cursor` to go on; null at the end.", examples=["50"]
    )
    handoff: bool = Field(
        description="Whether a hand-off is open: a person was asked for, or has come.",
        examples=[True],
    )
    handoff_state: Literal["open", "claimed"] | None = Field(
        description="`open`: nobody has come yet; `claimed`: a person has, and no agent answers.",
        examples=["claimed"],
    )
    person: str | None = Field(
        description="First name of the person who has come, if it is known.", examples=["Léa"]
    )


class HandoffIn(BaseModel):
    """How a person can reach the customer. All of it may be left out."""

    email: str | None = Field(
        None, max_length=254, description="E-mail address.", examples=["lea@example.com"]
    )
    phone: str | None = Field(
        None, max_length=32, description="Phone number.", examples=["06 12 34 56 78"]
    )
    note: str | None = Field(
        None,
        max_length=2000,
        description="What the customer adds.",
        examples=["Plutôt le matin, merci."],
    )


class HandoffOut(BaseModel):
    """The open hand-off."""

    id: UUID = Field(description="The hand-off.", examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8879"])
    conversation_id: str = Field(description="The conversation.", examples=["c-7"])
    status: Literal["open"] = Field(description="Always `open`.", examples=["open"])


class IdentityIn(BaseModel):
    """Who the visitor is, and the proof that the page's own server signed it."""

    id: str = Field(
        min_length=1,
        max_length=MAX_IDENTITY_CHARS,
        description="The visitor's id in the business's own system.",
        examples=["client-4812"],
    )
    email: str | None = Field(
        None,
        max_length=254,
        description="E-mail address. Shown as what the page says: the proof is of `id` alone.",
        examples=["lea@example.com"],
    )
    hmac: str = Field(
        min_length=64,
        max_length=64,
        pattern="^[0-9a-fA-F]{64}$",
        description=(
            "HMAC-SHA256 of `id` with the identity secret of the public key, in lower-case"
            " hexadecimal."
        ),
        examples=["b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"],
    )


class IdentityOut(BaseModel):
    """Who the conversation's visitor is known to be."""

    id: str = Field(description="As it was proven.", examples=["client-4812"])
    email: str | None = Field(
        description="As the page says it; null when it says none.", examples=["lea@example.com"]
    )


class FeedbackIn(BaseModel):
    """What a customer thinks of an answer."""

    score: Score = Field(description="1: it helped; -1: it did not.", examples=[1])
    comment: str | None = Field(
        None,
        max_length=MAX_COMMENT_CHARS,
        description="Why, in their words.",
        examples=["Exactement ce qu'il me fallait."],
    )


class FeedbackOut(FeedbackIn):
    """The feedback as it is kept; a later one replaces it."""

    turn_id: UUID = Field(
        description="The answer.", examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8877"]
    )


class RateLimitOut(BaseModel):
    """How many messages may be sent now."""

    allowed: bool = Field(description="Whether one more is accepted now.", examples=[True])
    remaining: int = Field(description="How many more are accepted now.", examples=[7])
    limit: int = Field(description="How many a window holds.", examples=[10])
    window_seconds: int = Field(description="Width of the sliding window.", examples=[60])


def answer_of(result: TurnResult) -> dict[str, Any]:
    """A finished turn as `ChatOut`."""
    answer: dict[str, Any] = {
        "conversation_id": result.conversation_id,
        "message": result.text,
        "agent": result.agent,
        "confidence": round(result.confidence, 4),
        "reasoning": result.reason,
        "timestamp": rfc3339(result.finished_at),
        "turn_id": str(result.turn_id),
        "sources": [
            {"title": s.title, "url": s.url, "score": round(s.score, 4)} for s in result.sources
        ],
        "handoff": result.handoff,
        "outcome": result.outcome,
        "variant": result.variant,
    }
    if result.interrupted:
        answer["interrupted"] = True
    return answer
