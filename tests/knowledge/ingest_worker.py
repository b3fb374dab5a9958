"""Ingestions in a process of their own, that tests kill.

python -m tests.knowledge.ingest_worker die DSN TENANT SOURCE...
python -m tests.knowledge.ingest_worker work DSN
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import coccinelle.knowledge.jobs  # noqa: F401 (registers the task)
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.outgoing import Outgoing
from coccinelle.knowledge.crawl import CrawlLimits
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.parsing import ParseLimits
from coccinelle.providers.embeddings.model import Vectors
from tests.embedder import WordEmbedder

LIMITS = CrawlLimits(max_pages=20, max_depth=3, max_bytes=10_000_000, max_seconds=60)


def outgoing_to(*allowed: str) -> Outgoing:
    """The guarded client, with `host:port` on loopback that it may read."""
    return Outgoing(allow=frozenset(allowed), max_bytes=5_000_000, timeout_seconds=10)


@dataclass(frozen=True)
class Services:
    """What an ingestion works with, in tests."""

    db: Database
    embedder: WordEmbedder = field(default_factory=WordEmbedder)
    outgoing: Outgoing = field(default_factory=outgoing_to)
    parse_limits: ParseLimits = field(default_factory=ParseLimits)
    crawl_limits: CrawlLimits = LIMITS


class DyingDatabase(Database):
    """Ends the process by SIGKILL before, inside or after its nth transaction.

    Args:
        dies_at: counts three moments of each transaction: before it, before its commit, after it.
    """

    def __init__(self, dsn: str, dies_at: int) -> None:
        super().__init__(dsn)
        self._left = dies_at

    @asynccontextmanager
    async def tenant(
        self, tenant_id: TenantId, *, timeout_ms: int = 10_000, plan_once: bool = False
    ) -> AsyncIterator[TenantTx]:
        self._tick()
        async with super().tenant(tenant_id, timeout_ms=timeout_ms, plan_once=plan_once) as tx:
            yield tx
            self._tick()
        self._tick()

    def _tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class SlowEmbedder(WordEmbedder):
    """Takes a tenth of a second for each call."""

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(0.1)
        return await super().embed_passages(texts)


def die(dsn: str, tenant_id: TenantId, source_ids: Sequence[SourceId]) -> None:
    """Ingest each source in a child that dies one moment later than the one before it.

    Writes, for each, `killed` or `lived`.
    """
    for dies_at, source_id in enumerate(source_ids, start=1):
        child = os.fork()
        if child == 0:
            asyncio.run(_ingest(DyingDatabase(dsn, dies_at), tenant_id, source_id))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else "lived\n")
        sys.stdout.flush()


async def _ingest(db: Database, tenant_id: TenantId, source_id: SourceId) -> None:
    await db.open()
    await run_ingest(Services(db), tenant_id, source_id, 1)


async def serve(dsn: str) -> None:
    """A worker like that of the application, slow enough to be caught in the middle."""
    db = Database(dsn)
    await db.open()
    async with queue(dsn) as app:
        await work(app, Services(db, embedder=SlowEmbedder()), concurrency=1)


if __name__ == "__main__":
    if sys.argv[1] == "die":
        ids = [UUID(value) for value in sys.argv[3:]]
        die(sys.argv[2], TenantId(ids[0]), [SourceId(value) for value in ids[1:]])
    else:
        asyncio.run(serve(sys.argv[2]))
