"""Vectors without a model: texts that share words are near each other, always alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import AgentId, ChunkId, DocumentId, SourceId, TenantId, uuid7
from coccinelle.knowledge.indexing import IndexedChunk, IndexedDocument, replace_source

DIMENSIONS = 384
MODEL = "hashed-words"


def vector(text: str) -> NDArray[np.float32]:
    """The unit sum of one random direction a word of four letters or more."""
    total = np.zeros(DIMENSIONS)
    for word in re.findall(r"\w{4,}", text.casefold()) or ["rien"]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        total += np.random.default_rng(seed).normal(size=DIMENSIONS)
    unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


class HashedWords:
    """An embedder of `vector`s."""

    model = MODEL
    dimensions = DIMENSIONS

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([vector(text) for text in texts], np.float32).reshape(-1, DIMENSIONS)

    async def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self.embed_queries(texts)


def chunk(
    text: str,
    *,
    position: int = 0,
    title: str = "",
    question: str | None = None,
    kind: str = "text",
    weight: float = 0.5,
) -> IndexedChunk:
    """A chunk with the vector of its text, and that of its question if it has one."""
    whole = "\n".join(part for part in (title, question, text) if part)
    second = () if question is None else ((1, weight, vector(question)),)
    return IndexedChunk(
        id=ChunkId(uuid7()),
        position=position,
        kind=kind,
        heading="",
        question=question,
        text=text,
        indexed_text=whole,
        title_text=title,
        vectors=((0, 1.0, vector(whole)), *second),
    )


def document(chunks: Sequence[IndexedChunk], *, title: str = "Document") -> IndexedDocument:
    """A document of these chunks."""
    digest = hashlib.sha256(repr(chunks).encode()).digest()
    return IndexedDocument(DocumentId(uuid7()), 0, title, None, digest, None, tuple(chunks))


async def new_source(tx: TenantTx) -> SourceId:
    """A source that nothing is known of yet."""
    source_id = SourceId(uuid7())
    await tx.run(
        "INSERT INTO sources (id, tenant_id, kind, title) VALUES (%s, %s, 'file', 'Source')",
        [source_id, tx.tenant_id],
    )
    return source_id


async def learn(
    db: Database,
    tenant_id: TenantId,
    chunks: Sequence[IndexedChunk],
    *,
    agent_ids: Sequence[AgentId] = (),
    exact_limit: int = 10_000,
    title: str = "Document",
) -> SourceId:
    """A new source of one document, live at once."""
    async with db.tenant(tenant_id, timeout_ms=120_000) as tx:
        source_id = await new_source(tx)
        await replace_source(
            tx,
            source_id=source_id,
            agent_ids=agent_ids,
            documents=[document(chunks, title=title)],
            embedding_model=MODEL,
            generation=1,
            exact_limit=exact_limit,
        )
    return source_id
