"""The search tester: what a question finds, with every score, and the words that it found by."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coccinelle.foundation.clock import elapsed_ms
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import FieldError
from coccinelle.foundation.ids import AgentId, ChunkId, TenantId
from coccinelle.knowledge import actions, document_store, store
from coccinelle.knowledge.calibration import DEFAULT_THRESHOLD
from coccinelle.knowledge.lexical import asked
from coccinelle.knowledge.model import UnknownAgent
from coccinelle.knowledge.search import Passage, search
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.providers.embeddings.model import EmbeddingUnavailable, Vectors

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Tested:
    """Passages, the best first, and by passage the words of the question that it has.

    `by_words_only`: there was no vector of the question to compare with.
    """

    passages: Sequence[Passage]
    words: Mapping[ChunkId, Sequence[str]]
    threshold: float
    by_words_only: bool
    took_ms: float


async def tried(
    services: KnowledgeServices,
    tenant_id: TenantId,
    question: str,
    *,
    agent: str | None = None,
    limit: int = 10,
) -> Tested:
    """What the search finds for `question`.

    While the embedder is down, or knowledge is being embedded anew, words alone are searched.

    Args:
        agent: key of the agent whose passages are searched; None for those of all.

    Raises:
        UnknownAgent: the tenant has no such agent.
    """
    began = time.perf_counter()
    vector = await _vector(services, question)
    async with services.db.tenant(tenant_id) as tx:
        if not await store.has_vectors_of(tx, model=services.embedder.model):
            vector = None
        found = await search(
            tx,
            question=question,
            vector=None if vector is None else vector[0],
            agent_id=await _agent(tx, agent),
            limit=limit,
        )
        words = await _words(tx, question, found)
        known = await store.threshold(tx)
    threshold = known.answer_threshold if known else DEFAULT_THRESHOLD
    took_ms = round(elapsed_ms(began), 1)
    return Tested(found, words, threshold, by_words_only=vector is None, took_ms=took_ms)


async def _vector(services: KnowledgeServices, question: str) -> Vectors | None:
    """Of the question; None while the embedder is down."""
    try:
        return await services.embedder.embed_queries([question])
    except EmbeddingUnavailable:
        return None


async def _agent(tx: TenantTx, key: str | None) -> AgentId | None:
    try:
        return None if key is None else (await actions.agents_of(tx, [key]))[0]
    except UnknownAgent as error:
        raise UnknownAgent(errors=(FieldError("agent", error.code),)) from error


async def _words(tx: TenantTx, question: str, found: Sequence[Passage]) -> dict[ChunkId, list[str]]:
    words = list(dict.fromkeys(_WORD.findall(asked(question))))
    ids = [passage.chunk_id for passage in found]
    by_chunk: dict[ChunkId, list[str]] = {chunk_id: [] for chunk_id in ids}
    for one in await document_store.found_words(tx, words=words, chunk_ids=ids):
        by_chunk[one.chunk_id].append(one.word)
    return by_chunk
