"""The bytes of OpenAI's chat completions, streamed or whole: decoding, without any I/O.

Source: OpenAI API reference, "Chat completions" and "Streaming events"; OpenRouter API reference,
"Errors" (an `error` field in a 200 event); WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import msgspec

from coccinelle.foundation.clock import now
from coccinelle.providers.language.model import FailureCode, ModelFailed

NOTHING = msgspec.Raw(b"")
MAX_EVENT_BYTES = 1024 * 1024
DETAIL_CHARACTERS = 300


class WireUsage(msgspec.Struct, gc=False):
    """Tokens, and with OpenRouter their cost in dollars."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


class _Function(msgspec.Struct):
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None
    error: msgspec.Raw = NOTHING


class Whole(msgspec.Struct):
    """The body of a 200 response, whatever it says."""

    choices: list[_Choice] | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = NOTHING


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None


class _DeltaChoice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    error: msgspec.Raw = NOTHING


class _Event(msgspec.Struct, gc=False):
    choices: list[_DeltaChoice] | None = None
    usage: WireUsage | None = None
    error: msgspec.Raw = NOTHING


class _Error(msgspec.Struct):
    code: int | str | None = None
    status: int | str | None = None
    type: str | None = None
    message: str | None = None


class _ErrorBody(msgspec.Struct):
    error: msgspec.Raw = NOTHING


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_whole = msgspec.json.Decoder(Whole).decode
_decode_error = msgspec.json.Decoder(_Error).decode
_decode_error_body = msgspec.json.Decoder(_ErrorBody).decode


class EventReader:
    """The text of a streamed answer, out of its bytes as they arrive.

    Blanks before the first word are dropped, so that `started` means that a person can read
    something. A comment, a role or an empty delta is not text.
    """

    def __init__(self) -> None:
        self.started = False
        self.done = False
        self.finish_reason: str | None = None
        self.usage: WireUsage | None = None
        self.characters = 0
        self._rest = b""
        self._data: list[bytes] = []

    @property
    def whole(self) -> bool:
        """Nothing more is needed: the end was said, and the usage with it or not at all."""
        return self.done or (self.finish_reason is not None and self.usage is not None)

    def feed(self, data: bytes) -> str:
        """The text in these bytes, often "".

        Raises:
            ModelFailed: `malformed`, `content_filter`, or the error that an event carries.
        """
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ModelFailed("malformed", detail="an event without an end")
        text = "".join([part for line in lines if (part := self._line(line))])
        if not self.started:
            text = text.lstrip()
            self.started = bool(text)
        self.characters += len(text)
        return text

    def end(self) -> None:
        """The bytes are over.

        Raises:
            ModelFailed: `incomplete` without a finish reason, `empty` without a word.
        """
        if self.finish_reason is None and (self._rest or self._data):
            self.feed(b"\n\n")
        if self.finish_reason is None:
            raise ModelFailed("incomplete" if self.started else "empty")
        if not self.started:
            raise ModelFailed("empty")

    def _line(self, line: bytes) -> str:
        if line.startswith(b"data:"):
            self._data.append(line[5:])
            return ""
        if self._data and not line.strip():
            payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data.clear()
            return self._event(payload.strip())
        return ""

    def _event(self, payload: bytes) -> str:
        if payload == b"[DONE]":
            self.done = True
            return ""
        if not payload or self.done:
            return ""
        try:
            event = _decode_event(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ModelFailed("malformed", detail=str(error)[:DETAIL_CHARACTERS]) from error
        if _said(event.error):
            raise failure_in(bytes(event.error))
        if event.usage is not None:
            self.usage = event.usage
        return self._choice(event.choices[0]) if event.choices else ""

    def _choice(self, choice: _DeltaChoice) -> str:
        if choice.finish_reason is not None:
            self.finish_reason = accepted_finish(choice.finish_reason, choice.error)
        content = choice.delta.content if choice.delta is not None else None
        if content is None:
            return ""
        return content.replace("\0", "") if "\0" in content else content


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: its text or the arguments of its tool call."""

    text: str
    finish_reason: str


def read_whole(body: bytes) -> Whole:
    """The body of a 200 response. Raises `ModelFailed`: `malformed`."""
    try:
        return _decode_whole(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFailed("malformed", detail=str(error)[:DETAIL_CHARACTERS]) from error


def answer_in(whole: Whole) -> Answer:
    """The answer that a body holds.

    Raises:
        ModelFailed: `empty`, `incomplete`, `content_filter`, or the error that it carries.
    """
    if _said(whole.error):
        raise failure_in(bytes(whole.error))
    if not whole.choices:
        raise ModelFailed("empty")
    choice = whole.choices[0]
    if choice.finish_reason is None:
        raise ModelFailed("incomplete")
    finish_reason = accepted_finish(choice.finish_reason, choice.error)
    text = _text(choice.message).replace("\0", "").strip()
    if not text:
        raise ModelFailed("empty")
    return Answer(text, finish_reason)


def _said(error: msgspec.Raw) -> bool:
    return bytes(error) not in (b"", b"null")


def _text(message: _Message | None) -> str:
    if message is None:
        return ""
    for call in message.tool_calls or ():
        if call.function is not None and call.function.arguments:
            return call.function.arguments
    return message.content or ""


def accepted_finish(reason: str, error: msgspec.Raw) -> str:
    """The finish reason, unless it says that the answer is not one.

    Raises:
        ModelFailed: `content_filter`, or the error beside the reason `error`.
    """
    if reason == "content_filter":
        raise ModelFailed("content_filter")
    if reason == "error":
        raise failure_in(bytes(error) or b"{}")
    return reason


def failure_of(status: int, headers: dict[bytes, bytes], body: bytes) -> ModelFailed:
    """What a response other than 200 means."""
    try:
        raw = _decode_error_body(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raw = NOTHING
    told = failure_in(bytes(raw)) if _said(raw) else None
    code = _code_of_status(status)
    if told is not None and told.code == "payment_required":
        code = "payment_required"
    return ModelFailed(
        code,
        wait_seconds=retry_after_seconds(headers),
        detail=told.detail if told else body[:DETAIL_CHARACTERS].decode("utf-8", "replace"),
    )


def failure_in(raw: bytes) -> ModelFailed:
    """What the `error` of a body or an event means; its code may be a status or a word."""
    try:
        error = _decode_error(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ModelFailed(
            "provider_error", detail=raw[:DETAIL_CHARACTERS].decode("utf-8", "replace")
        )
    detail = (error.message or "")[:DETAIL_CHARACTERS]
    for value in (error.code, error.status, error.type):
        code = _code_of_word(value)
        if code is not None:
            return ModelFailed(code, detail=detail)
    return ModelFailed("provider_error", detail=detail)


def _code_of_status(status: int) -> FailureCode:
    exact: dict[int, FailureCode] = {
        401: "unauthorized",
        402: "payment_required",
        403: "forbidden",
        404: "not_found",
        408: "server_error",
        429: "rate_limited",
    }
    if status in exact:
        return exact[status]
    return "bad_request" if 400 <= status < 500 else "server_error"


def _code_of_word(value: int | str | None) -> FailureCode | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if isinstance(value, int):
        return _code_of_status(value) if 400 <= value < 600 else None
    words: dict[str | None, FailureCode] = {
        "insufficient_quota": "payment_required",
        "rate_limit_exceeded": "rate_limited",
        "rate_limit_error": "rate_limited",
        "invalid_api_key": "unauthorized",
        "authentication_error": "unauthorized",
        "content_filter": "content_filter",
        "content_policy_violation": "content_filter",
        "context_length_exceeded": "bad_request",
        "model_not_found": "not_found",
    }
    return words.get(value)


def retry_after_seconds(headers: dict[bytes, bytes]) -> float | None:
    """Retry-After in seconds: a number or a date (RFC 9110, section 10.2.3)."""
    value = headers.get(b"retry-after", b"").decode("latin-1").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdigit() and value.isascii():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now()).total_seconds())
    except (ValueError, TypeError):
        return None
