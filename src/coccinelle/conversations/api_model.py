"""What is said over HTTP of conversations and of their turns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from coccinelle.conversations.model import Author, Channel, Outcome, State, StepName
from coccinelle.conversations.reading import Conversation, Line, Turn

A_CONVERSATION = "5f1f9b1e-0b6c-5b0e-8f61-6c1d6a3c2b10"
A_MESSAGE = "5f1f9b1e-0b6c-5b0e-8f61-6c1d6a3c2b11"
A_TURN = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e51"
A_HANDOFF = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e52"
A_PLACE = "1793707380000000-5f1f9b1e0b6c5b0e8f616c1d6a3c2b10"
WHEN = "2026-11-03T12:03:00Z"


class ConversationOut(BaseModel):
    """A conversation at a glance."""

    id: UUID = Field(description="Of the conversation.", examples=[A_CONVERSATION])
    external_id: str = Field(description="As the customer's page calls it.", examples=["c-7"])
    channel: Channel = Field(description="The contract that carried it.", examples=["chat_v2"])
    user_id: str | None = Field(
        description="The customer, as their page calls them.", examples=["u-42"]
    )
    identity: str | None = Field(
        description="The customer, as the business's own site has proven.", examples=["client-4812"]
    )
    identity_email: str | None = Field(
        description="Their e-mail address, as their page says.", examples=["ana@example.com"]
    )
    agent: str | None = Field(
        description="Key of the agent that answered last.", examples=["audrey"]
    )
    agent_name: str | None = Field(
        description="What customers call that agent.", examples=["Audrey"]
    )
    first_message: str | None = Field(
        description="What the customer said first.", examples=["Quels sont vos horaires ?"]
    )
    message_count: int = Field(description="Messages, of everybody.", examples=[4])
    outcomes: list[Outcome] = Field(
        description="What its turns came to, each once.", examples=[["answered"]]
    )
    up_count: int = Field(description="Answers that the customer found useful.", examples=[1])
    down_count: int = Field(description="Answers that the customer did not.", examples=[0])
    handoff: Literal["open", "claimed"] | None = Field(
        description="Whether the customer waits for a person, or is with one.", examples=["open"]
    )
    handoff_id: UUID | None = Field(
        description="The hand-off that is not closed.", examples=[A_HANDOFF]
    )
    created_at: datetime = Field(description="When it began.", examples=["2026-11-03T12:00:00Z"])
    last_message_at: datetime = Field(description="When it was last spoken in.", examples=[WHEN])


class ConversationPage(BaseModel):
    """Some of the conversations."""

    items: list[ConversationOut] = Field(description="The one that was spoken in last, first.")
    next_cursor: str | None = Field(
        description="To ask for the items after these; none at the end.", examples=[A_PLACE]
    )


class MessageOut(BaseModel):
    """One thing said."""

    id: UUID = Field(description="Of the message.", examples=[A_MESSAGE])
    seq: int = Field(description="Its place in the conversation.", examples=[2])
    author: Author = Field(description="Who said it.", examples=["agent"])
    name: str | None = Field(
        description="The agent's name at that time, or the person's.", examples=["Audrey"]
    )
    text: str = Field(description="What was said.", examples=["De 9 h à 18 h."])
    turn_id: UUID | None = Field(
        description="The turn that it is part of: ask `GET /api/v1/turns/{turn_id}` why.",
        examples=[A_TURN],
    )
    created_at: datetime = Field(description="When it was said.", examples=[WHEN])


class ConversationRead(ConversationOut):
    """A conversation and some of what was said in it."""

    messages: list[MessageOut] = Field(description="The oldest first.")
    next_cursor: int | None = Field(
        description="To ask for the messages after these; none at the end.", examples=[50]
    )


class SourceOut(BaseModel):
    """A passage that an answer was made from, as it was shown then."""

    title: str = Field(description="Of its document.", examples=["Horaires"])
    url: str | None = Field(
        description="Where it is on the web.", examples=["https://a.example/horaires"]
    )
    score: float = Field(description="How well it answers, 0-1.", examples=[0.81])
    cited: bool = Field(description="Whether it was shown under the answer.", examples=[True])


class StepOut(BaseModel):
    """A timed part of a turn; some run side by side."""

    step: StepName = Field(description="Which.", examples=["retrieve"])
    started_ms: int = Field(description="Milliseconds from the turn's start.", examples=[12])
    duration_ms: int = Field(description="How long it took.", examples=[140])


class CallOut(BaseModel):
    """A request to a language model, also one that failed."""

    task: str = Field(description="What for.", examples=["answer"])
    provider: str = Field(description="Whose model.", examples=["openrouter.ai"])
    model: str = Field(description="Which.", examples=["mistral-small"])
    outcome: str = Field(description="`ok`, or what went wrong.", examples=["ok"])
    first_token_ms: int | None = Field(
        description="Until its first word, if there was one.", examples=[250]
    )
    duration_ms: int = Field(description="Until its last.", examples=[800])
    prompt_tokens: int = Field(description="Tokens that it was given.", examples=[900])
    completion_tokens: int = Field(description="Tokens that it wrote.", examples=[180])
    cost_microeur: int = Field(description="In millionths of a euro.", examples=[200])
    estimated: bool = Field(
        description="Whether tokens and cost are our count, for want of theirs.", examples=[False]
    )


class TurnOut(BaseModel):
    """What was done to answer a message, and why."""

    id: UUID = Field(description="Of the turn.", examples=[A_TURN])
    conversation_id: UUID = Field(description="Its conversation.", examples=[A_CONVERSATION])
    seq: int = Field(description="Place of the customer's message.", examples=[1])
    channel: Channel = Field(description="The contract that carried it.", examples=["chat_v2"])
    state: State = Field(description="What it has come to.", examples=["answered"])
    failure_code: str | None = Field(
        description="Why it failed, if it did.", examples=["answer_failed"]
    )
    agent: str | None = Field(
        description="Key of the agent that answered; none: no agent did.", examples=["audrey"]
    )
    agent_name: str | None = Field(description="Its name at that time.", examples=["Audrey"])
    agent_version: int | None = Field(description="Its version at that time.", examples=[2])
    confidence: float | None = Field(
        description="How sure the choice of the agent is, 0-1.", examples=[0.93]
    )
    reason: str | None = Field(
        description="Why this agent, or why none.", examples=["Proche des questions d'Audrey."]
    )
    route_method: str | None = Field(
        description="How the agent was chosen: forced, sticky, words, embedding, model, found, "
        "blind.",
        examples=["embedding"],
    )
    route_scores: dict[str, float] = Field(
        description="How close each agent was, by key.", examples=[{"audrey": 0.71, "carole": 0.4}]
    )
    search_question: str | None = Field(
        description="What was searched for.", examples=["Quels sont vos horaires ?"]
    )
    best_score: float | None = Field(description="Score of the best passage, 0-1.", examples=[0.81])
    answer_threshold: float | None = Field(
        description="Below this best score nothing is answered.", examples=[0.55]
    )
    first_text_ms: int | None = Field(
        description="Milliseconds until the first word.", examples=[520]
    )
    latency_ms: int | None = Field(description="Milliseconds until the end.", examples=[1070])
    prompt_tokens: int = Field(description="Tokens that models were given.", examples=[900])
    completion_tokens: int = Field(description="Tokens that models wrote.", examples=[180])
    cost_microeur: int = Field(
        description="What models cost, in millionths of a euro.", examples=[200]
    )
    accepted_at: datetime = Field(description="When the message came.", examples=[WHEN])
    finished_at: datetime | None = Field(description="When the turn ended.", examples=[WHEN])
    feedback: Literal[-1, 1] | None = Field(
        description="What the customer thought of the answer.", examples=[1]
    )
    feedback_comment: str | None = Field(description="And why.", examples=["Très clair."])
    sources: list[SourceOut] = Field(description="What it was answered from, the best first.")
    steps: list[StepOut] = Field(description="What took how long.")
    calls: list[CallOut] = Field(description="What was asked of language models.")


def conversation_out(found: Conversation) -> ConversationOut:
    """A conversation as it is told."""
    return ConversationOut.model_validate(found, from_attributes=True)


def conversation_read(
    found: Conversation, lines: list[Line], *, next_cursor: int | None
) -> ConversationRead:
    """A conversation as it is told with what was said."""
    return ConversationRead(
        **conversation_out(found).model_dump(),
        messages=[MessageOut.model_validate(line, from_attributes=True) for line in lines],
        next_cursor=next_cursor,
    )


def turn_out(turn: Turn) -> TurnOut:
    """A turn as it is told."""
    return TurnOut.model_validate(turn, from_attributes=True)
