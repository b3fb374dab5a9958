"""What is prompt does not wait behind what is long."""

from __future__ import annotations

import asyncio

import pytest
from procrastinate import App
from procrastinate.testing import InMemoryConnector

import coccinelle.cli.working  # registers every task
from coccinelle.foundation import jobs


async def test_long_jobs_do_not_keep_prompt_ones_waiting() -> None:
    app = App(connector=InMemoryConnector())
    released, seen = asyncio.Event(), asyncio.Event()

    @app.task(name="long", queue=jobs.LONG)
    async def long() -> None:
        await released.wait()

    @app.task(name="prompt", queue=jobs.PROMPT)
    async def prompt() -> None:
        seen.set()

    async with app.open_async():
        for _ in range(2 + jobs.PROMPT_CONCURRENCY):
            await long.defer_async()
        await prompt.defer_async()
        work = asyncio.create_task(jobs.work(app, None, concurrency=2, until_idle=True))
        try:
            await asyncio.wait_for(seen.wait(), 10)
        finally:
            released.set()
            await asyncio.wait_for(work, 10)


async def test_a_worker_that_breaks_ends_the_other_and_says_why() -> None:
    async with App(connector=InMemoryConnector()).open_async() as app:
        work = asyncio.create_task(jobs.work(app, None, concurrency=-1))

        with pytest.raises(ValueError, match="must be >= 0"):
            await asyncio.wait_for(work, 10)


def test_housekeeping_and_mail_are_prompt() -> None:
    prompt = {task.name for task in jobs.jobs.tasks.values() if task.queue == jobs.PROMPT}

    assert coccinelle.cli.working
    assert prompt == {
        *("end_dead_turns", "rescue_stalled_jobs"),
        *("forget_attempts", "forget_hits", "forget_suggestions", "keep_words"),
        *("mail_handoff", "mail_replies", "mail_invitation", "mail_password_reset"),
    }
    others = {task.queue for task in jobs.jobs.tasks.values()} - {jobs.PROMPT, "builtin"}
    assert others <= {jobs.LONG}
