"""Puts a source's documents where search finds them, and takes them away again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.ids import AgentId, ChunkId, DocumentId, SourceId
from coccinelle.knowledge.lexical import indexed

EXACT_LIMIT_CHUNKS = 10_000
BATCH_CHUNKS = 200
TITLE_WEIGHT = 3
LONGEST_LEXEME = 64

Vector = tuple[int, float, NDArray[np.float32]]


@dataclass(frozen=True)
class IndexedChunk:
    """A chunk and all that finds it.

    Args:
        indexed_text: title, heading and text; each word counts once.
        title_text: the part of `indexed_text` whose words count three times.
        vectors: (slot, weight, unit vector); slot 0 is the text, the others what it answers.
    """

    id: ChunkId
    position: int
    kind: str
    heading: str
    question: str | None
    text: str
    indexed_text: str
    title_text: str
    vectors: tuple[Vector, ...]


@dataclass(frozen=True)
class IndexedDocument:
    """A document and its chunks; one that could not be read has a `failure_code` and none."""

    id: DocumentId
    position: int
    title: str
    url: str | None
    content_sha256: bytes
    failure_code: str | None = None
    chunks: tuple[IndexedChunk, ...] = field(default=())


async def replace_source(
    tx: TenantTx,
    *,
    source_id: SourceId,
    agent_ids: Sequence[AgentId],
    documents: Sequence[IndexedDocument],
    embedding_model: str,
    generation: int,
    exact_limit: int = EXACT_LIMIT_CHUNKS,
) -> None:
    """Let `documents` be all that the source has, from the moment that `tx` commits.

    Until then every search sees what was there before. A generation that is not newer than the
    live one changes nothing. Writers of one tenant wait for each other at its knowledge base's
    row, which is locked before any other; lock no source in `tx` before.

    Raises:
        NotFound: the source was removed meanwhile.
    """
    await _lock_base(tx, embedding_model)
    if not await _begin_generation(tx, source_id, generation):
        return
    await _clear(tx, source_id)
    await _insert_documents(tx, source_id, documents)
    for batch in _batches(documents):
        await _insert_chunks(tx, source_id, agent_ids, batch)
        await _insert_vectors(tx, agent_ids, batch)
    await _forget_unused_lexemes(tx)
    await _settle_base(tx, embedding_model, exact_limit)
    await _go_live(tx, source_id, embedding_model, generation)


async def remove_source(tx: TenantTx, *, source_id: SourceId) -> bool:
    """Delete the source and all that it taught. False when there is no such source."""
    await _lock_base(tx, None)
    await _clear(tx, source_id)
    removed = await tx.run(
        "DELETE FROM sources WHERE tenant_id = %s AND id = %s", [tx.tenant_id, source_id]
    )
    await _forget_unused_lexemes(tx)
    await _settle_base(tx, None, EXACT_LIMIT_CHUNKS)
    return removed > 0


async def retag_source(tx: TenantTx, *, source_id: SourceId, agent_ids: Sequence[AgentId]) -> None:
    """Let only `agent_ids` find the source's chunks; all agents do when there are none.

    `source_agents` holds the fact; these are the copies that search reads.
    """
    await _lock_base(tx, None)
    values = {"tenant": tx.tenant_id, "source": source_id, "agents": list(agent_ids)}
    for table, chunk in (("chunks", "id"), ("postings", "chunk_id"), ("chunk_vectors", "chunk_id")):
        await tx.run(
            f"UPDATE {table} SET agent_ids = %(agents)s WHERE tenant_id = %(tenant)s"
            f" AND {chunk} IN (SELECT id FROM chunks"
            " WHERE tenant_id = %(tenant)s AND source_id = %(source)s)"
            " AND agent_ids <> %(agents)s",
            values,
        )


async def _lock_base(tx: TenantTx, embedding_model: str | None) -> None:
    if embedding_model is not None:
        await tx.run(
            "INSERT INTO knowledge_bases (tenant_id, embedding_model) VALUES (%s, %s)"
            " ON CONFLICT (tenant_id) DO NOTHING",
            [tx.tenant_id, embedding_model],
        )
    await tx.run(
        "SELECT 1 FROM knowledge_bases WHERE tenant_id = %s FOR NO KEY UPDATE", [tx.tenant_id]
    )


async def _begin_generation(tx: TenantTx, source_id: SourceId, generation: int) -> bool:
    live = await tx.value(
        "SELECT coalesce(live_generation, 0) FROM sources WHERE tenant_id = %s AND id = %s"
        " FOR NO KEY UPDATE",
        [tx.tenant_id, source_id],
    )
    if live is None:
        raise NotFound("source_not_found")
    return bool(live < generation)


async def _clear(tx: TenantTx, source_id: SourceId) -> None:
    values = {"tenant": tx.tenant_id, "source": source_id}
    await tx.run(
        "WITH gone AS (DELETE FROM postings WHERE tenant_id = %(tenant)s AND chunk_id IN"
        " (SELECT id FROM chunks WHERE tenant_id = %(tenant)s AND source_id = %(source)s)"
        " RETURNING lexeme), lost AS (SELECT lexeme, count(*) AS chunks FROM gone GROUP BY lexeme)"
        " UPDATE lexemes l SET chunk_count = l.chunk_count - lost.chunks FROM lost"
        " WHERE l.tenant_id = %(tenant)s AND l.lexeme = lost.lexeme",
        values,
    )
    await tx.run(
        "DELETE FROM chunk_vectors WHERE tenant_id = %(tenant)s AND chunk_id IN"
        " (SELECT id FROM chunks WHERE tenant_id = %(tenant)s AND source_id = %(source)s)",
        values,
    )
    await tx.run(
        "DELETE FROM documents WHERE tenant_id = %(tenant)s AND source_id = %(source)s", values
    )


async def _insert_documents(
    tx: TenantTx, source_id: SourceId, documents: Sequence[IndexedDocument]
) -> None:
    await tx.run(
        "INSERT INTO documents (id, tenant_id, source_id, position, title, url, content_sha256,"
        " failure_code, chunk_count)"
        " SELECT d.id, %s, %s, d.position, d.title, d.url, d.sha256, d.failure, d.chunks"
        " FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::text[], %s::bytea[], %s::text[],"
        " %s::integer[]) AS d (id, position, title, url, sha256, failure, chunks)",
        [
            tx.tenant_id,
            source_id,
            [d.id for d in documents],
            [d.position for d in documents],
            [d.title for d in documents],
            [d.url for d in documents],
            [d.content_sha256 for d in documents],
            [d.failure_code for d in documents],
            [len(d.chunks) for d in documents],
        ],
    )


_Batch = list[tuple[DocumentId, IndexedChunk]]


def _batches(documents: Sequence[IndexedDocument]) -> Iterator[_Batch]:
    pairs = [(document.id, chunk) for document in documents for chunk in document.chunks]
    for start in range(0, len(pairs), BATCH_CHUNKS):
        yield pairs[start : start + BATCH_CHUNKS]


_INSERT_CHUNKS = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(documents)s::uuid[], %(positions)s::integer[], %(kinds)s::text[],
        %(headings)s::text[], %(questions)s::text[], %(texts)s::text[],
        %(indexed)s::text[], %(titles)s::text[]
    ) AS g (id, document_id, position, kind, heading, question, text, indexed, title)
), found AS (
    SELECT g.id, t.lexeme, cardinality(t.positions) AS tf
    FROM given g CROSS JOIN LATERAL unnest(to_tsvector('public.fr', g.indexed)) t
    UNION ALL
    SELECT g.id, t.lexeme, {TITLE_WEIGHT - 1} * cardinality(t.positions)
    FROM given g CROSS JOIN LATERAL unnest(to_tsvector('public.fr', g.title)) t
), counted AS MATERIALIZED (
    SELECT id, lexeme, least(sum(tf), 32767)::smallint AS tf
    FROM found WHERE length(lexeme) <= {LONGEST_LEXEME} GROUP BY id, lexeme
), lengths AS (
    SELECT id, sum(tf)::integer AS lexeme_count FROM counted GROUP BY id
), new_chunks AS (
    INSERT INTO chunks (id, tenant_id, source_id, document_id, position, kind, heading, question,
        text, lexeme_count, agent_ids)
    SELECT g.id, %(tenant)s, %(source)s, g.document_id, g.position, g.kind, g.heading, g.question,
        g.text, coalesce(l.lexeme_count, 0), %(agents)s::uuid[]
    FROM given g LEFT JOIN lengths l USING (id)
), new_postings AS (
    INSERT INTO postings (tenant_id, lexeme, chunk_id, tf, lexeme_count, agent_ids)
    SELECT %(tenant)s, c.lexeme, c.id, c.tf, l.lexeme_count, %(agents)s::uuid[]
    FROM counted c JOIN lengths l USING (id)
)
INSERT INTO lexemes AS known (tenant_id, lexeme, chunk_count)
SELECT %(tenant)s, lexeme, count(*) FROM counted GROUP BY lexeme
ON CONFLICT (tenant_id, lexeme) DO UPDATE SET chunk_count = known.chunk_count + excluded.chunk_count
"""


async def _insert_chunks(
    tx: TenantTx, source_id: SourceId, agent_ids: Sequence[AgentId], batch: _Batch
) -> None:
    values: dict[str, Any] = {
        "tenant": tx.tenant_id,
        "source": source_id,
        "agents": list(agent_ids),
        "ids": [chunk.id for _, chunk in batch],
        "documents": [document_id for document_id, _ in batch],
        "positions": [chunk.position for _, chunk in batch],
        "kinds": [chunk.kind for _, chunk in batch],
        "headings": [chunk.heading for _, chunk in batch],
        "questions": [chunk.question for _, chunk in batch],
        "texts": [chunk.text for _, chunk in batch],
        "indexed": [indexed(chunk.indexed_text) for _, chunk in batch],
        "titles": [indexed(chunk.title_text) for _, chunk in batch],
    }
    await tx.run(_INSERT_CHUNKS, values)


async def _insert_vectors(tx: TenantTx, agent_ids: Sequence[AgentId], batch: _Batch) -> None:
    rows = [(chunk.id, *vector) for _, chunk in batch for vector in chunk.vectors]
    await tx.run(
        "INSERT INTO chunk_vectors"
        " (tenant_id, chunk_id, slot, weight, agent_ids, in_graph, embedding)"
        " SELECT %s, v.id, v.slot, v.weight, %s::uuid[], b.has_graph, v.embedding::halfvec"
        " FROM unnest(%s::uuid[], %s::smallint[], %s::real[], %s::text[])"
        " AS v (id, slot, weight, embedding)"
        " CROSS JOIN (SELECT has_graph FROM knowledge_bases WHERE tenant_id = %s) b",
        [
            tx.tenant_id,
            list(agent_ids),
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [vector_literal(row[3]) for row in rows],
            tx.tenant_id,
        ],
    )


def vector_literal(vector: NDArray[np.float32]) -> str:
    """The vector as pgvector reads it, to five decimals: the half floats it becomes have three."""
    return str(np.round(vector.astype(np.float64), 5).tolist())


async def _forget_unused_lexemes(tx: TenantTx) -> None:
    await tx.run("DELETE FROM lexemes WHERE tenant_id = %s AND chunk_count = 0", [tx.tenant_id])


async def _settle_base(tx: TenantTx, embedding_model: str | None, exact_limit: int) -> None:
    """Count anew, and give a base that has outgrown exact search its graph, once."""
    values = {"tenant": tx.tenant_id, "model": embedding_model, "limit": exact_limit}
    outgrown = await tx.value(
        "WITH counted AS (SELECT count(*) AS chunks, coalesce(sum(lexeme_count), 0) AS lexemes"
        " FROM chunks WHERE tenant_id = %(tenant)s)"
        " UPDATE knowledge_bases b SET chunk_count = counted.chunks,"
        " lexeme_count = counted.lexemes,"
        " embedding_model = coalesce(%(model)s, b.embedding_model), changed_at = now()"
        " FROM counted WHERE b.tenant_id = %(tenant)s"
        " RETURNING counted.chunks > %(limit)s AND NOT b.has_graph",
        values,
    )
    if not outgrown:
        return
    await tx.run("UPDATE knowledge_bases SET has_graph = true WHERE tenant_id = %(tenant)s", values)
    await tx.run(
        "UPDATE chunk_vectors SET in_graph = true WHERE tenant_id = %(tenant)s AND NOT in_graph",
        values,
    )


async def _go_live(
    tx: TenantTx, source_id: SourceId, embedding_model: str, generation: int
) -> None:
    """A newer generation that was asked for meanwhile keeps its own state."""
    await tx.run(
        "UPDATE sources SET live_generation = %(generation)s, embedding_model = %(model)s,"
        " ready_at = now(), failure_code = NULL, failure_values = NULL,"
        " state = CASE WHEN requested_generation > %(generation)s THEN state ELSE 'ready' END"
        " WHERE tenant_id = %(tenant)s AND id = %(source)s",
        {
            "tenant": tx.tenant_id,
            "source": source_id,
            "model": embedding_model,
            "generation": generation,
        },
    )
