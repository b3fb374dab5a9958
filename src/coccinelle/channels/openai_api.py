"""For programs that already speak to OpenAI: an agent is a model, a completion is a turn."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from coccinelle.agents import store as agents
from coccinelle.channels.openai_bodies import (
    CompletionIn,
    CompletionOut,
    ModelOut,
    ModelsOut,
    OpenAiErrorOut,
    model_out,
    text_of,
)
from coccinelle.channels.openapi import header, request_body
from coccinelle.channels.wire import (
    HEARTBEAT,
    HEARTBEAT_SECONDS,
    Answering,
    EventStream,
    attended,
    beating,
    idempotency_key,
    parsed,
    read_json,
)
from coccinelle.conversations.model import Message
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    Inbound,
    TextDelta,
    TextReset,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnResult,
)
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import (
    CoccinelleError,
    FieldError,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from coccinelle.foundation.problems import (
    Problem,
    locale_of,
    problem_of,
    request_id_of,
)
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

PREFIX = "/v1/"
AUTO = "auto"
DONE = b"data: [DONE]\n\n"

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


class OpenAiApi:
    """The part of OpenAI's API that a tenant's agents can answer.

    Args:
        message_chars: longest user message, after trimming.
        heartbeat_seconds: longest silence of a stream.
    """

    def __init__(
        self,
        engine: Answering,
        db: Database,
        callers: Callers,
        *,
        message_chars: int = 2000,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ):
        self._engine = engine
        self._db = db
        self._callers = callers
        self._message_chars = message_chars
        self._heartbeat_seconds = heartbeat_seconds

    async def complete(self, request: Request) -> Response:
        """Answer the last user message."""
        caller = await self._program(request)
        body = parsed(await read_json(request), CompletionIn)
        inbound = self._inbound(caller, body, idempotency_key(request))
        turn = await self._engine.start(inbound)
        writer = _Writer(body.model, turn)
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return EventStream(self._stream(request, turn, writer, with_usage=usage))
        return _json(writer.completion(await attended(request, turn.result())))

    async def models(self, request: Request) -> Response:
        """The agents that can be asked, and `auto`, which chooses among them."""
        keys = await self._keys(await self._program(request))
        return _json({"object": "list", "data": [model_out(key) for key in keys]})

    async def model(
        self,
        request: Request,
        model: str = Path(description="Key of an agent, or `auto`.", examples=["audrey"]),
    ) -> Response:
        """One agent, as a model."""
        if model not in await self._keys(await self._program(request)):
            raise NotFound("agent_not_found")
        return _json(model_out(model))

    async def _program(self, request: Request) -> Caller:
        caller = await self._callers.of(request)
        if not caller.is_program:
            raise Unauthenticated("api_key_required")
        return caller

    async def _keys(self, caller: Caller) -> list[str]:
        async with self._db.tenant(caller.tenant_id) as tx:
            return [AUTO, *(agent.key for agent in await agents.live_agents(tx))]

    def _inbound(self, caller: Caller, body: CompletionIn, key: str | None) -> Inbound:
        said = [(message.role, text_of(message)) for message in body.messages]
        asked = [index for index, (role, text) in enumerate(said) if role == "user"]
        if not asked or said[asked[-1]][1] == "":
            raise Invalid(errors=(FieldError("messages", "no_user_message"),))
        text = said[asked[-1]][1]
        if text is None:
            raise Invalid(errors=(FieldError("messages", "text_parts_only"),))
        if len(text) > self._message_chars:
            values = (("max_length", self._message_chars),)
            raise Invalid(errors=(FieldError("messages", "too_long", values),))
        user_id, conversation_id = _names(body, key)
        return Inbound(
            tenant_id=caller.tenant_id,
            channel="openai",
            user_id=user_id,
            conversation_id=conversation_id,
            text=text,
            message_key=key,
            agent_key=None if body.model == AUTO else body.model,
            context=tuple(
                Message("customer" if role == "user" else "agent", earlier)
                for role, earlier in said[: asked[-1]]
                if role in ("user", "assistant") and earlier
            ),
        )

    async def _stream(
        self, request: Request, turn: LiveTurn, writer: _Writer, *, with_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        yield writer.chunk({"role": "assistant", "content": ""})
        events = beating(turn.events(), seconds=self._heartbeat_seconds)
        async with contextlib.aclosing(events):
            async for numbered in events:
                if numbered is None:
                    yield HEARTBEAT
                elif (failure := writer.failure(numbered[1])) is not None:
                    yield _error_event(request, failure)
                    return
                else:
                    for chunk in writer.chunks(numbered[1], with_usage=with_usage):
                        yield chunk
        yield DONE


@dataclass
class _Writer:
    """One completion, as OpenAI's clients read it."""

    model: str
    turn: LiveTurn
    has_spoken: bool = False
    was_restarted: bool = False

    def completion(self, result: TurnResult) -> dict[str, Any]:
        message = {"role": "assistant", "content": result.text or result.notice, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None}
        return {
            **self._head("chat.completion", result),
            "choices": [{**choice, "finish_reason": _finish_reason(result)}],
            "usage": _usage(result),
            **_extras(result),
        }

    def chunk(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _data({**self._head("chat.completion.chunk"), "choices": [choice]})

    def chunks(self, event: TurnEvent, *, with_usage: bool) -> list[bytes]:
        if isinstance(event, TextReset):
            self.was_restarted = self.was_restarted or self.has_spoken
        if isinstance(event, TextDelta) and not self.was_restarted:
            self.has_spoken = True
            return [self.chunk({"content": event.text})]
        if isinstance(event, TurnFinished):
            return self._end(event.result, with_usage=with_usage)
        return []

    def failure(self, event: TurnEvent) -> CoccinelleError | None:
        """Why the stream ends without an answer.

        Text that was sent cannot be taken back in this protocol. The turn is attended to its end
        all the same, so that asking again with the same key gets the whole answer.
        """
        if isinstance(event, TurnFailed):
            return event.error
        if isinstance(event, TurnFinished) and self.was_restarted:
            return Unavailable("answer_restarted", retry_after_seconds=1)
        return None

    def _end(self, result: TurnResult, *, with_usage: bool) -> list[bytes]:
        head = self._head("chat.completion.chunk", result)
        choice = {"index": 0, "delta": {}, "logprobs": None}
        reason = {"finish_reason": _finish_reason(result)}
        chunks = [self.chunk({"content": result.notice})] if result.notice else []
        chunks.append(_data({**head, "choices": [{**choice, **reason}], **_extras(result)}))
        if with_usage:
            chunks.append(_data({**head, "choices": [], "usage": _usage(result)}))
        return chunks

    def _head(self, kind: str, result: TurnResult | None = None) -> dict[str, Any]:
        turn_id = self.turn.turn_id
        created = turn_id.int >> 80  # A UUIDv7 begins with its milliseconds.
        return {
            "id": f"chatcmpl-{turn_id.hex}",
            "object": kind,
            "created": created // 1000,
            "model": self.model,
        }


def routes(
    engine: Answering,
    db: Database,
    callers: Callers,
    *,
    message_chars: int = 2000,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> APIRouter:
    """`/v1/chat/completions` and `/v1/models`."""
    api = OpenAiApi(
        engine, db, callers, message_chars=message_chars, heartbeat_seconds=heartbeat_seconds
    )
    router = APIRouter(tags=["OpenAI-compatible"])
    _add(router, "chat/completions", api.complete, answer=CompletionOut, body=CompletionIn)
    _add(router, "models", api.models, answer=ModelsOut)
    _add(router, "models/{model}", api.model, answer=ModelOut)
    return router


def error_response(problem: Problem) -> Response:
    """A refusal in OpenAI's shape."""
    status = 400 if problem.status == 422 else problem.status
    return _json(_error(problem), status)


def _error(problem: Problem) -> dict[str, Any]:
    kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    first = problem.errors[0] if problem.errors else None
    code = "model_not_found" if problem.code == "agent_not_found" else problem.code
    return {
        "error": {
            "message": first.message if first else problem.detail,
            "type": _TYPES.get(problem.status, kind),
            "param": first.field if first else None,
            "code": first.code if first else code,
            "request_id": problem.request_id,
        }
    }


def _error_event(request: Request, error: CoccinelleError) -> bytes:
    problem = problem_of(
        error, locale=locale_of(request.scope), request_id=request_id_of(request.scope)
    )
    return _data(_error(problem))


def _names(body: CompletionIn, key: str | None) -> tuple[str, str]:
    """The customer and the conversation, made up where the client names none.

    A repeated key, or a conversation without a customer, must lead to the same ones again.
    """
    conversation_id = body.metadata.conversation_id if body.metadata else None
    if conversation_id is None:
        conversation_id = f"openai-{_digest(key) if key else secrets.token_hex(16)}"
    return body.user or f"openai-{_digest(conversation_id)}", conversation_id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _finish_reason(result: TurnResult) -> str:
    return "length" if result.interrupted else "stop"


def _usage(result: TurnResult) -> dict[str, int]:
    return {
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "total_tokens": result.prompt_tokens + result.completion_tokens,
    }


def _extras(result: TurnResult) -> dict[str, Any]:
    return {
        "agent": result.agent,
        "conversation_id": result.conversation_id,
        "handoff": result.handoff,
        "sources": [
            {"title": s.title, "url": s.url, "score": round(s.score, 4)} for s in result.sources
        ],
    }


def _data(value: object) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    *,
    answer: type[BaseModel],
    body: type[BaseModel] | None = None,
) -> None:
    refused = (404, 409, 413, 429) if body else (404,)
    told = {status: _REFUSALS[status] for status in sorted({400, 401, 403, 500, 503, *refused})}
    described: dict[str, Any] = {"model": answer, "description": answer.__doc__}
    headers = [header("Authorization", "Bearer and an API key.", "Bearer ck_…")]
    if body:
        described["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
        headers.append(header("Idempotency-Key", "The same one gets the same answer.", "8f1c2a64"))
    router.add_api_route(
        PREFIX + path,
        endpoint,
        methods=["POST" if body else "GET"],
        operation_id=f"openai_{endpoint.__name__}",
        response_class=Response,
        response_model=None,
        responses={
            200: described,
            **{s: {"model": OpenAiErrorOut, "description": text} for s, text in told.items()},
        },
        openapi_extra={
            "parameters": headers,
            **({"requestBody": request_body(body)} if body else {}),
        },
    )


_REFUSALS = {
    400: "The request is wrong.",
    401: "There is no valid API key.",
    403: "The key does not have the right `chat`.",
    404: "No agent has this key, or the conversation is another customer's.",
    409: "The same message is being answered, or its key was used for another.",
    413: "The body is too large.",
    429: "Too many messages.",
    500: "Something went wrong.",
    503: "Something that is needed is down.",
}
