"""What a worker does later: hold an exam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from procrastinate import JobContext

from coccinelle.evals.exam.run import give_up, run_exam
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.jobs import PatientRetries, jobs, services_of, wait_seconds, when_dead

CRASHED = "exam_crashed"


@jobs.task(name="hold_exam", pass_context=True, retry=PatientRetries())
async def hold_exam(context: JobContext, tenant_id: str, exam_id: str) -> None:
    """Ask what the exam has not asked yet; finished before, it does nothing."""
    services = services_of(context)
    tenant, exam = TenantId(UUID(tenant_id)), UUID(exam_id)
    try:
        await run_exam(services, tenant, exam)
    except Exception as error:
        if wait_seconds(error, attempts=context.job.attempts) is None:
            code = error.code if isinstance(error, CoccinelleError) else CRASHED
            await give_up(services.db, tenant, exam, code)
        raise


@when_dead("hold_exam")
async def say_that_it_crashed(services: Any, args: Mapping[str, Any]) -> None:
    """An exam that killed its worker again and again is failed, and says so."""
    await give_up(services.db, TenantId(UUID(args["tenant_id"])), UUID(args["exam_id"]), CRASHED)
