"""What a command stands on: settings, a database that is up and migrated, a tenant, a house."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from coccinelle.cli.words import note, refusal, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.foundation.postgres import Addresses
    from coccinelle.foundation.settings import Settings
    from coccinelle.house import House
    from coccinelle.tenants.model import Listed

Result = TypeVar("Result")

POSTGRES_FOLDER = "postgres"


def prepared(*, quiet: bool = True) -> Settings:
    """The settings of this process, and its logs set up by them; quiet: warnings and errors only.

    Raises:
        SettingsError: one is unknown or out of bounds.
    """
    from coccinelle.foundation import telemetry
    from coccinelle.foundation.settings import load

    settings = load()
    least = "warning" if quiet and settings.log_level == "info" else settings.log_level
    telemetry.configure(settings.model_copy(update={"log_level": least}))
    return settings


@contextmanager
def database(settings: Settings, *, quiet: bool = True) -> Iterator[Addresses]:
    """Where the database is, which is up and of this version until the block ends.

    Unless `quiet`, the user is told when the data is not where it was asked for.

    Raises:
        EmbeddedPostgresError, MigrationError: it cannot be.
    """
    from coccinelle.foundation import postgres

    own = operators_own(settings)
    if own is not None:
        yield _migrated(own)
        return
    from coccinelle.foundation.embedded import EmbeddedPostgres

    with EmbeddedPostgres(Path(settings.data) / POSTGRES_FOLDER) as server:
        if server.notice and not quiet:
            note(server.notice)
        yield _migrated(postgres.provision(server))


def operators_own(settings: Settings) -> Addresses | None:
    """The database of DATABASE_URL; None when unset.

    Raises:
        Refused: it is no address of one. The address, which may have a password, is not repeated.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    from coccinelle.foundation import postgres

    own = postgres.operators_own(settings)
    try:
        is_whole = own is None or "user" in conninfo_to_dict(own.owner)
    except ProgrammingError:
        is_whole = False
    if not is_whole:
        raise refusal(
            "DATABASE_URL s'écrit postgresql://compte:motdepasse@machine:5432/base.",
            "DATABASE_URL is written postgresql://user:password@host:5432/database.",
        )
    return own


def _migrated(addresses: Addresses) -> Addresses:
    from coccinelle.foundation import migrate, postgres

    migrate.migrate(addresses.owner)
    postgres.let_login_serve(addresses)
    return addresses


@asynccontextmanager
async def connected(settings: Settings, addresses: Addresses) -> AsyncIterator[Database]:
    """A small pool of connections, for a command that needs no more than rows."""
    from coccinelle.foundation.database import Database

    db = Database(addresses.login, pooler=settings.database_pooler, max_connections=2)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


def with_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """What `work` makes of the database of this environment."""
    import asyncio

    settings = prepared()

    async def run(addresses: Addresses) -> Result:
        async with connected(settings, addresses) as db:
            return await work(db)

    with database(settings) as addresses:
        return asyncio.run(run(addresses))


def with_house(work: Callable[[House], Awaitable[Result]]) -> Result:
    """What `work` makes of a house: the database, the providers and the engine."""
    import asyncio

    settings = prepared()

    async def run(addresses: Addresses) -> Result:
        from coccinelle.house import open_house

        async with open_house(settings, addresses) as house:
            return await work(house)

    with database(settings) as addresses:
        return asyncio.run(run(addresses))


async def chosen(db: Database, slug: str | None) -> Listed:
    """The tenant of this short name. It is never guessed: without one, which there are is said.

    Raises:
        Refused: none was given, or there is no such tenant.
    """
    from coccinelle.tenants import store

    async with db.directory() as tx:
        there = await store.listed(tx)
    found = next((tenant for tenant in there if tenant.slug == slug), None)
    if found is not None:
        return found
    if not there:
        raise refusal(
            "Il n'y a aucune entreprise : coccinelle tenants create, ou coccinelle demo load.",
            "There is no tenant yet: coccinelle tenants create, or coccinelle demo load.",
        )
    names = ", ".join(tenant.slug for tenant in there)
    if slug is None:
        raise refusal(f"Précisez --tenant : {names}.", f"Say which --tenant: {names}.")
    raise refusal(
        f"Il n'y a pas d'entreprise « {slug} ». Il y a : {names}.",
        f"There is no tenant “{slug}”. There are: {names}.",
    )


LIMIT_HELP = say("Combien, au plus.", "How many, at most.")
TENANT_HELP = say("Nom court de l'entreprise.", "Short name of the tenant.")
