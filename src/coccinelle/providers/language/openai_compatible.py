"""One model behind any OpenAI-compatible endpoint: OpenRouter, a maker's own, or a local server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from coccinelle.foundation import clock
from coccinelle.providers.language.model import (
    ChatMessage,
    Completed,
    FailureCode,
    JsonSchema,
    ModelCall,
    ModelFailed,
    Piece,
    Prompt,
    Restarted,
    Usage,
)
from coccinelle.providers.language.prices import (
    EUR_PER_USD,
    Price,
    PriceTable,
    estimate_tokens,
)
from coccinelle.providers.language.wire_format import (
    Answer,
    EventReader,
    WireUsage,
    answer_in,
    failure_of,
    read_whole,
)
from coccinelle.providers.model import Deadlines, Endpoint, StructuredMode
from coccinelle.providers.wire import Reply, Wire, WireError, target

USAGE_SECONDS = 2.0
ERROR_BODY_SECONDS = 2.0
# A model that had this much of its own time, or more, is to blame for being late: the deadline of a
# caller who allows it all its time passes a moment before its own.
FAIR_SHARE = 0.9
LATE = frozenset({"total_timeout", "unreachable"})
# Timers ring that much early, at most.
TIMER_SECONDS = 0.002
MAX_ANSWER_BYTES = 4 * 1024 * 1024
FREE = Price(0, 0)

_STEP_DOWN: Mapping[StructuredMode, StructuredMode] = {"json_schema": "tool", "tool": "plain"}
_FAILURE_OF_WIRE: Mapping[str, FailureCode] = {
    "unreachable": "unreachable",
    "disconnected": "disconnected",
    "timeout": "total_timeout",
    "malformed": "malformed",
}
_encode = msgspec.json.encode


class OpenAICompatible:
    """A language model: `model` at `endpoint`, asked once, neither retried nor replaced.

    Args:
        task: what it is used for; recorded with each call.
        prices: used where the endpoint does not say what a call cost.
        eur_per_usd: turns OpenRouter's dollars into euros.
    """

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        model: str,
        *,
        task: str,
        deadlines: Deadlines | None = None,
        prices: PriceTable | None = None,
        eur_per_usd: float = EUR_PER_USD,
    ) -> None:
        self.endpoint = endpoint
        self.name = model
        self.task = task
        self._wire = wire
        self._target = target(endpoint, "/chat/completions")
        self.deadlines = deadlines or Deadlines()
        self._prices = prices or PriceTable()
        self._eur_per_usd = eur_per_usd
        self._structured = endpoint.structured
        self._constant = dict(endpoint.extras)
        self._constant["model"] = model

    async def stream(
        self, prompt: Prompt, *, calls: list[ModelCall], until: float | None = None
    ) -> AsyncGenerator[Piece | Restarted | Completed, None]:
        """See `LanguageModel.stream`."""
        attempt = _Attempt.start(self, prompt, calls, until)
        reader = attempt.reader
        reply: Reply | None = None
        try:
            reply = await self._open(prompt, attempt)
            while not reader.whole:
                data = await attempt.read(reply)
                if not data:
                    reader.end()
                    break
                if text := reader.feed(data):
                    attempt.heard()
                    yield Piece(text)
            reader.end()
            attempt.outcome = "ok"
        except WireError as error:
            raise attempt.failed(ModelFailed(_FAILURE_OF_WIRE[error.code])) from error
        except ModelFailed as error:
            attempt.failed(error)
            raise
        finally:
            attempt.record()
            if reply is not None:
                reply.close(drain=attempt.outcome == "ok")
        yield Completed(self.name, attempt.usage(), reader.finish_reason or "stop")

    async def _open(self, prompt: Prompt, attempt: _Attempt) -> Reply:
        body = self._body(prompt)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        try:
            reply = await self._post(body, attempt, until=attempt.limit)
        except WireError as error:
            if error.code == "timeout":
                raise ModelFailed(attempt.late()) from error
            raise
        if reply.status != 200:
            raise await attempt.refused(reply)
        return reply

    async def _post(self, body: dict[str, object], attempt: _Attempt, *, until: float) -> Reply:
        content = _encode(body)
        return await self._wire.post(self._target, content, until=until, on_sent=attempt.sent)

    async def complete(
        self,
        prompt: Prompt,
        *,
        schema: JsonSchema | None = None,
        calls: list[ModelCall],
        until: float | None = None,
    ) -> str:
        """See `LanguageModel.complete`.

        An endpoint that refuses one way of asking for JSON is asked in the next: JSON schema, tool
        call, plain words. The way that worked is kept.
        """
        if schema is None:
            return await self._complete(self._body(prompt), prompt, calls, until)
        mode = self._structured
        while True:
            body = self._body(_told_the_schema(prompt, schema) if mode == "plain" else prompt)
            _ask_for_json(body, schema, mode)
            try:
                text = await self._complete(body, prompt, calls, until)
            except ModelFailed as error:
                if error.code not in ("bad_request", "not_found") or mode not in _STEP_DOWN:
                    raise
                mode = _STEP_DOWN[mode]
            else:
                self._structured = mode
                return text

    async def _complete(
        self, body: dict[str, object], prompt: Prompt, calls: list[ModelCall], until: float | None
    ) -> str:
        attempt = _Attempt.start(self, prompt, calls, until)
        reply: Reply | None = None
        try:
            reply = await self._post(body, attempt, until=attempt.end_at)
            if reply.status != 200:
                raise await attempt.refused(reply)
            whole = read_whole(await reply.body(attempt.end_at, MAX_ANSWER_BYTES))
            attempt.usage_told = whole.usage
            answer = answer_in(whole)
            attempt.take(answer)
            return answer.text
        except WireError as error:
            raise attempt.failed(ModelFailed(_FAILURE_OF_WIRE[error.code])) from error
        except ModelFailed as error:
            attempt.failed(error)
            raise
        finally:
            attempt.record()
            if reply is not None:
                reply.close()

    def _body(self, prompt: Prompt) -> dict[str, object]:
        body: dict[str, object] = {**self._constant, "messages": prompt.messages}
        body[self.endpoint.max_tokens_field] = prompt.max_tokens
        if prompt.temperature is not None:
            body["temperature"] = prompt.temperature
        return body

    def usage_of(
        self, told: WireUsage | None, prompt: Prompt, characters: int, *, reached: bool
    ) -> Usage:
        """Tokens and cost: as told by the endpoint, else by the price table, else estimated."""
        if told is None and not reached:
            return Usage(0, 0, 0, estimated=False)
        prompt_tokens = told.prompt_tokens if told else _estimate_prompt(prompt)
        completion_tokens = told.completion_tokens if told else estimate_tokens(characters)
        if told and told.cost is not None:
            cost = math.ceil(told.cost * self._eur_per_usd * 1_000_000)
            return Usage(prompt_tokens, completion_tokens, cost, estimated=False)
        price, known = (FREE, True) if self.endpoint.free else self._prices.find(self.name)
        cost = price.of(prompt_tokens, completion_tokens)
        return Usage(prompt_tokens, completion_tokens, cost, estimated=told is None or not known)


@dataclass
class _Attempt:
    """One request under way: its deadlines, and what will be recorded of it."""

    model: OpenAICompatible
    prompt: Prompt
    calls: list[ModelCall]
    deadlines: Deadlines
    loop: asyncio.AbstractEventLoop
    began_at: float
    end_at: float
    limit: float
    reader: EventReader
    outcome: str = "cancelled"
    first_token_ms: float | None = None
    answer: Answer | None = None
    usage_told: WireUsage | None = None
    reached: bool = False
    is_shortened: bool = False

    @classmethod
    def start(
        cls, model: OpenAICompatible, prompt: Prompt, calls: list[ModelCall], until: float | None
    ) -> _Attempt:
        loop = asyncio.get_running_loop()
        deadlines = model.deadlines
        now = loop.time()
        end_at = now + deadlines.total_seconds
        end_at = min(end_at, until) if until is not None else end_at
        limit = min(end_at, now + deadlines.first_token_seconds)
        shortened = end_at - now < deadlines.total_seconds * FAIR_SHARE
        return cls(
            model,
            prompt,
            calls,
            deadlines,
            loop,
            now,
            end_at,
            limit,
            EventReader(),
            is_shortened=shortened,
        )

    def sent(self) -> None:
        """The endpoint has the prompt, and may charge for it."""
        self.reached = True

    async def refused(self, reply: Reply) -> ModelFailed:
        """What a status other than 200 means: nothing was made, and nothing is charged."""
        self.reached = False
        return await _refusal(reply)

    async def read(self, reply: Reply) -> bytes:
        """The next bytes; b"" also when all the text is here and only the usage is late."""
        limit = self.limit
        if self.reader.finish_reason is not None:
            limit = min(limit, self.loop.time() + USAGE_SECONDS)
        try:
            return await reply.read(limit)
        except WireError as error:
            if self.reader.finish_reason is not None and self.reader.started:
                return b""
            if error.code == "timeout":
                raise ModelFailed(self.late()) from error
            raise

    def heard(self) -> None:
        """Text has come: from here on the gap counts."""
        now = self.loop.time()
        if self.first_token_ms is None:
            self.first_token_ms = (now - self.began_at) * 1000
        self.limit = min(self.end_at, now + self.deadlines.gap_seconds)

    def late(self) -> FailureCode:
        """Which deadline has passed."""
        if self.limit >= self.end_at:
            return "total_timeout"
        return "gap_timeout" if self.reader.started else "first_token_timeout"

    def take(self, answer: Answer) -> None:
        self.answer = answer
        self.outcome = "ok"

    def failed(self, error: ModelFailed) -> ModelFailed:
        self.outcome = error.code
        is_over = self.loop.time() + TIMER_SECONDS >= self.end_at
        if error.code == "unreachable":
            self.reached = False
        error.cut_short = self.is_shortened and is_over and error.code in LATE
        return error

    def usage(self) -> Usage:
        told = self.usage_told or self.reader.usage
        characters = len(self.answer.text) if self.answer else self.reader.characters
        return self.model.usage_of(told, self.prompt, characters, reached=self.reached)

    def record(self) -> None:
        duration_ms = (self.loop.time() - self.began_at) * 1000
        finish_reason = self.answer.finish_reason if self.answer else self.reader.finish_reason
        self.calls.append(
            ModelCall(
                task=self.model.task,
                provider=self.model.endpoint.name,
                model=self.model.name,
                started_at=clock.now() - timedelta(milliseconds=duration_ms),
                first_token_ms=self.first_token_ms,
                duration_ms=duration_ms,
                usage=self.usage(),
                outcome=self.outcome,
                finish_reason=finish_reason,
            )
        )


async def _refusal(reply: Reply) -> ModelFailed:
    """What a status other than 200 means; its body is read only briefly."""
    until = asyncio.get_running_loop().time() + ERROR_BODY_SECONDS
    try:
        body = await reply.body(until, limit_bytes=64 * 1024)
    except WireError:
        body = b""
    finally:
        reply.close()
    return failure_of(reply.status, reply.headers, body)


def _ask_for_json(body: dict[str, object], schema: JsonSchema, mode: StructuredMode) -> None:
    if mode == "json_schema":
        shape = {"name": schema.name, "strict": True, "schema": schema.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    elif mode == "tool":
        function = {"name": schema.name, "parameters": schema.schema}
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": schema.name}}


def _told_the_schema(prompt: Prompt, schema: JsonSchema) -> Prompt:
    words = "Answer with one JSON object and nothing else. It must fit this JSON schema:\n"
    told = ChatMessage("system", words + _encode(schema.schema).decode())
    return replace(prompt, messages=(*prompt.messages, told))


def _estimate_prompt(prompt: Prompt) -> int:
    return sum(estimate_tokens(len(message.content)) + 4 for message in prompt.messages)
