"""The only way to a row: short transactions, each confined by PostgreSQL to one tenant."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.tasks import Task
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from coccinelle.foundation import metrics
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import TenantId, UserId

Row = TypeVar("Row")
T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any] | None

BEGIN_ATTEMPTS = 3
BEGIN_SECONDS = 5.0
COMMIT_SECONDS = 12.0
# The server ends a slow statement by itself; this is for a server, or a network, that is silent.
SILENCE_SECONDS = 2.0
PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}


_APP = "coccinelle_app"
_USER = "coccinelle_user"


class Transaction:
    """The statements of one open transaction. Rows come as the dataclass that is asked for.

    A statement that gets no answer for longer than the server would work on it is a connection
    lost.
    """

    def __init__(self, connection: AsyncConnection[Any], *, timeout_ms: int):
        self._connection = connection
        self._timeout_ms = timeout_ms
        self._seconds = timeout_ms / 1000 + SILENCE_SECONDS

    async def run(self, query: str, params: Params = None) -> int:
        """Execute, and say how many rows it touched."""
        async with self._connection.cursor() as cursor:
            return (await self._sent(cursor, query, params)).rowcount

    async def run_many(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute once for each of `rows`, in one go over the wire."""
        metrics.DATABASE_STATEMENTS.inc(len(rows))
        async with self._connection.cursor() as cursor:
            with _or_hang_up(self._connection, self._seconds * (1 + len(rows) // 1000)):
                await cursor.executemany(query.encode(), rows)

    async def all(self, row: type[Row], query: str, params: Params = None) -> list[Row]:
        """Every row, each as a `row`, whose fields are the columns."""
        async with self._connection.cursor(row_factory=class_row(row)) as cursor:
            return await (await self._sent(cursor, query, params)).fetchall()

    async def maybe(self, row: type[Row], query: str, params: Params = None) -> Row | None:
        """The first row, or None."""
        async with self._connection.cursor(row_factory=class_row(row)) as cursor:
            return await (await self._sent(cursor, query, params)).fetchone()

    async def one(self, row: type[Row], query: str, params: Params = None) -> Row:
        """The one row that there must be."""
        found = await self.maybe(row, query, params)
        if found is None:
            raise LookupError("a statement that must give a row gave none")
        return found

    async def value(self, query: str, params: Params = None) -> Any:
        """The first column of the first row, or None where there is no row."""
        async with self._connection.cursor() as cursor:
            row = await (await self._sent(cursor, query, params)).fetchone()
        return None if row is None else row[0]

    async def records(self, query: str, params: Params = None) -> list[dict[str, Any]]:
        """Rows as dictionaries, for figures that are printed as they are."""
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            return await (await self._sent(cursor, query, params)).fetchall()

    async def _defer(self, task: Task[..., Any, Any], args: dict[str, Any], role: str) -> None:
        configured = task.configure(
            connection=self._connection,
            lock=args.pop("lock", None),
            schedule_in=args.pop("schedule_in", None),
        )
        with _or_hang_up(self._connection, self._seconds):
            await self._become("coccinelle_worker", search_path="procrastinate")
            try:
                await configured.defer_async(**args)
            except ConnectorException as error:
                # What it is when any other statement fails.
                raise error.__cause__ or error from error
            await self._become(role)

    async def _become(
        self, role: str, user_id: UserId | None = None, *, search_path: str = "public"
    ) -> None:
        settings = {"role": role, "search_path": search_path}
        if user_id is not None:
            settings["app.user_id"] = str(user_id)
        calls = ", ".join("set_config(%s, %s, true)" for _ in settings)
        values = [part for pair in settings.items() for part in pair]
        with _or_hang_up(self._connection, self._seconds):
            await self._connection.execute(f"SELECT {calls}".encode(), values)

    async def _sent(self, cursor: AsyncCursor[T], query: str, params: Params) -> AsyncCursor[T]:
        metrics.DATABASE_STATEMENTS.inc()
        with _or_hang_up(self._connection, self._seconds):
            return await cursor.execute(query.encode(), params)


class DirectoryTx(Transaction):
    """Answers "whose is this?": it may read look-up columns of all tenants, and nothing else."""


class TenantTx(Transaction):
    """A transaction that sees one tenant's rows only, whatever its statements say."""

    def __init__(self, connection: AsyncConnection[Any], tenant_id: TenantId, *, timeout_ms: int):
        super().__init__(connection, timeout_ms=timeout_ms)
        self.tenant_id = tenant_id

    async def defer(self, task: Task[..., Any, Any], **args: Any) -> None:
        """Have a worker run `task` for this tenant, if and only if this transaction commits.

        Two arguments are not the task's: `lock` (one at a time), `schedule_in` (`{"seconds": …}`).
        """
        await self._defer(task, {"tenant_id": str(self.tenant_id), **args}, _APP)

    @asynccontextmanager
    async def as_user(self, user_id: UserId) -> AsyncIterator[UserTx]:
        """The same transaction, seeing that user's own rows instead, until the block ends."""
        await self._become(_USER, user_id)
        yield UserTx(self._connection, user_id, timeout_ms=self._timeout_ms)
        await self._become(_APP)


class UserTx(Transaction):
    """A transaction that sees one user's own rows only, of whichever tenants.

    Of nobody (None), it can count attempts and sees no row.
    """

    def __init__(
        self, connection: AsyncConnection[Any], user_id: UserId | None, *, timeout_ms: int
    ):
        super().__init__(connection, timeout_ms=timeout_ms)
        self.user_id = user_id

    async def defer(self, task: Task[..., Any, Any], **args: Any) -> None:
        """Have a worker run `task` for this user, if and only if this transaction commits."""
        await self._defer(task, {"user_id": str(self.user_id), **args}, _USER)


class Database:
    """A pool of connections that have no rights of their own until a transaction says whose.

    Args:
        dsn: a login that may become `coccinelle_app` and `coccinelle_directory`.
        pooler: true behind a transaction pooler, where prepared statements do not survive.
        max_connections: upper bound of this process's pool.
        wait_seconds: how long a transaction may wait for a connection before `Unavailable`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pooler: bool = False,
        max_connections: int = 10,
        wait_seconds: float = 5.0,
    ):
        self._pool = AsyncConnectionPool(
            dsn,
            open=False,
            min_size=1,
            max_size=max_connections,
            timeout=wait_seconds,
            max_lifetime=1800,
            kwargs={
                **{name: PATIENCE[name] for name in PATIENCE.keys() - conninfo_to_dict(dsn)},
                "autocommit": True,
                "prepare_threshold": None if pooler else 3,
            },
        )

    async def open(self) -> None:
        """Connect. Raises `Unavailable` when the database does not answer."""
        try:
            await self._pool.open(wait=True, timeout=10)
        except PoolTimeout as error:
            await self._pool.close()
            raise Unavailable("database_unavailable") from error
        except BaseException:
            # A worker of the pool that is cancelled while it connects goes on: it must be told.
            await self._pool.close()
            raise

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self._pool.close()

    @asynccontextmanager
    async def tenant(
        self, tenant_id: TenantId, *, timeout_ms: int = 10_000, plan_once: bool = False
    ) -> AsyncIterator[TenantTx]:
        """One transaction of one tenant: committed at the end, undone by any exception.

        Args:
            plan_once: its statements are planned for any values, once a connection, and not anew
                for these: for a large statement whose plan does not depend on them.

        Raises:
            Unavailable: the database is down, silent, full, or too slow for `timeout_ms` a
                statement.
        """
        begin = _begin(_APP, timeout_ms, tenant_id=UUID(str(tenant_id)), plan_once=plan_once)
        async with self._transaction(begin) as connection:
            yield TenantTx(connection, tenant_id, timeout_ms=timeout_ms)

    @asynccontextmanager
    async def directory(self, *, timeout_ms: int = 10_000) -> AsyncIterator[DirectoryTx]:
        """One read-only transaction over the look-up columns of all tenants."""
        async with self._transaction(_begin("coccinelle_directory", timeout_ms)) as connection:
            yield DirectoryTx(connection, timeout_ms=timeout_ms)

    @asynccontextmanager
    async def user(
        self, user_id: UserId | None, *, timeout_ms: int = 10_000
    ) -> AsyncIterator[UserTx]:
        """One transaction of one user, or of somebody who is not known yet: see `UserTx`."""
        known = None if user_id is None else UUID(str(user_id))
        async with self._transaction(_begin(_USER, timeout_ms, user_id=known)) as connection:
            yield UserTx(connection, user_id, timeout_ms=timeout_ms)

    async def ping(self) -> None:
        """Raises `Unavailable` unless the database answers a statement now."""
        async with self._transaction(_begin("coccinelle_directory", 2_000)):
            pass

    @asynccontextmanager
    async def _transaction(self, begin: bytes) -> AsyncIterator[AsyncConnection[Any]]:
        try:
            connection = await self._begun(begin)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable("database_unavailable") from error
        try:
            try:
                yield connection
            except BaseException:
                await _settle(connection, b"ROLLBACK")
                raise
            with _or_hang_up(connection, COMMIT_SECONDS):
                await connection.execute(b"COMMIT")
        except psycopg.OperationalError as error:
            raise Unavailable("database_unavailable") from error
        finally:
            await self._pool.putconn(connection)

    async def _begun(self, begin: bytes) -> AsyncConnection[Any]:
        """A connection inside a transaction; one that turns out to be dead is replaced.

        A server that restarted leaves as many dead ones as the pool is large, and they are handed
        out before what replaces them: none of them may cost the caller its transaction.
        """
        give_up_at = time.monotonic() + BEGIN_SECONDS
        for left in reversed(range(max(BEGIN_ATTEMPTS, self._pool.max_size + 1))):
            connection = await self._pool.getconn()
            try:
                metrics.DATABASE_STATEMENTS.inc()
                with _or_hang_up(connection, BEGIN_SECONDS):
                    await connection.execute(begin, prepare=False)
            except psycopg.OperationalError:
                await self._pool.putconn(connection)
                if not left or time.monotonic() > give_up_at:
                    raise
            except BaseException:
                await self._pool.putconn(connection)
                raise
            else:
                return connection
        raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def _or_hang_up(connection: AsyncConnection[Any], seconds: float) -> Iterator[None]:
    """Hang up on a server that keeps the block waiting: what waits for it then fails as lost.

    To cancel the task instead would not do: psycopg then waits for the same server once more.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: AsyncConnection[Any]) -> None:
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)


def _begin(
    role: str,
    timeout_ms: int,
    *,
    tenant_id: UUID | None = None,
    user_id: UUID | None = None,
    plan_once: bool = False,
) -> bytes:
    """BEGIN and whose it is, as one message: every value is ours, an integer or a UUID."""
    settings = f"set_config('role', '{role}', true), "
    settings += f"set_config('statement_timeout', '{int(timeout_ms)}', true), "
    settings += f"set_config('app.tenant_id', '{tenant_id or ''}', true), "
    settings += f"set_config('app.user_id', '{user_id or ''}', true)"
    if plan_once:
        settings += ", set_config('plan_cache_mode', 'force_generic_plan', true)"
    return f"BEGIN; SELECT {settings}".encode()


async def _settle(connection: AsyncConnection[Any], statement: bytes) -> None:
    """End a transaction even while the task that ran it is being cancelled."""
    if connection.closed:
        return
    try:
        with _or_hang_up(connection, SILENCE_SECONDS):
            await asyncio.shield(connection.execute(statement))
    except (psycopg.Error, asyncio.CancelledError):
        # The server undoes what is left open when it closes the connection.
        await connection.close()
