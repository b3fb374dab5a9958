"""What a worker does later: build a generation of a source."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job

from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.jobs import MAX_ATTEMPTS, jobs, services_of, when_dead
from coccinelle.knowledge.ingest import give_up, run_ingest

OUTAGE_WAITS_SECONDS = (5, 15, 60, 300, 900, 1800, 3600)


class IngestRetries(BaseRetryStrategy):
    """Patient with what is down, brief with what breaks, at once after a shutdown."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """None after the last try."""
        wait = wait_seconds(exception, attempts=job.attempts)
        return None if wait is None else RetryDecision(retry_in={"seconds": wait})


def wait_seconds(exception: BaseException, *, attempts: int) -> int | None:
    """When to try again after `attempts` tries and this one; None: never.

    A provider or a database that is down is waited for nearly two hours.
    """
    if isinstance(exception, CancelledError):
        return 0
    if isinstance(exception, Unavailable):
        return OUTAGE_WAITS_SECONDS[attempts] if attempts < len(OUTAGE_WAITS_SECONDS) else None
    return 3 ** (attempts + 1) if attempts + 1 < MAX_ATTEMPTS else None


@jobs.task(name="ingest_source", pass_context=True, retry=IngestRetries())
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
