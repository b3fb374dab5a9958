"""One ingestion: read -> chunk -> embed -> switch over, resumable after any step.

No transaction is open while something is read, fetched or embedded. Whoever builds a generation
holds its source by a lease on its row, so that a worker and a terminal do not do the same work
twice; and the switch is one transaction that looks again at what is asked for, so that even two
builders could not index a source twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import structlog

from coccinelle.foundation import metrics
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, Invalid, NotFound, Unavailable
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.knowledge import calibration, embedding, indexing, reading, store
from coccinelle.knowledge.indexing import IndexedDocument
from coccinelle.knowledge.model import Superseded
from coccinelle.knowledge.reading import Draft
from coccinelle.knowledge.run import Progress, Run, unnoticed
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.providers.embeddings.model import EmbeddingUnavailable

HOLD_SECONDS = 30
LOOK_AGAIN_SECONDS = 0.5
SWITCH_TIMEOUT_MS = 300_000

log = structlog.get_logger(__name__)


async def run_ingest(
    services: KnowledgeServices,
    tenant_id: TenantId,
    source_id: SourceId,
    generation: int,
    progress: Progress = unnoticed,
) -> None:
    """Build `generation` of a source, and let it answer in place of the one before.

    Returns when it answers, when it has failed for a reason that its owner can read, or when it
    is not asked for any more; at once, if that was so before. While somebody else builds it, this
    waits and reports their progress. With the tenant's last source, its threshold is learnt anew.

    Args:
        progress: called with (chunks done, chunks in all).

    Raises:
        Unavailable: the embedder or the database is down. What was done is kept.
    """
    run = Run(services, tenant_id, source_id, generation, progress)
    while await _is_pending(run):
        if await _claim(run):
            await _build(run)
            break
        await _watch(run)
        await anyio.sleep(LOOK_AGAIN_SECONDS)
    await _calibrate(run)


async def give_up(
    db: Database, tenant_id: TenantId, source_id: SourceId, generation: int, error: Exception
) -> None:
    """Say on the source that its ingestion ended by `error`; the owner may ask for it again."""
    code = error.code if isinstance(error, CoccinelleError) else "ingest_crashed"
    async with db.tenant(tenant_id) as tx:
        await store.fail(tx, source_id=source_id, generation=generation, code=code, values={})


async def _is_pending(run: Run) -> bool:
    async with run.tx() as tx:
        return await store.is_pending(tx, source_id=run.source_id, generation=run.generation)


async def _claim(run: Run) -> bool:
    async with run.tx() as tx:
        claimed = await store.claim(
            tx,
            source_id=run.source_id,
            generation=run.generation,
            hold_seconds=HOLD_SECONDS,
        )
    return claimed == 1


async def _watch(run: Run) -> None:
    async with run.tx() as tx:
        found = await store.source(tx, run.source_id)
    if found and found.chunks_total:
        run.progress(found.chunks_done, found.chunks_total)


async def _build(run: Run) -> None:
    async with _held(run):
        try:
            drafts = await reading.read(run)
            await _switch(run, drafts, await embedding.embed(run, drafts))
        except (Superseded, NotFound):
            log.info("ingest_superseded", source_id=str(run.source_id), generation=run.generation)
            return
        except Invalid as failure:
            await _fail(run, failure)


@asynccontextmanager
async def _held(run: Run) -> AsyncIterator[None]:
    """The source is ours until the end of the block, whatever ends it."""
    renewing = asyncio.create_task(_renew(run))
    try:
        yield
    finally:
        renewing.cancel()
        with anyio.move_on_after(5, shield=True):
            async with run.tx() as tx:
                await store.let_go(tx, source_id=run.source_id, generation=run.generation)


async def _renew(run: Run) -> None:
    while True:
        await asyncio.sleep(HOLD_SECONDS / 3)
        try:
            async with run.tx() as tx:
                await store.hold(
                    tx,
                    source_id=run.source_id,
                    generation=run.generation,
                    hold_seconds=HOLD_SECONDS,
                )
        except Unavailable:
            log.warning("ingest_hold_not_renewed", source_id=str(run.source_id))


async def _switch(run: Run, drafts: Sequence[Draft], documents: Sequence[IndexedDocument]) -> None:
    """Let the new generation answer, in one transaction.

    `replace_source` locks the tenant's knowledge base first, as every writer does; a change of the
    tags that was committed before it had that lock is seen after it.
    """
    model = run.services.embedder.model
    async with run.tx(timeout_ms=SWITCH_TIMEOUT_MS) as tx:
        tagged = await store.agent_ids(tx, run.source_id)
        await indexing.replace_source(
            tx,
            source_id=run.source_id,
            agent_ids=tagged,
            documents=documents,
            embedding_model=model,
            generation=run.generation,
        )
        retagged = await store.agent_ids(tx, run.source_id)
        if set(retagged) != set(tagged):
            await indexing.retag_source(tx, source_id=run.source_id, agent_ids=retagged)
        await _explain_failures(tx, run.source_id, drafts)
        await store.delete_pages(tx, run.source_id)
        await embedding.prune(tx, model)
    metrics.INGESTED_CHUNKS.inc(sum(len(document.chunks) for document in documents))


async def _explain_failures(tx: TenantTx, source_id: SourceId, drafts: Sequence[Draft]) -> None:
    for position, draft in enumerate(drafts):
        if draft.failure_values:
            await store.explain_failure(
                tx, source_id=source_id, position=position, values=draft.failure_values
            )


async def _fail(run: Run, failure: Invalid) -> None:
    log.info("ingest_failed", source_id=str(run.source_id), code=failure.code)
    async with run.tx() as tx:
        await store.fail(
            tx,
            source_id=run.source_id,
            generation=run.generation,
            code=failure.code,
            values=failure.values,
        )


async def _calibrate(run: Run) -> None:
    """Learn the tenant's threshold after the last of several sources; at the next one, if late."""
    async with run.tx() as tx:
        changed_at = await store.uncalibrated(tx)
    if changed_at is None:
        return
    try:
        await calibration.calibrate(run.services.db, run.tenant_id, run.services.embedder)
    except EmbeddingUnavailable:
        log.warning("calibration_postponed", tenant_id=str(run.tenant_id))
        return
    async with run.tx() as tx:
        await store.calibrated(tx, changed_at)
