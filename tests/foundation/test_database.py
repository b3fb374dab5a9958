"""A database that is silent is a database that is not there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from coccinelle.foundation import database
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses


@pytest.fixture
async def own(addresses: Addresses) -> AsyncIterator[Database]:
    """A pool of which we know who answers its next transaction: it has one connection."""
    found = Database(addresses.login, max_connections=1)
    await found.open()
    yield found
    await found.close()


@contextmanager
def silent(pid: int) -> Iterator[None]:
    """The server's process neither answers nor goes away."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def backend(db: Database) -> int:
    async with db.directory() as tx:
        pid: int = await tx.value("SELECT pg_backend_pid()")
    return pid


async def test_a_statement_that_gets_no_answer_is_a_database_that_is_unavailable(
    own: Database, rivoli: TenantId
) -> None:
    pid = await backend(own)

    async def ask() -> None:
        async with own.tenant(rivoli, timeout_ms=100) as tx:
            with silent(pid):
                await tx.value("SELECT 1")

    async with asyncio.timeout(8):
        with pytest.raises(Unavailable):
            await ask()

    assert await backend(own) != pid


async def test_a_transaction_that_is_not_begun_for_silence_is_not_begun_at_all(
    own: Database, rivoli: TenantId
) -> None:
    with silent(await backend(own)):
        async with asyncio.timeout(4 * database.BEGIN_SECONDS):
            with pytest.raises(Unavailable):
                async with own.tenant(rivoli):
                    pass


async def test_who_leaves_while_the_database_is_silent_gets_away(
    own: Database, rivoli: TenantId
) -> None:
    pid = await backend(own)

    async def ask() -> None:
        async with own.tenant(rivoli, timeout_ms=100) as tx:
            await tx.value("SELECT 1")

    with silent(pid):
        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.1)
        asking.cancel()
        done, _ = await asyncio.wait([asking], timeout=20)

    assert done == {asking}
    assert await backend(own) != pid


async def test_a_restart_costs_no_transaction_however_many_connections_it_leaves_dead(
    addresses: Addresses, server: EmbeddedPostgres, rivoli: TenantId
) -> None:
    address = make_conninfo(addresses.login, application_name="to be restarted")
    own = Database(address, max_connections=8)
    everyone = asyncio.Barrier(8)

    async def together() -> None:
        async with own.tenant(rivoli) as tx:
            await everyone.wait()
            await tx.value("SELECT 1")

    async def alone() -> int:
        async with own.tenant(rivoli) as tx:
            return int(await tx.value("SELECT 1"))

    await own.open()
    try:
        await asyncio.gather(*(together() for _ in range(8)))
        await forget(server, address)
        assert await alone() == 1
        await asyncio.gather(*(together() for _ in range(8)))
        await forget(server, address)
        assert await asyncio.gather(*(alone() for _ in range(8))) == [1] * 8
    finally:
        await own.close()


async def forget(server: EmbeddedPostgres, address: str) -> None:
    """The server hangs up on everyone who called themselves what is in `address`."""
    async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as connection:
        told = await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s",
            [conninfo_to_dict(address)["application_name"]],
        )
        assert await told.fetchall() == [(True,)] * 8


async def test_every_connection_knows_when_its_peer_is_gone(addresses: Addresses) -> None:
    patient = Database(addresses.login)._pool.kwargs
    hurried = Database(make_conninfo(addresses.login, connect_timeout=1))._pool.kwargs

    assert isinstance(patient, dict)
    assert isinstance(hurried, dict)
    assert patient.items() >= database.PATIENCE.items()
    assert "connect_timeout" not in hurried  # The operator's own is in the address.


async def test_an_opening_that_is_cancelled_leaves_no_task_behind(
    addresses: Addresses,
) -> None:
    before = asyncio.all_tasks()
    for pause_seconds in [0, 0.001, 0.003, 0.006, 0.01] * 4:
        db = Database(addresses.login)
        opening = asyncio.create_task(db.open())
        await asyncio.sleep(pause_seconds)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
            await db.close()
    left = asyncio.all_tasks() - before
    assert [task for task in left if "pool" in task.get_name()] == []
