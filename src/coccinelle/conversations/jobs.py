"""What a worker does for conversations: it ends turns after a crash, forgets old counts, and keeps
the words by which they are found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog
from procrastinate import JobContext

from coccinelle.conversations import store, words
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.jobs import PROMPT, jobs, services_of
from coccinelle.tenants import store as tenants

log = structlog.get_logger(__name__)

# Of a business at a time, and in one run: what is left is read slowly until the next one.
CONVERSATIONS_AT_ONCE = 200
CONVERSATIONS_A_RUN = 4_000


@jobs.periodic(cron="*/5 * * * * *")
@jobs.task(name="end_dead_turns", queue=PROMPT, queueing_lock="end_dead_turns", pass_context=True)
async def end_dead_turns(context: JobContext, timestamp: int) -> None:
    """Fail every turn whose process no longer renews it, each in its tenant's own transaction."""
    db: Database = services_of(context).db
    await sweep(db)


async def sweep(db: Database) -> int:
    """End the dead turns of every tenant that has one; returns how many were ended.

    Raises:
        ExceptionGroup: what went wrong for some tenants, when all others are done.
    """
    async with db.directory() as directory:
        found = await store.tenants_with_dead_turns(directory)
    ended = await _in_each(db, found, store.fail_dead_turns)
    if ended:
        log.warning("turns_ended_after_crash", count=ended)
    return ended


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="forget_hits", queue=PROMPT, queueing_lock="forget_hits", pass_context=True)
async def forget_hits(context: JobContext, timestamp: int) -> None:
    """Forget who was counted for the limits, and has not been within their window."""
    services = services_of(context)
    await prune(services.db, window_seconds=services.limits.window_seconds)


async def prune(db: Database, *, window_seconds: int) -> int:
    """Forget the counts of every tenant that are of no use; returns how many. Raises as `sweep`."""
    async with db.directory() as directory:
        found = [tenant.id for tenant in await tenants.listed(directory)]

    async def forget(tx: TenantTx) -> int:
        return await store.prune_hits(tx, window_seconds=window_seconds)

    return await _in_each(db, found, forget)


@jobs.periodic(cron="* * * * *")
@jobs.task(name="keep_words", queue=PROMPT, queueing_lock="keep_words", pass_context=True)
async def keep_words(context: JobContext, timestamp: int) -> None:
    """Keep the words of the conversations that were spoken in since, so that they are found."""
    await keep(services_of(context).db)


async def keep(db: Database) -> int:
    """Keep the words of every tenant's conversations; returns of how many. Raises as `sweep`."""
    async with db.directory() as directory:
        found = await words.tenants_with_unkept(directory)
    kept = 0
    for _ in range(0, CONVERSATIONS_A_RUN, CONVERSATIONS_AT_ONCE):
        some = await _in_each(db, found, _keep_some)
        if not some:
            break
        kept += some
    return kept


async def _keep_some(tx: TenantTx) -> int:
    return await words.keep(tx, most=CONVERSATIONS_AT_ONCE)


async def _in_each(
    db: Database, tenant_ids: Iterable[TenantId], act: Callable[[TenantTx], Awaitable[int]]
) -> int:
    """The sum of what `act` returns; what fails for one tenant is raised when all were tried."""
    total, errors = 0, []
    for tenant_id in tenant_ids:
        try:
            async with db.tenant(tenant_id) as tx:
                total += await act(tx)
        except Exception as error:
            log.exception("housekeeping_failed", tenant_id=str(tenant_id))
            errors.append(error)
    if errors:
        raise ExceptionGroup("housekeeping failed for some tenants", errors)
    return total
