"""Work done later by a worker: the queue, its retries, and the rescue of jobs whose worker died."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy
from procrastinate.jobs import Job, Status
from psycopg import AsyncConnection

from coccinelle.foundation.tracing import watch_job

log = structlog.get_logger(__name__)

STALLED_SECONDS = 30
MAX_ATTEMPTS = 3

jobs = App(connector=PsycopgConnector())
"""Every task of the house registers here. A task's first argument is its tenant's id."""

Epitaph = Callable[[Any, Mapping[str, Any]], Awaitable[None]]
_epitaphs: dict[str, Epitaph] = {}

RETRY = RetryStrategy(max_attempts=MAX_ATTEMPTS, exponential_wait=3)


@asynccontextmanager
async def queue(dsn: str) -> AsyncIterator[App]:
    """The queue in the database at `dsn`, a direct connection: a pooler has no LISTEN."""
    connector = PsycopgConnector(conninfo=dsn, min_size=1, max_size=4, configure=_become_worker)
    with jobs.replace_connector(connector) as app:
        async with app.open_async():
            yield app


async def work(app: App, services: object, *, concurrency: int, until_idle: bool = False) -> None:
    """Run jobs until cancelled, or until none is left. Tasks find `services` in their context."""
    await app.run_worker_async(
        concurrency=concurrency,
        wait=not until_idle,
        delete_jobs="successful",
        install_signal_handlers=False,
        fetch_job_polling_interval=1.0,
        shutdown_graceful_timeout=5.0,
        update_heartbeat_interval=5.0,
        stalled_worker_timeout=STALLED_SECONDS,
        additional_context={"services": services},
        worker_middleware=[watch_job],
    )


def services_of(context: JobContext) -> Any:
    """What `work` was given for its tasks."""
    return context.additional_context["services"]


@jobs.periodic(cron="*/10 * * * * *")
@jobs.task(name="rescue_stalled_jobs", queueing_lock="rescue_stalled_jobs", pass_context=True)
async def rescue_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Queue again what a dead worker held; a job that killed its worker thrice has failed."""
    manager = context.app.job_manager
    stalled = await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
    for job in stalled:
        await _rescue(context, job)


def when_dead(task_name: str) -> Callable[[Epitaph], Epitaph]:
    """Have the decorated function called with services and a job's arguments when it has failed
    because it killed its worker again and again."""

    def remember(epitaph: Epitaph) -> Epitaph:
        _epitaphs[task_name] = epitaph
        return epitaph

    return remember


async def _rescue(context: JobContext, job: Job) -> None:
    log.warning("job_rescued", task=job.task_name, job_id=job.id, attempts=job.attempts)
    manager = context.app.job_manager
    if job.attempts + 1 < MAX_ATTEMPTS:
        await manager.retry_job(job)
        return
    await manager.finish_job(job, status=Status.FAILED, delete_job=False)
    if epitaph := _epitaphs.get(job.task_name):
        await epitaph(services_of(context), job.task_kwargs)


async def _become_worker(connection: AsyncConnection[Any]) -> None:
    await connection.execute("SET ROLE coccinelle_worker")
    await connection.execute("SET search_path = procrastinate")
    await connection.commit()
