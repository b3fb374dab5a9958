"""Migrations: once each, and the version before still starts on what the next one added."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.migrate import MigrationError


@pytest.fixture
def owner(server: EmbeddedPostgres) -> str:
    """The owner's address of a database of its own, migrated."""
    found = postgres.provision(server, database=f"migrated_{uuid4().hex[:8]}")
    migrate.migrate(found.owner)
    return found.owner


@pytest.fixture
def ledger(owner: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(owner, autocommit=True) as connection:
        yield connection


def upgraded(ledger: psycopg.Connection, phase: str) -> None:
    """As the next version leaves the database, having applied one more file."""
    ledger.execute("CREATE TABLE next_version (id integer)")
    ledger.execute(
        "INSERT INTO schema_migrations (number, name, checksum, phase)"
        " VALUES (9999, '9999_next.sql', 'x', %s)",
        [phase],
    )


def test_migrating_again_applies_nothing(owner: str) -> None:
    assert migrate.migrate(owner) == 0
    assert migrate.pending(owner) == []


def test_the_phase_of_each_file_is_remembered(owner: str, ledger: psycopg.Connection) -> None:
    noted = ledger.execute("SELECT name, phase FROM schema_migrations ORDER BY number").fetchall()

    assert noted == [(m.name, m.phase) for m in migrate.migrations()]


def test_the_version_before_starts_on_what_the_next_one_added(
    owner: str, ledger: psycopg.Connection
) -> None:
    upgraded(ledger, "expand")

    assert migrate.migrate(owner) == 0
    assert migrate.pending(owner) == []


def test_the_version_before_does_not_start_on_what_the_next_one_took_away(
    owner: str, ledger: psycopg.Connection
) -> None:
    upgraded(ledger, "contract")

    for start in (migrate.migrate, migrate.pending):
        with pytest.raises(MigrationError, match=r"9999_next\.sql\): start that version, or"):
            start(owner)


def test_a_file_that_changed_since_it_was_applied_is_refused(
    owner: str, ledger: psycopg.Connection
) -> None:
    ledger.execute("UPDATE schema_migrations SET checksum = 'other' WHERE number = 3")

    with pytest.raises(MigrationError, match=r"0003_tenants\.sql is not the file .*: start"):
        migrate.migrate(owner)


def test_a_ledger_without_phases_gets_them(owner: str, ledger: psycopg.Connection) -> None:
    ledger.execute("ALTER TABLE schema_migrations DROP COLUMN phase")

    assert migrate.migrate(owner) == 0

    noted = ledger.execute("SELECT phase FROM schema_migrations ORDER BY number").fetchall()
    assert noted == [(m.phase,) for m in migrate.migrations()]
