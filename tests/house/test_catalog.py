"""PostgreSQL itself keeps tenants apart, and the audit that says so can fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from coccinelle.foundation import migrate
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import TenantId, UserId
from coccinelle.foundation.postgres import Addresses
from tests.house import schema
from tests.house.audit import findings

# Each of these once let one tenant see another, with a correct policy elsewhere.
HOLES = {
    "no row-level security": "ALTER TABLE messages DISABLE ROW LEVEL SECURITY",
    "row-level security not forced": "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY",
    "no policy for the app": "DROP POLICY tenant_isolation ON messages",
    "a policy that does not name the tenant": (
        "CREATE POLICY open ON messages TO coccinelle_app USING (true)"
    ),
    "a policy that does not name the user": (
        "CREATE POLICY open ON sessions TO coccinelle_user USING (true)"
    ),
    "a personal table that tenants may touch": (
        "GRANT SELECT (password_hash) ON users TO coccinelle_app"
    ),
    "a tenant's table that users may touch": "GRANT SELECT ON messages TO coccinelle_user",
    "a policy for everybody": (
        "CREATE POLICY everybody ON messages USING (tenant_id = app_tenant())"
    ),
    "a grant on a partition": "GRANT SELECT ON chunk_vectors_00 TO coccinelle_app",
    "a role with too much power": "ALTER ROLE coccinelle_app BYPASSRLS",
    "a role that serves and owns": "ALTER TABLE messages OWNER TO coccinelle_app",
    "a view without security_invoker": "CREATE VIEW leak AS SELECT * FROM messages",
    "a definer function": (
        "CREATE FUNCTION leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM messages'"
    ),
    "a foreign key between tenant tables without the tenant": (
        "ALTER TABLE feedback ADD CONSTRAINT plain FOREIGN KEY (turn_id) REFERENCES turns (id)"
    ),
    "a table without its tenant": (
        "CREATE TABLE leak (id uuid); ALTER TABLE leak ENABLE ROW LEVEL SECURITY"
    ),
    "a unique key of a tenant table that does not start with the tenant": (
        "CREATE UNIQUE INDEX leak ON conversations (external_id) WHERE false"
    ),
    "an invalid index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'turns_open'::regclass"
    ),
    "the directory may": "GRANT SELECT (text) ON messages TO coccinelle_directory",
    "the worker may touch": "GRANT SELECT ON messages TO coccinelle_worker",
}


@pytest.fixture
def scratch(server: EmbeddedPostgres, addresses: Addresses) -> Iterator[psycopg.Connection[Any]]:
    """The migrated database in a transaction of the superuser's that is undone."""
    with psycopg.connect(server.dsn(database="coccinelle")) as connection:
        yield connection
        connection.rollback()


def test_the_catalogue_shows_no_way_from_one_tenant_to_another(
    scratch: psycopg.Connection[Any],
) -> None:
    assert findings(scratch) == []


@pytest.mark.parametrize("finding", HOLES)
def test_the_audit_sees_each_hole(scratch: psycopg.Connection[Any], finding: str) -> None:
    scratch.execute(HOLES[finding].encode())

    assert any(found.startswith(finding) for found in findings(scratch))


def test_the_schema_file_is_what_the_migrations_make(
    server: EmbeddedPostgres, addresses: Addresses
) -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.dump(server)


def test_migrating_again_changes_nothing(addresses: Addresses) -> None:
    assert migrate.migrate(addresses.owner) == 0


async def test_a_forgotten_where_shows_only_the_tenants_own_rows(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with db.tenant(rivoli) as tx:
        seen = await tx.value("SELECT array_agg(id) FROM tenants")
    async with db.tenant(nordlys) as tx:
        changed = await tx.run(
            "UPDATE tenants SET company_name = 'stolen' WHERE id <> %s", [nordlys]
        )

    assert seen == [rivoli]
    assert changed == 0


async def test_a_row_cannot_be_written_for_another_tenant(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.tenant(rivoli) as tx:
            await tx.run(
                "INSERT INTO tenant_domains (tenant_id, host) VALUES (%s, 'stolen.example')",
                [nordlys],
            )


async def test_a_connection_outside_a_transaction_of_a_tenant_may_read_nothing(
    addresses: Addresses,
) -> None:
    async with await psycopg.AsyncConnection.connect(addresses.login) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT count(*) FROM tenants")


async def test_the_tenant_of_a_transaction_does_not_outlive_it(
    db: Database, rivoli: TenantId
) -> None:
    async with db.tenant(rivoli):
        pass
    async with db.directory() as tx:
        assert await tx.value("SELECT app_tenant()") is None
        assert await tx.value("SELECT current_user::text") == "coccinelle_directory"


async def test_a_tenant_sees_the_users_who_are_its_members_and_no_other(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    user_id = UserId(uuid4())
    async with db.tenant(rivoli) as tx:
        async with tx.as_user(user_id) as own:
            await own.run(
                "INSERT INTO users (id, email, name, password_hash) VALUES (%s, %s, 'Léa', '-')",
                [user_id, f"{user_id}@example.com"],
            )
        await tx.run(
            "INSERT INTO memberships (tenant_id, user_id, role) VALUES (%s, %s, 'owner')",
            [rivoli, user_id],
        )

    async with db.tenant(rivoli) as tx:
        assert await tx.value("SELECT array_agg(id) FROM users") == [user_id]
    async with db.tenant(nordlys) as tx:
        assert await tx.value("SELECT count(*) FROM users") == 0
    async with db.user(UserId(uuid4())) as somebody:
        assert await somebody.value("SELECT count(*) FROM users") == 0
        assert await somebody.value("SELECT count(*) FROM memberships") == 0
        assert await somebody.run("UPDATE users SET name = 'stolen'") == 0
    async with db.user(user_id) as own:
        assert await own.value("SELECT array_agg(id) FROM users") == [user_id]


async def test_a_tenant_can_neither_read_nor_change_a_password(
    db: Database, rivoli: TenantId
) -> None:
    for statement in ("SELECT password_hash FROM users", "UPDATE users SET password_hash = ''"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with db.tenant(rivoli) as tx:
                await tx.run(statement)


async def test_a_user_sees_no_row_of_any_tenant(db: Database, rivoli: TenantId) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.user(UserId(uuid4())) as own:
            await own.value("SELECT count(*) FROM tenants")
