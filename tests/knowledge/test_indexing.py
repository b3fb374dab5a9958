"""A source is switched over whole, counted right, and taken away without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.ids import SourceId, TenantId, uuid7
from coccinelle.knowledge.indexing import (
    BATCH_CHUNKS,
    IndexedChunk,
    remove_source,
    replace_source,
    retag_source,
)
from coccinelle.knowledge.search import search
from tests.knowledge.hashing import MODEL, chunk, document, learn, new_source, vector


async def replace_with(
    db: Database,
    tenant_id: TenantId,
    source_id: SourceId,
    chunks: Sequence[IndexedChunk],
    *,
    generation: int,
) -> None:
    async with db.tenant(tenant_id) as tx:
        await replace_source(
            tx,
            source_id=source_id,
            agent_ids=[],
            documents=[document(chunks)],
            embedding_model=MODEL,
            generation=generation,
        )


async def texts(db: Database, tenant_id: TenantId, question: str) -> list[str]:
    async with db.tenant(tenant_id) as tx:
        found = await search(
            tx, question=question, vector=vector(question), agent_id=None, limit=50
        )
    return [passage.text for passage in found]


async def counts(db: Database, tenant_id: TenantId) -> list[dict[str, Any]]:
    """What is kept of the base, beside what its postings say."""
    async with db.tenant(tenant_id) as tx:
        return await tx.records(
            "SELECT b.chunk_count, b.lexeme_count,"
            " (SELECT count(*) FROM chunks) AS chunks,"
            " (SELECT coalesce(sum(tf), 0) FROM postings) AS tf,"
            " (SELECT coalesce(jsonb_object_agg(lexeme, chunk_count), '{}') FROM lexemes) AS kept,"
            " (SELECT coalesce(jsonb_object_agg(lexeme, n), '{}') FROM"
            "  (SELECT lexeme, count(*) AS n FROM postings GROUP BY lexeme) p) AS counted"
            " FROM knowledge_bases b"
        )


async def assert_counted_right(db: Database, tenant_id: TenantId, *, chunks: int) -> None:
    (row,) = await counts(db, tenant_id)
    assert row["chunk_count"] == row["chunks"] == chunks
    assert row["lexeme_count"] == row["tf"]
    assert row["kept"] == row["counted"]


async def test_the_old_version_serves_until_the_new_one_is_whole(
    db: Database, rivoli: TenantId
) -> None:
    source_id = await learn(db, rivoli, [chunk("ancienne vidange"), chunk("ancienne batterie")])
    async with db.tenant(rivoli) as tx:
        await replace_source(
            tx,
            source_id=source_id,
            agent_ids=[],
            documents=[document([chunk("nouvelle vidange")])],
            embedding_model=MODEL,
            generation=2,
        )
        assert sorted(await texts(db, rivoli, "vidange")) == [
            "ancienne batterie",
            "ancienne vidange",
        ]

    assert await texts(db, rivoli, "vidange") == ["nouvelle vidange"]
    await assert_counted_right(db, rivoli, chunks=1)


async def test_a_replacement_that_fails_leaves_the_old_version(
    db: Database, rivoli: TenantId
) -> None:
    source_id = await learn(db, rivoli, [chunk("ancienne vidange")])

    async def broken() -> None:
        async with db.tenant(rivoli) as tx:
            await replace_source(
                tx,
                source_id=source_id,
                agent_ids=[],
                documents=[document([chunk("nouvelle vidange")])],
                embedding_model=MODEL,
                generation=2,
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()

    assert await texts(db, rivoli, "vidange") == ["ancienne vidange"]
    await assert_counted_right(db, rivoli, chunks=1)


async def test_a_generation_that_is_not_newer_changes_nothing(
    db: Database, rivoli: TenantId
) -> None:
    source_id = await learn(db, rivoli, [chunk("première vidange")])
    await replace_with(db, rivoli, source_id, [chunk("troisième vidange")], generation=3)

    for late in (1, 2, 3):
        await replace_with(db, rivoli, source_id, [chunk("vidange en retard")], generation=late)

    assert await texts(db, rivoli, "vidange") == ["troisième vidange"]
    await assert_counted_right(db, rivoli, chunks=1)


async def test_a_source_is_ready_only_when_nothing_newer_was_asked_for(
    db: Database, rivoli: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        source_id = await new_source(tx)
        await tx.run("UPDATE sources SET requested_generation = 2, state = 'reading'")
    states = []
    for generation in (1, 2):
        await replace_with(db, rivoli, source_id, [chunk("vidange")], generation=generation)
        async with db.tenant(rivoli) as tx:
            states.append(await tx.value("SELECT state FROM sources WHERE id = %s", [source_id]))

    assert states == ["reading", "ready"]


async def test_a_source_that_was_removed_meanwhile_is_not_brought_back(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    foreign = await learn(db, nordlys, [chunk("vidange")])

    for unknown in (SourceId(uuid7()), foreign):
        with pytest.raises(NotFound):
            await replace_with(db, rivoli, unknown, [chunk("canari")], generation=9)

    assert await texts(db, nordlys, "vidange") == ["vidange"]


async def test_more_chunks_than_a_batch_are_all_found_and_counted(
    db: Database, rivoli: TenantId
) -> None:
    many = [chunk(f"vidange article{n}", position=n) for n in range(BATCH_CHUNKS + 7)]
    await learn(db, rivoli, many)

    assert f"vidange article{BATCH_CHUNKS + 6}" in await texts(
        db, rivoli, f"article{BATCH_CHUNKS + 6}"
    )
    await assert_counted_right(db, rivoli, chunks=BATCH_CHUNKS + 7)


async def test_removing_a_source_leaves_nothing_of_it(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    kept = await learn(db, rivoli, [chunk("vidange et batterie")])
    gone = await learn(db, rivoli, [chunk("vidange et peinture")])

    async with db.tenant(nordlys) as tx:
        assert not await remove_source(tx, source_id=gone)
    async with db.tenant(rivoli) as tx:
        assert await remove_source(tx, source_id=gone)
        assert not await remove_source(tx, source_id=gone)

    assert await texts(db, rivoli, "peinture vidange") == ["vidange et batterie"]
    await assert_counted_right(db, rivoli, chunks=1)
    async with db.tenant(rivoli) as tx:
        assert await tx.value("SELECT array_agg(id) FROM sources") == [kept]
        assert await tx.value("SELECT count(*) FROM chunk_vectors") == 1


async def test_sources_of_one_tenant_are_replaced_side_by_side(
    db: Database, rivoli: TenantId
) -> None:
    sources = [await learn(db, rivoli, [chunk(f"vidange {n}")]) for n in range(4)]
    words = ["batterie", "vidange", "pneu", "frein"]

    async def again(place: int) -> None:
        for generation in range(2, 6):
            order = words[place:] + words[:place]
            pieces = [chunk(f"{word} {place} {generation}") for word in order]
            await replace_with(db, rivoli, sources[place], pieces, generation=generation)

    await asyncio.gather(*(again(place) for place in range(4)))

    await assert_counted_right(db, rivoli, chunks=16)
    assert len(await texts(db, rivoli, "batterie")) == 16


async def test_a_retagged_source_is_found_by_its_new_agents_only(
    db: Database, rivoli: TenantId
) -> None:
    configuration = Configuration("Audrey", "", "", "", "", "")
    async with db.tenant(rivoli) as tx:
        ids = [
            await agents.create(tx, key=key, position=0, configuration=configuration)
            for key in ("audrey", "carole")
        ]
    source_id = await learn(db, rivoli, [chunk("vidange")], agent_ids=ids[:1])

    async with db.tenant(rivoli) as tx:
        await retag_source(tx, source_id=source_id, agent_ids=ids[1:])

    seen = []
    for agent_id in ids:
        for query in (vector("vidange"), None):
            async with db.tenant(rivoli) as tx:
                found = await search(
                    tx, question="vidange", vector=query, agent_id=agent_id, limit=5
                )
            seen.append([passage.agent_ids for passage in found])
    assert seen == [[], [], [(ids[1],)], [(ids[1],)]]


async def test_a_base_that_outgrows_exact_search_has_all_its_vectors_in_the_graph(
    db: Database, rivoli: TenantId
) -> None:
    graphed = []
    for round_number in range(3):
        pieces = [chunk(f"vidange {round_number} {n}") for n in range(4)]
        await learn(db, rivoli, pieces, exact_limit=6)
        async with db.tenant(rivoli) as tx:
            graphed.append(
                await tx.value("SELECT count(*) FILTER (WHERE in_graph) FROM chunk_vectors")
            )

    assert graphed == [0, 8, 12]
