"""Vectors from any OpenAI-compatible embeddings endpoint.

Source: OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from coccinelle.providers.breaker import Breaker
from coccinelle.providers.embeddings.model import EmbeddingUnavailable, Vectors, unit
from coccinelle.providers.language.wire_format import retry_after_seconds
from coccinelle.providers.model import Endpoint
from coccinelle.providers.wire import Wire, WireError, target

LONGEST_WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class EmbeddingLimits:
    """How long and how often: a question is waited for, passages have time.

    Args:
        query_seconds: in all for one call of `embed_queries`, its one retry included.
        passage_seconds: for one request of `batch` passages.
        passage_tries: how often such a request is made before it fails.
    """

    query_seconds: float = 3.0
    passage_seconds: float = 30.0
    passage_tries: int = 4
    backoff_seconds: float = 1.0
    batch: int = 64


class _Row(msgspec.Struct, gc=False):
    embedding: str | list[float]
    index: int


class _Body(msgspec.Struct):
    data: list[_Row]


class _Temporary(Exception):
    """Worth another try, after `wait_seconds` if the provider says so."""

    def __init__(self, wait_seconds: float | None = None) -> None:
        super().__init__("temporary")
        self.wait_seconds = wait_seconds


_decode = msgspec.json.Decoder(_Body).decode


class OpenAICompatibleEmbedder:
    """An `Embedder` at a remote endpoint; its vectors are scaled to length 1, not centred.

    Args:
        send_dimensions: ask for `dimensions` (text-embedding-3 and its like); a server that does
            not know the field has it switched off.
        query_prefix, passage_prefix: what the model wants in front of its texts.
    """

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        model: str,
        *,
        dimensions: int = 384,
        send_dimensions: bool = True,
        query_prefix: str = "",
        passage_prefix: str = "",
        limits: EmbeddingLimits | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._wire = wire
        self._target = target(endpoint, "/embeddings")
        self._model = model
        self._name = f"{endpoint.name}/{model}"
        self._dimensions = dimensions
        self._send_dimensions = send_dimensions
        self._query_prefix = query_prefix
        self._passage_prefix = passage_prefix
        self._limits = limits or EmbeddingLimits()
        self._breaker = breaker or Breaker()

    @property
    def model(self) -> str:
        """Endpoint and model."""
        return self._name

    @property
    def dimensions(self) -> int:
        """As asked for, and checked."""
        return self._dimensions

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`. One retry within the deadline; after three failures none for a while."""
        if not self._breaker.allow():
            raise EmbeddingUnavailable
        until = asyncio.get_running_loop().time() + self._limits.query_seconds
        try:
            vectors = await self._all(texts, self._query_prefix, tries=2, until=until)
        except EmbeddingUnavailable:
            self._breaker.fail()
            raise
        except BaseException:
            self._breaker.release()
            raise
        self._breaker.succeed()
        return vectors

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`. Batch by batch, each retried with growing waits."""
        tries = self._limits.passage_tries
        return await self._all(texts, self._passage_prefix, tries=tries, until=None)

    async def _all(
        self, texts: Sequence[str], prefix: str, *, tries: int, until: float | None
    ) -> Vectors:
        out = np.empty((len(texts), self._dimensions), np.float32)
        for start in range(0, len(texts), self._limits.batch):
            batch = [prefix + (t or " ") for t in texts[start : start + self._limits.batch]]
            out[start : start + len(batch)] = await self._patiently(batch, tries, until)
        return unit(out)

    async def _patiently(self, batch: list[str], tries: int, until: float | None) -> Vectors:
        loop = asyncio.get_running_loop()
        for attempt in range(tries):
            limit = loop.time() + self._limits.passage_seconds if until is None else until
            try:
                return await self._once(batch, limit)
            except _Temporary as error:
                wait = self._wait_seconds(error, attempt)
                late = until is not None and loop.time() + wait >= until
                if attempt + 1 == tries or late:
                    raise EmbeddingUnavailable from error
                await asyncio.sleep(wait)
        raise EmbeddingUnavailable

    def _wait_seconds(self, error: _Temporary, attempt: int) -> float:
        if error.wait_seconds is not None:
            return min(error.wait_seconds, LONGEST_WAIT_SECONDS)
        grown = self._limits.backoff_seconds * 2.0**attempt
        return min(grown, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311

    async def _once(self, batch: list[str], until: float) -> Vectors:
        body: dict[str, object] = {"model": self._model, "input": batch}
        body["encoding_format"] = "base64"
        if self._send_dimensions:
            body["dimensions"] = self._dimensions
        try:
            reply = await self._wire.post(self._target, msgspec.json.encode(body), until=until)
            try:
                raw = await reply.body(until)
            finally:
                reply.close()
        except WireError as error:
            raise _Temporary from error
        if reply.status in (408, 429) or reply.status >= 500:
            raise _Temporary(retry_after_seconds(reply.headers))
        if reply.status != 200:
            raise EmbeddingUnavailable(status=reply.status)
        return self._read(raw, len(batch))

    def _read(self, raw: bytes, count: int) -> Vectors:
        try:
            rows = sorted(_decode(raw).data, key=lambda row: row.index)
            vectors = [_vector(row.embedding) for row in rows]
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, binascii.Error) as error:
            raise _Temporary from error
        if [row.index for row in rows] != list(range(count)):
            raise _Temporary
        if any(len(vector) != self._dimensions for vector in vectors):
            raise EmbeddingUnavailable("embedding_dimension", expected=self._dimensions)
        whole = np.stack(vectors) if vectors else np.empty((0, self._dimensions), np.float32)
        if not np.isfinite(whole).all():
            raise _Temporary
        return whole


def _vector(embedding: str | list[float]) -> Vectors:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4").astype(np.float32)
    return np.asarray(embedding, np.float32)
