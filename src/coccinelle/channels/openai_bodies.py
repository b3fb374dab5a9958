"""Chat completions as OpenAI's clients write and read them; the protocol's own names throughout.

Source: the OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from coccinelle.channels.chat_v2_bodies import MAX_ID_CHARS, SourceOut

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_CHARS)]


def _not_boolean(value: object) -> object:
    """JSON's true is not the number 1, whatever Python thinks."""
    if isinstance(value, bool):
        raise PydanticCustomError("not_one_of", "not a number", {"expected": "1"})
    return value


One = Annotated[Literal[1], BeforeValidator(_not_boolean)]


class PartIn(BaseModel):
    """A part of a message."""

    type: str = Field(description="Only `text` is read.", examples=["text"])
    text: str = Field("", description="What it says.", examples=["Bonjour"])


class MessageIn(BaseModel):
    """A message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(
        description="Who said it; only `user` and `assistant` messages are read.",
        examples=["user"],
    )
    content: str | list[PartIn] | None = Field(
        None, description="What was said.", examples=["Comment automatiser mes emails ?"]
    )


class StreamOptionsIn(BaseModel):
    """How to stream."""

    include_usage: StrictBool = Field(False, description="End with the usage.", examples=[True])


class MetadataIn(BaseModel):
    """What a client adds. Other keys are ignored."""

    conversation_id: Name | None = Field(
        None, description="The conversation to go on with.", examples=["c-7"]
    )


class CompletionIn(BaseModel):
    """A chat completion to create. Other parameters are ignored: the agent's own settings hold."""

    model: Name = Field(
        description="Key of an agent, or `auto` for the orchestrator.", examples=["auto"]
    )
    messages: list[MessageIn] = Field(
        min_length=1,
        max_length=1000,
        description="The last user message is the turn; earlier ones are context, and not kept.",
        examples=[[{"role": "user", "content": "Comment automatiser mes emails ?"}]],
    )
    stream: StrictBool | None = Field(
        None, description="Send the answer as it is written.", examples=[True]
    )
    stream_options: StreamOptionsIn | None = Field(
        None, description="How to stream.", examples=[{"include_usage": True}]
    )
    user: Name | None = Field(None, description="The customer.", examples=["u-42"])
    metadata: MetadataIn | None = Field(
        None, description="What the client adds.", examples=[{"conversation_id": "c-7"}]
    )
    n: One | None = Field(None, description="One answer at a time.", examples=[1])


class AnswerOut(BaseModel):
    """What the agent says."""

    role: Literal["assistant"] = Field(description="Always `assistant`.", examples=["assistant"])
    content: str = Field(description="The answer's text.", examples=["Commencez par…"])
    refusal: None = Field(None, description="Always null.", examples=[None])


class ChoiceOut(BaseModel):
    """The one answer."""

    index: int = Field(description="Always 0.", examples=[0])
    message: AnswerOut = Field(
        description="The answer.", examples=[{"role": "assistant", "content": "Commencez par…"}]
    )
    finish_reason: Literal["stop", "length"] = Field(
        description="`length`: it was interrupted.", examples=["stop"]
    )
    logprobs: None = Field(None, description="Always null.", examples=[None])


class UsageOut(BaseModel):
    """Tokens of the language models; 0 when none was called."""

    prompt_tokens: int = Field(description="Tokens read.", examples=[812])
    completion_tokens: int = Field(description="Tokens written.", examples=[164])
    total_tokens: int = Field(description="Both.", examples=[976])


class CompletionOut(BaseModel):
    """A chat completion."""

    id: str = Field(description="`chatcmpl-` and the turn.", examples=["chatcmpl-0193a5c27b6a"])
    object: Literal["chat.completion"] = Field(
        description="Always `chat.completion`.", examples=["chat.completion"]
    )
    created: int = Field(description="Unix seconds.", examples=[1_762_171_202])
    model: str = Field(description="As it was asked for.", examples=["auto"])
    choices: list[ChoiceOut] = Field(description="One.", examples=[[]])
    usage: UsageOut = Field(
        description="Tokens.",
        examples=[{"prompt_tokens": 812, "completion_tokens": 164, "total_tokens": 976}],
    )
    agent: str = Field(description="Key of the agent, or `escalate`.", examples=["audrey"])
    conversation_id: str = Field(description="The conversation.", examples=["c-7"])
    handoff: bool = Field(description="True while a person is being asked for.", examples=[False])
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


class ModelOut(BaseModel):
    """An agent, as a model."""

    id: str = Field(description="Key of the agent, or `auto`.", examples=["audrey"])
    object: Literal["model"] = Field(description="Always `model`.", examples=["model"])
    created: int = Field(description="Always 0.", examples=[0])
    owned_by: str = Field(description="Always `coccinelle`.", examples=["coccinelle"])


class ModelsOut(BaseModel):
    """The agents of the business."""

    object: Literal["list"] = Field(description="Always `list`.", examples=["list"])
    data: list[ModelOut] = Field(description="`auto` first.", examples=[[]])


class OpenAiError(BaseModel):
    """What went wrong."""

    message: str = Field(description="In words.", examples=["Cette clé n'existe pas."])
    type: str = Field(description="Kind of error.", examples=["invalid_request_error"])
    param: str | None = Field(description="The field that is wrong.", examples=["messages"])
    code: str = Field(description="Stable, for programs.", examples=["api_key_unknown"])


class OpenAiErrorOut(BaseModel):
    """A refusal, in OpenAI's shape."""

    error: OpenAiError = Field(
        description="The error.",
        examples=[
            {
                "message": "Ce champ est obligatoire.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "required",
            }
        ],
    )


def text_of(message: MessageIn) -> str | None:
    """What a message says, trimmed; None when part of it is not text."""
    if message.content is None or isinstance(message.content, str):
        return (message.content or "").strip()
    if any(part.type != "text" for part in message.content):
        return None
    return "\n".join(part.text for part in message.content).strip()


def model_out(key: str) -> dict[str, Any]:
    """An agent's key as a model."""
    return {"id": key, "object": "model", "created": 0, "owned_by": "coccinelle"}
