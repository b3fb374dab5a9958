"""Learns, from what a tenant's own chunks answer, below which score nothing in its base answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import ChunkId, TenantId
from coccinelle.knowledge.search import search
from coccinelle.providers.embeddings.model import Embedder

DEFAULT_THRESHOLD = 0.30
LEAST_QUESTIONS = 30
MOST_QUESTIONS = 100
QUANTILE = 0.02
LOWEST_THRESHOLD = 0.20
HIGHEST_THRESHOLD = 0.45


@dataclass(frozen=True)
class _Question:
    id: ChunkId
    question: str


def threshold(scores: Sequence[float]) -> float:
    """The score that all but a few of the questions that the base does answer reach."""
    if len(scores) < LEAST_QUESTIONS:
        return DEFAULT_THRESHOLD
    reached = float(np.quantile(np.asarray(scores), QUANTILE))
    return min(HIGHEST_THRESHOLD, max(LOWEST_THRESHOLD, reached))


async def calibrate(db: Database, tenant_id: TenantId, embedder: Embedder) -> None:
    """Measure the tenant's questions against its base, and keep the threshold that follows.

    Each chunk's own question is asked of all the others: of its own chunk it is a copy, which no
    customer's words are. What its neighbours score is near what customers' questions score.
    No transaction is open while questions are embedded. While other sources are being ingested
    nothing is measured: the last of them will be.

    Raises:
        EmbeddingUnavailable: the threshold stays as it was.
    """
    async with db.tenant(tenant_id) as tx:
        if await _is_growing(tx):
            return
        rows = await tx.all(
            _Question,
            "SELECT id, question FROM chunks WHERE tenant_id = %s AND question IS NOT NULL"
            " ORDER BY md5(id::text) LIMIT %s",
            [tenant_id, MOST_QUESTIONS],
        )
    scores: list[float] = []
    if len(rows) >= LEAST_QUESTIONS:
        vectors = await embedder.embed_queries([row.question for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            scores.append(await _score(db, tenant_id, row, vector))
    async with db.tenant(tenant_id) as tx:
        await tx.run(
            "UPDATE knowledge_bases SET answer_threshold = %s, calibrated_from = %s"
            " WHERE tenant_id = %s",
            [threshold(scores), len(scores), tenant_id],
        )


async def _is_growing(tx: TenantTx) -> bool:
    growing: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM sources WHERE tenant_id = %s"
        " AND state IN ('waiting', 'reading', 'embedding'))",
        [tx.tenant_id],
    )
    return growing


async def _score(
    db: Database, tenant_id: TenantId, asked: _Question, vector: NDArray[np.float32]
) -> float:
    async with db.tenant(tenant_id) as tx:
        found = await search(tx, question=asked.question, vector=vector, agent_id=None, limit=8)
    return max((p.answer_score for p in found if p.chunk_id != asked.id), default=0.0)
