"""What a worker does: read a site for a proposal, and keep what answers say of the hours true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from procrastinate import JobContext

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.jobs import (
    PROMPT,
    PatientRetries,
    jobs,
    services_of,
    wait_seconds,
    when_dead,
)
from coccinelle.onboarding.hours import tell_again
from coccinelle.onboarding.suggestions import forget_old, give_up, read
from coccinelle.tenants import store as tenants

log = structlog.get_logger(__name__)

CRASHED = "suggestion_crashed"


@jobs.task(name="suggest_business", pass_context=True, retry=PatientRetries())
async def suggest_business(
    context: JobContext, tenant_id: str, session_id: str, reading_id: str
) -> None:
    """Read a site and keep what it proposes; done before, or replaced, it does nothing."""
    services = services_of(context)
    ids = TenantId(UUID(tenant_id)), UUID(session_id), UUID(reading_id)
    try:
        await read(services, *ids)
    except Exception as error:
        if wait_seconds(error, attempts=context.job.attempts) is None:
            await give_up(services.db, *ids, CRASHED)
        raise


@when_dead("suggest_business")
async def say_that_it_crashed(services: Any, args: Mapping[str, Any]) -> None:
    """A proposal whose reading killed its worker again and again is failed, and says so."""
    ids = TenantId(UUID(args["tenant_id"])), UUID(args["session_id"]), UUID(args["reading_id"])
    await give_up(services.db, *ids, CRASHED)


@jobs.periodic(cron="41 * * * *")
@jobs.task(
    name="forget_suggestions", queue=PROMPT, queueing_lock="forget_suggestions", pass_context=True
)
async def forget_suggestions(context: JobContext, timestamp: int) -> None:
    """Forget what was proposed more than a day ago."""
    await _for_everybody(services_of(context).db, forget_old)


@jobs.periodic(cron="5 */4 * * *")
@jobs.task(name="tell_hours", queueing_lock="tell_hours", pass_context=True)
async def tell_hours(context: JobContext, timestamp: int) -> None:
    """Tell the hours of every business anew where they mention what is over."""
    await tell_everybody(services_of(context).db)


async def tell_everybody(db: Database) -> None:
    """Tell the hours of every business anew.

    Raises:
        ExceptionGroup: what went wrong for some tenants, when all others are done.
    """
    await _for_everybody(db, tell_again)


async def _for_everybody(db: Database, act: Callable[[TenantTx], Awaitable[Any]]) -> None:
    async with db.directory() as directory:
        everybody = await tenants.listed(directory)
    errors = []
    for tenant in everybody:
        try:
            async with db.tenant(tenant.id) as tx:
                await act(tx)
        except Exception as error:
            log.exception("onboarding_job_failed", tenant_id=str(tenant.id))
            errors.append(error)
    if errors:
        raise ExceptionGroup("a job of onboarding failed for some tenants", errors)
