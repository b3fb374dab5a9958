"""What a worker does for conversations: it ends the turns that a crash left open."""

from __future__ import annotations

import structlog
from procrastinate import JobContext

from coccinelle.conversations import store
from coccinelle.foundation.database import Database
from coccinelle.foundation.jobs import jobs, services_of

log = structlog.get_logger(__name__)


@jobs.periodic(cron="*/5 * * * * *")
@jobs.task(name="end_dead_turns", queueing_lock="end_dead_turns", pass_context=True)
async def end_dead_turns(context: JobContext, timestamp: int) -> None:
    """Fail every turn whose process no longer renews it, each in its tenant's own transaction."""
    db: Database = services_of(context).db
    await sweep(db)


async def sweep(db: Database) -> int:
    """End the dead turns of every tenant that has one; returns how many were ended."""
    async with db.directory() as directory:
        dead = await store.tenants_with_dead_turns(directory)
    ended = 0
    for tenant_id in {turn.tenant_id for turn in dead}:
        async with db.tenant(tenant_id) as tx:
            ended += await store.fail_dead_turns(tx)
    if ended:
        log.warning("turns_ended_after_crash", count=ended)
    return ended
