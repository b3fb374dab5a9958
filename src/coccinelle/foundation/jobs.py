"""Work done later by a worker: the queue, its retries, and the rescue of jobs whose worker died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from procrastinate import (
    App,
    BaseRetryStrategy,
    JobContext,
    PsycopgConnector,
    RetryDecision,
)
from procrastinate.jobs import Job, Status
from psycopg import AsyncConnection

from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.tracing import watch_job

log = structlog.get_logger(__name__)

STALLED_SECONDS = 30
MAX_ATTEMPTS = 3
OUTAGE_WAITS_SECONDS = (5, 15, 60, 300, 900, 1800, 3600)

LONG = "default"
"""The queue of jobs that may take minutes."""
PROMPT = "prompt"
"""The queue of what must not wait behind them: housekeeping and mail."""
PROMPT_CONCURRENCY = 2

jobs = App(connector=PsycopgConnector())
"""Every task of the house registers here. A task's first argument is its tenant's id."""

Epitaph = Callable[[Any, Mapping[str, Any]], Awaitable[None]]
_epitaphs: dict[str, Epitaph] = {}


class PatientRetries(BaseRetryStrategy):
    """Patient with what is down, brief with what breaks, at once after a shutdown."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """None after the last try."""
        wait = wait_seconds(exception, attempts=job.attempts)
        return None if wait is None else RetryDecision(retry_in={"seconds": wait})


def wait_seconds(exception: BaseException, *, attempts: int) -> int | None:
    """When to try again after `attempts` tries and this one; None: never.

    A provider, a mail server or a database that is down is waited for nearly two hours.
    """
    if isinstance(exception, asyncio.CancelledError):
        return 0
    if isinstance(exception, Unavailable):
        return OUTAGE_WAITS_SECONDS[attempts] if attempts < len(OUTAGE_WAITS_SECONDS) else None
    return 3 ** (attempts + 1) if attempts + 1 < MAX_ATTEMPTS else None


@asynccontextmanager
async def queue(dsn: str) -> AsyncIterator[App]:
    """The queue in the database at `dsn`, a direct connection: a pooler has no LISTEN."""
    connector = PsycopgConnector(conninfo=dsn, min_size=1, max_size=4, configure=_become_worker)
    with jobs.replace_connector(connector) as app:
        try:
            await connector.open_async()
            yield app
        finally:
            await connector.close_async()


async def work(app: App, services: object, *, concurrency: int, until_idle: bool = False) -> None:
    """Run jobs until cancelled, or until none is left. Tasks find `services` in their context.

    At most `concurrency` of them may be long; what is to be prompt has a worker of its own.
    """
    workers = [
        asyncio.create_task(_worker(app, services, name, at_once, until_idle=until_idle))
        for name, at_once in ((LONG, concurrency), (PROMPT, PROMPT_CONCURRENCY))
    ]
    try:
        await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        broken = [worker for worker in workers if worker.done() and worker.exception()]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for worker in broken:
        worker.result()


async def _worker(
    app: App, services: object, name: str, concurrency: int, *, until_idle: bool
) -> None:
    await app.run_worker_async(
        queues=[name],
        name=name,
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
@jobs.task(
    name="rescue_stalled_jobs",
    queue=PROMPT,
    queueing_lock="rescue_stalled_jobs",
    pass_context=True,
)
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
