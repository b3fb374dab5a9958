"""Rows of documents and of the passages they are cut into, as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import ChunkId, DocumentId, SourceId
from coccinelle.knowledge.model import Document, Piece

_DOCUMENT = (
    "SELECT id, source_id, position, title, url, chunk_count, failure_code, failure_values"
    " FROM documents WHERE tenant_id = %(tenant)s"
)


@dataclass(frozen=True)
class Counts:
    """What answers now of a source: documents that were read, those that could not be, passages."""

    source_id: SourceId
    documents: int
    failed: int
    passages: int


@dataclass(frozen=True)
class FoundWord:
    """A word of a question that a passage has."""

    chunk_id: ChunkId
    word: str


async def documents(
    tx: TenantTx, *, source_id: SourceId, limit: int, after: int, titled: str
) -> list[Document]:
    """In their order, those after position `after` whose title or address has `titled` in it."""
    return await tx.all(
        Document,
        _DOCUMENT + " AND source_id = %(source)s AND position > %(after)s"
        " AND (unaccent(title) ILIKE unaccent(%(like)s) OR url ILIKE %(like)s)"
        " ORDER BY position LIMIT %(limit)s",
        {
            "tenant": tx.tenant_id,
            "source": source_id,
            "after": after,
            "like": _containing(titled),
            "limit": limit,
        },
    )


async def document(tx: TenantTx, document_id: DocumentId) -> Document | None:
    return await tx.maybe(
        Document, _DOCUMENT + " AND id = %(id)s", {"tenant": tx.tenant_id, "id": document_id}
    )


async def pieces(tx: TenantTx, *, document_id: DocumentId, limit: int, after: int) -> list[Piece]:
    """In their order; those after position `after`."""
    return await tx.all(
        Piece,
        "SELECT id, position, kind, heading, question, text FROM chunks"
        " WHERE tenant_id = %s AND document_id = %s AND position > %s ORDER BY position LIMIT %s",
        [tx.tenant_id, document_id, after, limit],
    )


async def counts(tx: TenantTx, source_ids: Sequence[SourceId]) -> list[Counts]:
    """Of those sources that have any document."""
    return await tx.all(
        Counts,
        "SELECT source_id, count(*) FILTER (WHERE failure_code IS NULL) AS documents,"
        " count(*) FILTER (WHERE failure_code IS NOT NULL) AS failed,"
        " coalesce(sum(chunk_count), 0)::integer AS passages FROM documents"
        " WHERE tenant_id = %s AND source_id = ANY (%s::uuid[]) GROUP BY source_id",
        [tx.tenant_id, list(source_ids)],
    )


async def found_words(
    tx: TenantTx, *, words: Sequence[str], chunk_ids: Sequence[ChunkId]
) -> list[FoundWord]:
    """Which of `words` each passage has, in their order; a word counts in all its forms."""
    return await tx.all(
        FoundWord,
        "WITH asked AS (SELECT w.word, min(w.place) AS place, l.lexeme"
        "  FROM unnest(%(words)s::text[]) WITH ORDINALITY AS w (word, place)"
        "  CROSS JOIN LATERAL unnest(to_tsvector('public.fr', w.word)) l"
        "  GROUP BY w.word, l.lexeme)"
        " SELECT p.chunk_id, a.word FROM asked a JOIN postings p"
        "  ON p.tenant_id = %(tenant)s AND p.lexeme = a.lexeme"
        " WHERE p.chunk_id = ANY (%(chunks)s::uuid[]) ORDER BY p.chunk_id, a.place",
        {"tenant": tx.tenant_id, "words": list(words), "chunks": list(chunk_ids)},
    )


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
