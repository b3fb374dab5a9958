"""What a worker does by itself: keep what answers say of the hours true as days pass."""

from __future__ import annotations

import structlog
from procrastinate import JobContext

from coccinelle.foundation.database import Database
from coccinelle.foundation.jobs import jobs, services_of
from coccinelle.onboarding.hours import tell_again
from coccinelle.tenants import store as tenants

log = structlog.get_logger(__name__)


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
    async with db.directory() as directory:
        everybody = await tenants.listed(directory)
    errors = []
    for tenant in everybody:
        try:
            async with db.tenant(tenant.id) as tx:
                await tell_again(tx)
        except Exception as error:
            log.exception("hours_not_told", tenant_id=str(tenant.id))
            errors.append(error)
    if errors:
        raise ExceptionGroup("the hours of some tenants were not told", errors)
