"""What a worker does later: build a generation of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from procrastinate import JobContext

from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.jobs import PatientRetries, jobs, services_of, wait_seconds, when_dead
from coccinelle.knowledge.ingest import give_up, run_ingest


@jobs.task(name="ingest_source", pass_context=True, retry=PatientRetries())
async def ingest_source(
    context: JobContext, tenant_id: str, source_id: str, generation: int
) -> None:
    """Build a generation of a source; done before, or no longer asked for, it does nothing."""
    services = services_of(context)
    tenant, source = TenantId(UUID(tenant_id)), SourceId(UUID(source_id))
    try:
        await run_ingest(services, tenant, source, generation)
    except Exception as error:
        if wait_seconds(error, attempts=context.job.attempts) is None:
            await give_up(services.db, tenant, source, generation, error)
        raise


@when_dead("ingest_source")
async def say_that_it_crashed(services: Any, args: Mapping[str, Any]) -> None:
    """A source whose ingestion killed its worker again and again is failed, and says so."""
    crashed = RuntimeError("the worker died")
    tenant, source = TenantId(UUID(args["tenant_id"])), SourceId(UUID(args["source_id"]))
    await give_up(services.db, tenant, source, args["generation"], crashed)
