"""A worker that goes on: through a database that is down for a while, until it is cancelled."""

from __future__ import annotations

import asyncio

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ProcrastinateException

from coccinelle.conversations import jobs as _conversations  # noqa: F401 - registers its tasks
from coccinelle.evals.exam import jobs as _exam  # noqa: F401 - registers its tasks
from coccinelle.foundation import jobs
from coccinelle.foundation.errors import Unavailable
from coccinelle.handoffs import jobs as _handoffs  # noqa: F401 - registers its tasks
from coccinelle.house import House
from coccinelle.knowledge import jobs as _knowledge  # noqa: F401 - registers its tasks
from coccinelle.onboarding import jobs as _onboarding  # noqa: F401 - registers its tasks
from coccinelle.tenants.accounts import jobs as _accounts  # noqa: F401 - registers its tasks

RESTART_SECONDS = 2.0

log = structlog.get_logger(__name__)


async def work_on(queue: App, house: House, *, concurrency: int) -> None:
    """Run jobs until cancelled."""
    while True:
        try:
            await jobs.work(queue, house, concurrency=concurrency)
        except (ProcrastinateException, psycopg.Error, Unavailable, OSError) as error:
            log.warning("worker_restarts", code=type(error).__name__)
        await asyncio.sleep(RESTART_SECONDS)
