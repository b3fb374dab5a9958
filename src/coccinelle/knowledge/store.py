"""Rows of sources, of the pages that were fetched for them, and of gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from coccinelle.foundation.database import DirectoryTx, TenantTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import AgentId, SourceId, TenantId, uuid7
from coccinelle.knowledge.model import NewSource, Source

_SOURCE = (
    "SELECT s.id, s.kind, s.title, s.url, s.filename, s.media_type, s.state, s.failure_code,"
    " s.failure_values, s.chunks_total, s.chunks_done, coalesce(c.pages_done, 0) AS pages,"
    " s.requested_generation AS generation, s.live_generation,"
    " ARRAY(SELECT a.key FROM source_agents sa"
    "  JOIN agents a ON a.tenant_id = sa.tenant_id AND a.id = sa.agent_id"
    "  WHERE sa.tenant_id = s.tenant_id AND sa.source_id = s.id ORDER BY a.position, a.key)"
    " AS agents,"
    " s.created_at, s.started_at, s.ready_at"
    " FROM sources s LEFT JOIN crawls c ON c.tenant_id = s.tenant_id AND c.source_id = s.id"
    " WHERE s.tenant_id = %(tenant)s"
)


@dataclass(frozen=True)
class PageRow:
    """A page as it was fetched."""

    position: int
    url: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class CrawlRow:
    """How far a crawl is."""

    frontier: str
    is_finished: bool


@dataclass(frozen=True)
class VectorRow:
    """A vector that was made before, float16, little-endian."""

    purpose: str
    text_sha256: bytes
    vector: bytes


@dataclass(frozen=True)
class ThresholdRow:
    """The score below which no answer is given, what it was learnt from, and how much there is."""

    answer_threshold: float
    calibrated_from: int
    chunk_count: int


async def insert_source(tx: TenantTx, new: NewSource) -> SourceId | None:
    """None where the tenant has this content, or this address, already."""
    found: SourceId | None = await tx.value(
        "INSERT INTO sources (id, tenant_id, kind, title, url, filename, media_type, content,"
        " content_sha256) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        [uuid7(), tx.tenant_id, new.kind, new.title, new.url, new.filename, new.media_type]
        + [new.content, new.content_sha256],
    )
    return found


async def twin(tx: TenantTx, new: NewSource) -> SourceId | None:
    found: SourceId | None = await tx.value(
        "SELECT id FROM sources WHERE tenant_id = %(tenant)s AND (content_sha256 = %(sha256)s"
        " OR (kind = %(kind)s AND url = %(url)s))",
        {"tenant": tx.tenant_id, "sha256": new.content_sha256, "kind": new.kind, "url": new.url},
    )
    return found


async def in_slot(tx: TenantTx, slot: str) -> SourceId | None:
    found: SourceId | None = await tx.value(
        "SELECT id FROM sources WHERE tenant_id = %s AND slot = %s", [tx.tenant_id, slot]
    )
    return found


async def put_in_slot(tx: TenantTx, source_id: SourceId, slot: str) -> None:
    try:
        await tx.run(
            "UPDATE sources SET slot = %s WHERE tenant_id = %s AND id = %s",
            [slot, tx.tenant_id, source_id],
        )
    except UniqueViolation as error:  # Somebody else filled it just now.
        raise Conflict from error


async def content_in_slot(tx: TenantTx, slot: str) -> bytes | None:
    found: bytes | None = await tx.value(
        "SELECT content FROM sources WHERE tenant_id = %s AND slot = %s", [tx.tenant_id, slot]
    )
    return found


async def file_named(tx: TenantTx, filename: str, *, unlike: bytes | None) -> SourceId | None:
    """The newest file of that name; None where a file of that name has the content `unlike`."""
    found: SourceId | None = await tx.value(
        "SELECT id FROM sources WHERE tenant_id = %(tenant)s AND kind = 'file'"
        " AND filename = %(name)s AND NOT EXISTS (SELECT FROM sources WHERE tenant_id = %(tenant)s"
        "  AND kind = 'file' AND filename = %(name)s AND content_sha256 = %(sha256)s)"
        " ORDER BY id DESC LIMIT 1",
        {"tenant": tx.tenant_id, "name": filename, "sha256": unlike},
    )
    return found


async def replace_content(tx: TenantTx, source_id: SourceId, new: NewSource) -> int | None:
    """The number of the generation to build of the new content; None: there is no such source."""
    try:
        replaced = await tx.run(
            "UPDATE sources SET title = %s, url = %s, content = %s, content_sha256 = %s,"
            " media_type = %s WHERE tenant_id = %s AND id = %s",
            [new.title, new.url, new.content, new.content_sha256, new.media_type]
            + [tx.tenant_id, source_id],
        )
    except UniqueViolation as error:  # Somebody else added this content just now.
        raise Conflict from error
    return await request_generation(tx, source_id) if replaced else None


async def source(tx: TenantTx, source_id: SourceId) -> Source | None:
    return await tx.maybe(
        Source, _SOURCE + " AND s.id = %(id)s", {"tenant": tx.tenant_id, "id": source_id}
    )


async def sources(tx: TenantTx, *, limit: int, before: SourceId | None) -> list[Source]:
    """Newest first; those before `before`."""
    return await tx.all(
        Source,
        _SOURCE + " AND (%(before)s::uuid IS NULL OR s.id < %(before)s)"
        " ORDER BY s.id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
    )


async def content(tx: TenantTx, source_id: SourceId) -> bytes:
    found: bytes | None = await tx.value(
        "SELECT content FROM sources WHERE tenant_id = %s AND id = %s", [tx.tenant_id, source_id]
    )
    return found or b""


async def tag(tx: TenantTx, *, source_id: SourceId, agent_ids: Sequence[AgentId]) -> None:
    """Exactly these agents may use the source from now on."""
    await tx.run(
        "WITH gone AS (DELETE FROM source_agents WHERE tenant_id = %(tenant)s"
        "  AND source_id = %(source)s AND agent_id <> ALL (%(agents)s::uuid[]))"
        " INSERT INTO source_agents (tenant_id, source_id, agent_id)"
        " SELECT %(tenant)s, %(source)s, unnest(%(agents)s::uuid[]) ON CONFLICT DO NOTHING",
        {"tenant": tx.tenant_id, "source": source_id, "agents": list(agent_ids)},
    )


async def agent_ids(tx: TenantTx, source_id: SourceId) -> list[AgentId]:
    found: list[AgentId] = await tx.value(
        "SELECT coalesce(array_agg(agent_id), '{}') FROM source_agents"
        " WHERE tenant_id = %s AND source_id = %s",
        [tx.tenant_id, source_id],
    )
    return found


async def rename(tx: TenantTx, source_id: SourceId, title: str) -> int:
    return await tx.run(
        "UPDATE sources SET title = %s WHERE tenant_id = %s AND id = %s",
        [title, tx.tenant_id, source_id],
    )


async def lock_tenant(tx: TenantTx) -> None:
    await tx.run("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", [tx.tenant_id])


async def request_generation(tx: TenantTx, source_id: SourceId) -> int | None:
    """The number of the generation to build; None where there is no such source."""
    found: int | None = await tx.value(
        "UPDATE sources SET requested_generation = requested_generation + 1, state = 'waiting',"
        " failure_code = NULL, failure_values = NULL, chunks_total = 0, chunks_done = 0,"
        " held_until = NULL WHERE tenant_id = %s AND id = %s RETURNING requested_generation",
        [tx.tenant_id, source_id],
    )
    return found


async def keep_source(tx: TenantTx, source_id: SourceId) -> bool:
    """Whether there is such a source; it is not deleted before this transaction ends."""
    found = await tx.value(
        "SELECT 1 FROM sources WHERE tenant_id = %s AND id = %s FOR KEY SHARE",
        [tx.tenant_id, source_id],
    )
    return found is not None


async def claim(tx: TenantTx, *, source_id: SourceId, generation: int, hold_seconds: int) -> int:
    """1 where this generation is still to be built and nobody else is building it."""
    return await tx.run(
        "UPDATE sources SET state = 'reading', started_at = now(), chunks_total = 0,"
        " chunks_done = 0, held_until = now() + %(hold)s * interval '1 second'"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s AND requested_generation = %(generation)s"
        " AND live_generation IS DISTINCT FROM %(generation)s AND state <> 'failed'"
        " AND (held_until IS NULL OR held_until < now())",
        {
            "tenant": tx.tenant_id,
            "id": source_id,
            "generation": generation,
            "hold": hold_seconds,
        },
    )


async def is_pending(tx: TenantTx, *, source_id: SourceId, generation: int) -> bool:
    """Whether this generation is still to be built, by whomever."""
    found = await tx.value(
        "SELECT 1 FROM sources WHERE tenant_id = %(tenant)s AND id = %(id)s"
        " AND requested_generation = %(generation)s AND state <> 'failed'"
        " AND live_generation IS DISTINCT FROM %(generation)s",
        {"tenant": tx.tenant_id, "id": source_id, "generation": generation},
    )
    return found is not None


async def hold(tx: TenantTx, *, source_id: SourceId, generation: int, hold_seconds: int) -> int:
    return await tx.run(
        "UPDATE sources SET held_until = now() + %s * interval '1 second'"
        " WHERE tenant_id = %s AND id = %s AND requested_generation = %s"
        " AND state IN ('reading', 'embedding')",
        [hold_seconds, tx.tenant_id, source_id, generation],
    )


async def let_go(tx: TenantTx, *, source_id: SourceId, generation: int) -> None:
    await tx.run(
        "UPDATE sources SET held_until = NULL"
        " WHERE tenant_id = %s AND id = %s AND requested_generation = %s",
        [tx.tenant_id, source_id, generation],
    )


async def save_progress(
    tx: TenantTx, *, source_id: SourceId, generation: int, done: int, total: int
) -> int:
    """0 where the generation is no longer asked for."""
    return await tx.run(
        "UPDATE sources SET state = 'embedding', chunks_done = %s, chunks_total = %s"
        " WHERE tenant_id = %s AND id = %s AND requested_generation = %s",
        [done, total, tx.tenant_id, source_id, generation],
    )


async def fail(
    tx: TenantTx, *, source_id: SourceId, generation: int, code: str, values: dict[str, Any]
) -> None:
    await tx.run(
        "UPDATE sources SET state = 'failed', failure_code = %s, failure_values = %s,"
        " held_until = NULL WHERE tenant_id = %s AND id = %s AND requested_generation = %s"
        " AND live_generation IS DISTINCT FROM requested_generation",
        [code, Jsonb(values), tx.tenant_id, source_id, generation],
    )


async def crawl(tx: TenantTx, *, source_id: SourceId, generation: int) -> CrawlRow | None:
    return await tx.maybe(
        CrawlRow,
        "SELECT frontier::text, finished_at IS NOT NULL AS is_finished FROM crawls"
        " WHERE tenant_id = %s AND source_id = %s AND generation = %s",
        [tx.tenant_id, source_id, generation],
    )


async def forget_crawl(tx: TenantTx, source_id: SourceId) -> None:
    await tx.run(
        "DELETE FROM crawls WHERE tenant_id = %s AND source_id = %s", [tx.tenant_id, source_id]
    )


async def begin_crawl(tx: TenantTx, *, source_id: SourceId, generation: int, frontier: str) -> None:
    await tx.run(
        "INSERT INTO crawls (tenant_id, source_id, generation, frontier)"
        " VALUES (%s, %s, %s, %s::jsonb)",
        [tx.tenant_id, source_id, generation, frontier],
    )


async def save_frontier(
    tx: TenantTx,
    *,
    source_id: SourceId,
    generation: int,
    frontier: str,
    pages_done: int,
    bytes_done: int,
) -> int:
    """0 where the generation is no longer crawled."""
    return await tx.run(
        "UPDATE crawls SET frontier = %s::jsonb, pages_done = %s, bytes_done = %s"
        " WHERE tenant_id = %s AND source_id = %s AND generation = %s",
        [frontier, pages_done, bytes_done, tx.tenant_id, source_id, generation],
    )


async def finish_crawl(tx: TenantTx, *, source_id: SourceId, frontier: str) -> None:
    await tx.run(
        "UPDATE crawls SET frontier = %s::jsonb, finished_at = now()"
        " WHERE tenant_id = %s AND source_id = %s",
        [frontier, tx.tenant_id, source_id],
    )


async def insert_page(tx: TenantTx, *, source_id: SourceId, page: PageRow) -> None:
    await tx.run(
        "INSERT INTO crawled_pages (tenant_id, source_id, position, url, media_type, body)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [tx.tenant_id, source_id, page.position, page.url, page.media_type, page.body],
    )


async def page(tx: TenantTx, *, source_id: SourceId, position: int) -> PageRow | None:
    return await tx.maybe(
        PageRow,
        "SELECT position, url, media_type, body FROM crawled_pages"
        " WHERE tenant_id = %s AND source_id = %s AND position = %s",
        [tx.tenant_id, source_id, position],
    )


async def delete_pages(tx: TenantTx, source_id: SourceId) -> None:
    await tx.run(
        "DELETE FROM crawled_pages WHERE tenant_id = %s AND source_id = %s",
        [tx.tenant_id, source_id],
    )


async def explain_failure(
    tx: TenantTx, *, source_id: SourceId, position: int, values: Mapping[str, Any]
) -> None:
    await tx.run(
        "UPDATE documents SET failure_values = %s"
        " WHERE tenant_id = %s AND source_id = %s AND position = %s",
        [Jsonb(dict(values)), tx.tenant_id, source_id, position],
    )


async def vectors(tx: TenantTx, *, model: str, hashes: Sequence[bytes]) -> list[VectorRow]:
    """Of the texts with these hashes, whichever their purpose."""
    return await tx.all(
        VectorRow,
        "SELECT purpose, text_sha256, vector FROM embedded_texts WHERE tenant_id = %s"
        " AND embedding_model = %s AND purpose IN ('query', 'passage')"
        " AND text_sha256 = ANY (%s::bytea[])",
        [tx.tenant_id, model, list(hashes)],
    )


async def keep_vectors(
    tx: TenantTx, *, model: str, rows: Sequence[tuple[str, bytes, bytes]]
) -> None:
    """`rows` are purpose, hash of the text, vector."""
    await tx.run(
        "INSERT INTO embedded_texts (tenant_id, embedding_model, purpose, text_sha256, vector)"
        " SELECT %s, %s, r.purpose, r.sha256, r.vector"
        " FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS r (purpose, sha256, vector)"
        " ON CONFLICT DO NOTHING",
        [tx.tenant_id, model, *(list(column) for column in zip(*rows, strict=True))],
    )


async def forget_vectors(tx: TenantTx, *, model: str, kept_days: int) -> None:
    await tx.run(
        "DELETE FROM embedded_texts WHERE tenant_id = %s AND (embedding_model <> %s"
        " OR created_at < now() - %s * interval '1 day')",
        [tx.tenant_id, model, kept_days],
    )


async def uncalibrated(tx: TenantTx) -> datetime | None:
    """The last change of the base, if its threshold is older and no source will change it soon."""
    found: datetime | None = await tx.value(
        "SELECT changed_at FROM knowledge_bases WHERE tenant_id = %(tenant)s"
        " AND calibrated_as_of IS DISTINCT FROM changed_at"
        " AND NOT EXISTS (SELECT 1 FROM sources WHERE tenant_id = %(tenant)s"
        "  AND state IN ('waiting', 'reading', 'embedding')"
        "  AND greatest(created_at, started_at) > now() - interval '1 hour')",
        {"tenant": tx.tenant_id},
    )
    return found


async def calibrated(tx: TenantTx, as_of: datetime) -> None:
    await tx.run(
        "UPDATE knowledge_bases SET calibrated_as_of = %s WHERE tenant_id = %s",
        [as_of, tx.tenant_id],
    )


async def has_vectors_of(tx: TenantTx, *, model: str) -> bool:
    """Whether every source that answers has vectors of this model: others are not comparable."""
    found: bool = await tx.value(
        "SELECT NOT EXISTS (SELECT FROM sources WHERE tenant_id = %s"
        " AND live_generation IS NOT NULL AND embedding_model <> %s)",
        [tx.tenant_id, model],
    )
    return found


async def outdated_sources(tx: TenantTx, *, model: str) -> list[SourceId]:
    """Sources that answer with vectors of another model, and that nobody is building anew."""
    found: list[SourceId] = await tx.value(
        "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM sources WHERE tenant_id = %s"
        " AND live_generation = requested_generation AND embedding_model <> %s",
        [tx.tenant_id, model],
    )
    return found


async def tenants_of_other_models(tx: DirectoryTx, *, model: str) -> list[TenantId]:
    """The tenants whose knowledge was last written with vectors of another model."""
    found: list[TenantId] = await tx.value(
        "SELECT coalesce(array_agg(tenant_id), '{}') FROM knowledge_bases"
        " WHERE embedding_model <> %s",
        [model],
    )
    return found


async def threshold(tx: TenantTx) -> ThresholdRow | None:
    return await tx.maybe(
        ThresholdRow,
        "SELECT answer_threshold, calibrated_from, chunk_count FROM knowledge_bases"
        " WHERE tenant_id = %s",
        [tx.tenant_id],
    )
