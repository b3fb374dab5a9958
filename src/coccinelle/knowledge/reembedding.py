"""What follows a change of the embedding model: every source is built anew."""

from __future__ import annotations

from procrastinate import JobContext

from coccinelle.foundation.database import Database
from coccinelle.foundation.jobs import jobs, services_of
from coccinelle.knowledge import actions, store


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="reembed_sources", queueing_lock="reembed_sources", pass_context=True)
async def reembed_sources(context: JobContext, timestamp: int) -> None:
    """Have the sources built anew whose vectors are not of the embedder that is now in use."""
    services = services_of(context)
    await reembed(services.db, model=services.embedder.model)


async def reembed(db: Database, *, model: str) -> int:
    """Ask for every source anew whose vectors are of another model; returns how many.

    Each tenant in its own transaction, all of its sources at once: until the last of them is
    done, the tenant is searched by words alone.
    """
    asked = 0
    async with db.directory() as directory:
        tenants = await store.tenants_of_other_models(directory, model=model)
    for tenant_id in tenants:
        async with db.tenant(tenant_id) as tx:
            outdated = await store.outdated_sources(tx, model=model)
            for source_id in outdated:
                await actions.reingest(tx, source_id)
        asked += len(outdated)
    return asked
