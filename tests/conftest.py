"""What every test stands on: one real PostgreSQL a worker process, and always two tenants."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import functools
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpcore2
import pytest

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants import actions as tenants

IN_MEMORY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


_read_authorities = httpcore2.default_ssl_context


@functools.cache
def _authorities(trust_env: bool, *named: str | None) -> ssl.SSLContext:
    return _read_authorities(_trust_env=trust_env)


def _authorities_once(*, _trust_env: bool = True) -> ssl.SSLContext:
    """Thousands of clients of loopback are made here, and each would take 26 ms to read whom to
    trust on the network. What Coccinelle itself sends goes another way, and reads it."""
    named = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return _authorities(_trust_env, *named)


httpcore2.default_ssl_context = _authorities_once


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this worker process's own, where an unprivileged account can reach it."""
    with tempfile.TemporaryDirectory(prefix="coccinelle-test-") as folder:
        Path(folder).chmod(0o755)
        running = EmbeddedPostgres(Path(folder) / "postgres", settings=IN_MEMORY)
        running.start()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def addresses(server: EmbeddedPostgres) -> postgres.Addresses:
    """A migrated database: its owner's address, and that of the login that serves."""
    found = postgres.provision(server)
    migrate.migrate(found.owner)
    postgres.let_login_serve(found)
    return found


@pytest.fixture(scope="session")
async def db(addresses: postgres.Addresses) -> AsyncIterator[Database]:
    """The database as the application sees it: without any right of its own."""
    database = Database(addresses.login)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def rivoli(db: Database) -> TenantId:
    """A tenant."""
    return await tenants.create(db, slug=f"rivoli-{uuid4().hex[:12]}", company_name="Rivoli")


@pytest.fixture
async def nordlys(db: Database) -> TenantId:
    """Another tenant."""
    return await tenants.create(db, slug=f"nordlys-{uuid4().hex[:12]}", company_name="Nordlys")
