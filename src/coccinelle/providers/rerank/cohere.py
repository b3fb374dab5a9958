"""Reranking by Cohere's API, version 2, and whatever is compatible with it.

Source: Cohere API reference, "Rerank (v2)".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from coccinelle.providers.breaker import Breaker
from coccinelle.providers.model import Endpoint
from coccinelle.providers.rerank.model import RerankUnavailable
from coccinelle.providers.wire import Wire, WireError, target


class _Result(msgspec.Struct, gc=False):
    index: int
    relevance_score: float


class _Body(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Body).decode


class CohereReranker:
    """A `Reranker` at a base URL that ends before `/v2` (`https://api.cohere.com`).

    Args:
        deadline_seconds: what an answer waits for it at most.
        breaker: after three failures in a row it is not asked for a while.
    """

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        model: str,
        *,
        deadline_seconds: float = 0.3,
        breaker: Breaker | None = None,
    ) -> None:
        self._wire = wire
        self._target = target(endpoint, "/v2/rerank")
        self._model = model
        self._deadline_seconds = deadline_seconds
        self._breaker = breaker or Breaker(failures=3)

    async def rerank(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        """See `Reranker`."""
        if not passages:
            return []
        if not self._breaker.allow():
            raise RerankUnavailable
        try:
            order = await self._ask(question, passages, top_n)
        except RerankUnavailable:
            self._breaker.fail()
            raise
        except BaseException:
            self._breaker.release()
            raise
        self._breaker.succeed()
        return order

    async def _ask(
        self, question: str, passages: Sequence[str], top_n: int
    ) -> list[tuple[int, float]]:
        until = asyncio.get_running_loop().time() + self._deadline_seconds
        top_n = min(top_n, len(passages))
        body = {"model": self._model, "query": question, "documents": passages, "top_n": top_n}
        try:
            reply = await self._wire.post(self._target, msgspec.json.encode(body), until=until)
            try:
                raw = await reply.body(until)
            finally:
                reply.close()
        except WireError as error:
            raise RerankUnavailable from error
        if reply.status != 200:
            raise RerankUnavailable(status=reply.status)
        return _order(raw, len(passages), top_n)


def _order(raw: bytes, count: int, top_n: int) -> list[tuple[int, float]]:
    try:
        results = _decode(raw).results
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RerankUnavailable from error
    order = sorted(((r.index, r.relevance_score) for r in results), key=lambda r: -r[1])
    indexes = {index for index, _ in order}
    if len(indexes) != len(order) or not indexes or not indexes <= set(range(count)):
        raise RerankUnavailable
    return order[:top_n]
