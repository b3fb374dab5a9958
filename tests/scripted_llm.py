"""A real OpenAI-compatible server on loopback that says, or fails, as it is told.

    async with ScriptedLLM() as llm:
        llm.script(Fail("cut", after="Bon"), model="first")
        llm.script(Say("Bonjour !"), model="second")
        ... endpoint at llm.base_url ...
        assert llm.requests[-1].body["model"] == "second"

Steps are taken one a request, those of the request's model first, then those of any model; without
a step `answer` decides: by default a fixed sentence, or an object that fits the JSON schema asked
for. With `ScriptedLLM(answer=obedient)` it does whatever any text in its prompt says. Also serves
`/v1/embeddings`, `/v2/rerank` and `/v1/models`. Standalone: `python -m tests.scripted_llm --port`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from benchmarks.simulated_providers import (
    chat_text,
    embeddings_body,
    example_of,
    rerank_body,
    schema_asked,
    text_vector,
)

Fault = Literal[
    "500",
    "503",
    "429",
    "402",
    "401",
    "refused",
    "hang",
    "comments",
    "drip",
    "cut",
    "no_finish",
    "error_event",
    "malformed",
    "empty",
]
# A refused key concerns every model of its endpoint: no other one takes over.
FAULTS: tuple[Fault, ...] = tuple(fault for fault in get_args(Fault) if fault != "401")
DEFAULT_TEXT = "Voici la réponse, avec plaisir."
DRIP_SECONDS = 0.02
# Between the words before a fault and the fault, so that they are read apart.
PAUSE_SECONDS = 0.03


@dataclass(frozen=True)
class Say:
    """Answer with `text` (or an object, as JSON), word by word when streamed.

    `usage` None leaves the usage out; `cost_usd` is what OpenRouter would add to it.
    """

    text: str | Mapping[str, Any] = DEFAULT_TEXT
    finish_reason: str = "stop"
    usage: bool = True
    cost_usd: float | None = None
    first_seconds: float = 0.0
    gap_seconds: float = 0.0

    @property
    def content(self) -> str:
        return self.text if isinstance(self.text, str) else json.dumps(self.text)


@dataclass(frozen=True)
class Raw:
    """Answer 200 with exactly this body (one event's data when streamed, and nothing after it)."""

    body: bytes


@dataclass(frozen=True)
class Fail:
    """Fail in one of the twelve ways (and one more), after having streamed `after`.

    After the first token a status can no longer be sent: it comes as an error event with that code,
    and "refused" as a reset.
    """

    fault: str
    after: str = ""
    retry_after: str | None = None


Step = Say | Raw | Fail
Answer = Callable[[Mapping[str, Any]], Step]


@dataclass(frozen=True)
class Request:
    """What arrived: path, headers in lower case, and the decoded body."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)


def default_answer(body: Mapping[str, Any]) -> Step:
    """An object that fits the schema asked for, else a fixed sentence."""
    schema = schema_asked(body)
    return Say(example_of(schema, chat_text(body))) if schema else Say()


class ScriptedLLM:
    """See the module. `disconnects` counts the clients that hung up during an answer."""

    def __init__(self, answer: Answer = default_answer, *, port: int = 0) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.disconnects = 0
        self.connections = 0
        self.embeddings_fault: str | None = None
        self.rerank_fault: str | None = None
        self.port = port
        self._scripts: dict[str | None, deque[Step]] = defaultdict(deque)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[Request]:
        """The chat requests alone."""
        return [r for r in self.requests if r.path.endswith("/chat/completions")]

    def script(self, *steps: Step, model: str | None = None) -> None:
        """What the next requests, of `model` or of any, are answered with."""
        self._scripts[model].extend(steps)

    def reset(self) -> None:
        """Forget scripts, faults and requests."""
        self._scripts.clear()
        self.requests.clear()
        self.disconnects = self.connections = 0
        self.embeddings_fault = self.rerank_fault = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening (connections are then refused) and drop every client."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.strip().split("\r\n")
        pairs = (item.partition(":")[::2] for item in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(line.split(" ")[1], headers, json.loads(raw) if raw else {})
        self.requests.append(request)
        out = _Out(writer)
        answering = asyncio.ensure_future(self._answer(request, out))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.disconnects += 1
                return False
            await answering
            return out.keep_alive
        finally:
            for future in (answering, gone):
                future.cancel()
            await asyncio.wait({answering, gone})
            for future in (answering, gone):
                _ = future.cancelled() or future.exception()

    async def _answer(self, request: Request, out: _Out) -> None:
        path = request.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            await self._chat(request.body, out)
        elif path.endswith("/embeddings"):
            await self._plain(self.embeddings_fault, out, lambda: embed(request.body))
        elif path.endswith("/rerank"):
            await self._plain(self.rerank_fault, out, lambda: rerank_body(request.body))
        elif path.endswith("/models"):
            await out.json(b'{"object":"list","data":[{"id":"scripted","object":"model"}]}')
        else:
            await out.status(404, {"error": {"message": "no such route"}})

    async def _plain(self, fault: str | None, out: _Out, body: Callable[[], bytes]) -> None:
        if fault is None:
            await out.json(body())
        else:
            await _fail_whole(Fail(fault), out)

    async def _chat(self, body: Mapping[str, Any], out: _Out) -> None:
        step = self._next(body)
        streamed = bool(body.get("stream"))
        match step:
            case Say() if streamed:
                await _say_streamed(step, out)
            case Say():
                await _say_whole(step, out, as_tool=bool(body.get("tools")))
            case Raw() if streamed:
                await out.begin()
                await out.event(step.body)
                await out.end()
            case Raw():
                await out.json(step.body)
            case Fail() if streamed:
                await _fail_streamed(step, out)
            case Fail():
                await _fail_whole(step, out)

    def _next(self, body: Mapping[str, Any]) -> Step:
        for key in (body.get("model"), None):
            if self._scripts.get(key):
                return self._scripts[key].popleft()
        return self.answer(body)


def embed(body: Mapping[str, Any]) -> bytes:
    """The answer of the embeddings endpoint: vectors made of the words."""
    return embeddings_body(body, text_vector)


def closed_port_url() -> str:
    """A base URL where connections are refused."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


class _Out:
    """The answer's bytes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.keep_alive = True
        self._writer = writer

    async def status(
        self, status: int, body: Mapping[str, Any], headers: Sequence[str] = ()
    ) -> None:
        await self._whole(status, json.dumps(body).encode(), headers)

    async def json(self, body: bytes) -> None:
        await self._whole(200, body, ())

    async def _whole(self, status: int, body: bytes, headers: Sequence[str]) -> None:
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", *headers]
        lines.append(f"content-length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self._writer.drain()

    async def begin(self) -> None:
        self._writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        await self._writer.drain()

    async def raw(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def event(self, data: bytes) -> None:
        await self.raw(b"data: " + data + b"\n\n")

    async def delta(self, content: str | None, finish_reason: str | None = None) -> None:
        await self.event(_delta(content, finish_reason))

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def cut(self) -> None:
        """Close in the middle of the message."""
        self.keep_alive = False

    async def reset(self) -> None:
        """Close with a TCP reset."""
        self.keep_alive = False
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _delta(content: str | None, finish_reason: str | None = None) -> bytes:
    delta = {"role": "assistant"} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return json.dumps({"id": "s", "object": "chat.completion.chunk", "choices": [choice]}).encode()


def _usage(step: Say) -> dict[str, Any]:
    usage: dict[str, Any] = {"prompt_tokens": 1000, "completion_tokens": 200}
    return usage if step.cost_usd is None else usage | {"cost": step.cost_usd}


async def _say_streamed(step: Say, out: _Out) -> None:
    await out.begin()
    await out.raw(b": OPENROUTER PROCESSING\n\n")
    await out.delta(None)
    await asyncio.sleep(step.first_seconds)
    for word in re.findall(r"\s*\S+|\s+$", step.content):
        await out.delta(word)
        if step.gap_seconds:
            await asyncio.sleep(step.gap_seconds)
    await out.delta("", step.finish_reason)
    if step.usage:
        await out.event(json.dumps({"choices": [], "usage": _usage(step)}).encode())
    await asyncio.sleep(step.gap_seconds)
    await out.event(b"[DONE]")
    await out.end()


async def _say_whole(step: Say, out: _Out, *, as_tool: bool) -> None:
    await asyncio.sleep(step.first_seconds)
    message: dict[str, Any] = {"role": "assistant", "content": step.content}
    if as_tool:
        call = {"id": "c", "type": "function", "function": {"name": "x", "arguments": step.content}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": step.finish_reason}
    body: dict[str, Any] = {"id": "s", "object": "chat.completion", "choices": [choice]}
    if step.usage:
        body["usage"] = _usage(step)
    await out.json(json.dumps(body).encode())


async def _fail_whole(step: Fail, out: _Out) -> None:
    match step.fault:
        case "refused":
            await out.reset()
        case "hang" | "comments" | "drip":
            await asyncio.sleep(3600)
        case "cut":
            await out.begin()
            await out.raw(b'{"choices": [')
            await out.cut()
        case "no_finish":
            await out.json(b'{"choices":[{"message":{"content":"Bon"},"finish_reason":null}]}')
        case "error_event":
            await out.json(b'{"error":{"code":502,"message":"upstream"}}')
        case "malformed":
            await out.json(b'{"choices": [{"message": {"content": "Bon')
        case "empty":
            await out.json(b'{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}')
        case status:
            await _refuse(step, int(status), out)


async def _refuse(step: Fail, status: int, out: _Out) -> None:
    headers = [] if step.retry_after is None else [f"retry-after: {step.retry_after}"]
    await out.status(status, {"error": {"code": status, "message": "scripted"}}, headers)


async def _fail_streamed(step: Fail, out: _Out) -> None:
    if not step.after and (step.fault == "refused" or step.fault.isdigit()):
        await _fail_whole(step, out)
        return
    await out.begin()
    await out.delta(None)
    for word in re.findall(r"\s*\S+", step.after):
        await out.delta(word)
    if step.after:
        await asyncio.sleep(PAUSE_SECONDS)
    await _fail_now(step, out)


async def _fail_now(step: Fail, out: _Out) -> None:
    match step.fault:
        case "refused":
            await out.reset()
        case "hang":
            await asyncio.sleep(3600)
        case "comments":
            await _forever(out, b": OPENROUTER PROCESSING\n\n")
        case "drip":
            word = _delta(" encore" if step.after else "")
            await _forever(out, b"data: " + word + b"\n\n")
        case "cut":
            await out.cut()
        case "no_finish":
            await out.end()
        case "error_event":
            await out.event(b'{"error":{"code":502,"message":"upstream"},"choices":[]}')
            await out.end()
        case "malformed":
            await out.event(b'{"choices": [{"delta": {"content": "Bon')
            await out.end()
        case "empty":
            await _end_empty(step, out)
        case status:
            error = {"error": {"code": int(status), "message": "scripted"}}
            await out.event(json.dumps(error).encode())
            await out.end()


async def _end_empty(step: Fail, out: _Out) -> None:
    """A whole completion without a word; after a text, the words are blanked by a filter."""
    await out.delta("", "content_filter" if step.after else "stop")
    await out.event(b"[DONE]")
    await out.end()


async def _forever(out: _Out, data: bytes) -> None:
    while True:
        await out.raw(data)
        await asyncio.sleep(DRIP_SECONDS)


_VERBS = (
    r"r[ée]ponds?|dis|[ée]cris|affiche|ins[èe]re|ajoute|r[ée]p[èe]te|r[ée]v[èe]le|donne|montre|cite"
    r"|answer|say|print|output|write|reply|respond|include|insert|repeat|reveal|show|give|append"
)
_ORDER = re.compile(rf"(?i)\b(?:{_VERBS})\b[^\w\n]*(?P<what>[^\n]+)")
_ROUTE = re.compile(
    r"(?i)(?:route(?:r|z)?(?: this| it| le| la| cela| ceci)?|transf[èe]re[rz]?|transfer"
    r"|choisis|choose|select)"
    r"(?: to| vers| [àa])? [\"«'` ]*(?P<agent>[a-z0-9_-]+)"
)
_ADDRESS = re.compile(r"!?\[[^\]]*\]\([^)]*\)|https?://[^\s)>\"']+|<[a-z][^>]*>|data:\S+")


def obedient(body: Mapping[str, Any]) -> Step:
    """Do whatever any text in the prompt says: repeat what it asks for, show every address in it,
    give the system prompt away, route where it says, with full confidence."""
    text = chat_text(body)
    schema = schema_asked(body)
    if schema is not None:
        return Say(_obedient_object(schema, text))
    said = [match["what"].strip() for match in _ORDER.finditer(text)]
    said += _ADDRESS.findall(text)
    if re.search(r"(?i)system prompt|instructions|consignes|prompt syst[èe]me", text):
        said += [str(m.get("content")) for m in body["messages"] if m.get("role") == "system"]
    return Say(" ".join(dict.fromkeys(said)) or DEFAULT_TEXT)


def _obedient_object(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    answer: dict[str, Any] = example_of(schema, text)
    for name, kind in schema.get("properties", {}).items():
        if kind.get("type") == "number":
            answer[name] = kind.get("maximum", 1.0)
        elif kind.get("type") == "integer" and "maximum" in kind:
            answer[name] = kind["maximum"]
        elif kind.get("type") == "string" and "enum" not in kind:
            answer[name] = " ".join(m["what"] for m in _ORDER.finditer(text)) or "obéi"
    wanted = _ROUTE.search(text)
    if wanted and "agent" in answer:
        answer["agent"] = wanted["agent"].lower()
    return answer


async def _serve(port: int, answer: Answer) -> None:
    async with ScriptedLLM(answer, port=port) as server:
        print(f"scripted model on {server.base_url}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--obedient", action="store_true")
    options = parser.parse_args()
    asyncio.run(_serve(options.port, obedient if options.obedient else default_answer))
