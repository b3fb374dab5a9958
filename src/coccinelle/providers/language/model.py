"""What is said to a language model, what comes back, and what it cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from coccinelle.foundation.errors import Unavailable

Role = Literal["system", "user", "assistant"]

FailureCode = Literal[
    "unreachable",
    "disconnected",
    "server_error",
    "rate_limited",
    "unauthorized",
    "payment_required",
    "forbidden",
    "not_found",
    "bad_request",
    "first_token_timeout",
    "gap_timeout",
    "total_timeout",
    "incomplete",
    "provider_error",
    "malformed",
    "empty",
    "content_filter",
    "breaker_open",
    "key_unusable",
    "invalid_output",
    "all_models_failed",
]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt."""

    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """What a model is asked. `temperature` None leaves it to the model."""

    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float | None = None


@dataclass(frozen=True)
class JsonSchema:
    """The shape that an answer must have: a name and a JSON schema."""

    name: str
    schema: Mapping[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed. `estimated`: the tokens or their price are not the provider's own."""

    prompt_tokens: int
    completion_tokens: int
    cost_microeur: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """Drop the pieces so far: the model named here starts the answer again."""

    model: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is whole; `finish_reason` is `length` when it was cut at `max_tokens`."""

    model: str
    usage: Usage
    finish_reason: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One attempt at one model, whatever came of it.

    `outcome` is `ok`, `cancelled` (the caller hung up) or a failure's code.
    """

    task: str
    provider: str
    model: str
    started_at: datetime
    first_token_ms: float | None
    duration_ms: float
    usage: Usage
    outcome: str
    finish_reason: str | None = None


class ModelFailed(Unavailable):
    """No answer came from a language model.

    Args:
        code: what happened; `all_models_failed` when no model is left to ask.
        wait_seconds: the provider's own Retry-After, when it gave one.
        detail: the provider's words, for `pii` logs only: it may quote the prompt.

    `cut_short`: the caller's deadline ended it well before the model's own would have, so that it
    says nothing about the model.
    """

    default_code = "all_models_failed"

    def __init__(
        self, code: FailureCode, *, wait_seconds: float | None = None, detail: str = ""
    ) -> None:
        super().__init__(code)
        self.wait_seconds = wait_seconds
        self.detail = detail
        self.cut_short = False


class LanguageModel(Protocol):
    """A model, or several that stand in for each other."""

    def stream(
        self, prompt: Prompt, *, calls: list[ModelCall], until: float | None = None
    ) -> AsyncGenerator[Piece | Restarted | Completed, None]:
        """The answer as it is written: pieces, then one `Completed`.

        Every attempt is appended to `calls`, also failed and abandoned ones. Closing the generator
        closes the connection.

        Args:
            until: by when it must have ended, on the event loop's clock; None: the model's own
                deadline alone.

        Raises:
            ModelFailed: also after pieces were given, when no other model could take over.
        """
        ...

    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: JsonSchema | None = None,
        calls: list[ModelCall],
        until: float | None = None,
    ) -> str:
        """The whole answer; with a `schema`, JSON that is meant to fit it (validate it).

        Raises:
            ModelFailed: no model answered.
        """
        ...
