"""The worker knows every task that there is, and outlives what it stands on."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

from procrastinate import App

from coccinelle.cli import working
from coccinelle.foundation import jobs, migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.house import House
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.model import text_source
from coccinelle.tenants import actions as tenants
from tests.cli.conftest import COMMAND, ROOT, Cli
from tests.conftest import IN_MEMORY

TASK = re.compile(r'^@jobs\.task\(name="(\w+)"', re.MULTILINE)


def test_the_worker_knows_every_task_of_the_house() -> None:
    written = {
        name
        for file in (ROOT / "src").rglob("*.py")
        for name in TASK.findall(file.read_text("utf-8"))
    }
    program = (
        "import coccinelle.cli.working\n"
        "from coccinelle.foundation.jobs import jobs\n"
        "print(*jobs.tasks)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=Cli(Path("/nowhere")).environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(written) >= 4
    assert written <= set(done.stdout.split())


async def test_a_worker_goes_on_after_the_database_was_away(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, settings=IN_MEMORY)
    await asyncio.to_thread(server.start)
    try:
        addresses = postgres.provision(server)
        migrate.migrate(addresses.owner)
        postgres.let_login_serve(addresses)
        async with jobs.queue(addresses.login) as queue:
            work = asyncio.create_task(working.work_on(queue, cast(House, None), concurrency=1))
            await registered(queue, work)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start)
            await queue.connector.execute_query_async("DELETE FROM procrastinate_workers")
            await registered(queue, work)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    finally:
        await asyncio.to_thread(server.stop)


async def test_the_worker_command_does_what_waits_and_stops_on_a_signal(cli: Cli) -> None:
    run = asyncio.to_thread
    assert (await run(cli.run, "tenants", "create", "rivoli", "--name", "Rivoli")).returncode == 0
    server = EmbeddedPostgres(cli.data / "postgres")
    await run(server.start)
    db = Database(postgres.provision(server).login)
    await db.open()
    tenant = await tenants.find(db, "rivoli")
    async with db.tenant(tenant.id) as tx:
        added = await knowledge.add(tx, text_source("Le salon ouvre à 9 h.", title="Horaires"))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "worker", env=cli.environment, stderr=subprocess.PIPE
    )
    try:
        for _ in range(600):
            assert process.returncode is None
            async with db.tenant(tenant.id) as tx:
                source = await knowledge.get(tx, added.source.id)
            if source.is_settled:
                break
            await asyncio.sleep(0.1)
        assert source.state == "ready"
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
        await db.close()
        await run(server.stop)
    assert process.returncode == 0, err
    assert b"Traceback" not in err


async def registered(queue: App, work: asyncio.Task[None]) -> None:
    """Wait until a worker says in the database that it lives."""
    for _ in range(300):
        assert not work.done(), work.exception()
        row = await queue.connector.execute_query_one_async(
            "SELECT count(*) AS workers FROM procrastinate_workers"
        )
        if row["workers"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no worker has registered")
