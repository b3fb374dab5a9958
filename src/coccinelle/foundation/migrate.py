"""Numbered SQL files, applied once each in order, safe to run again after any kill."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources

import psycopg

LOCK_KEY = 0x0C0CC1
LOCK_ATTEMPTS = 20
_INCLUDE = re.compile(r"^-- include: (?P<package>[\w.]+)/(?P<file>[\w.-]+)$", re.MULTILINE)
_PHASE = re.compile(r"^-- phase: (expand|contract)$", re.MULTILINE)

Note = Callable[[str], None]


class MigrationError(RuntimeError):
    """The database's schema and this version of the program do not belong together.

    Its text says what to do.
    """


@dataclass(frozen=True)
class Migration:
    """One file: its number, its name, and the SQL that it stands for."""

    number: int
    name: str
    sql: str
    phase: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file as it was written, includes not followed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> str:
        """The SQL with the files of other packages put in place of their include lines."""
        return _INCLUDE.sub(_included, self.sql)


def migrations() -> list[Migration]:
    """Every migration that this version of the program has, in order."""
    return sorted(_files(), key=lambda migration: migration.number)


def migrate(dsn: str, *, note: Note = lambda _: None) -> int:
    """Bring the database at `dsn` up to this version; returns how many files were applied.

    One migrator runs at a time (an advisory lock); each file is one transaction together with
    the line that remembers it, and waits at most two seconds for any table lock before it tries
    again. What a newer version added (its `expand` files) is left alone, so that an upgrade can be
    taken back by starting the version before.

    Raises:
        MigrationError: a file that was applied has changed since, or a newer version has taken
            away what this one needs (its `contract` files).
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        _create_ledger(connection)
        pending = _pending(connection)
        for migration in pending:
            note(migration.name)
            _apply(connection, migration)
        return len(pending)


def pending(dsn: str) -> list[Migration]:
    """What `migrate` would apply. Raises `MigrationError` as it would."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        _create_ledger(connection)
        return _pending(connection)


def _files() -> Iterator[Migration]:
    for entry in resources.files("coccinelle.foundation").joinpath("migrations").iterdir():
        if not entry.name.endswith(".sql"):
            continue
        sql = entry.read_text(encoding="utf-8")
        phase = _PHASE.search(sql)
        if phase is None:
            raise MigrationError(f"{entry.name} does not say its phase")
        yield Migration(int(entry.name[:4]), entry.name, sql, phase.group(1))


def _included(match: re.Match[str]) -> str:
    package, file = match.group("package"), match.group("file")
    return resources.files(package).joinpath(file).read_text(encoding="utf-8")


def _create_ledger(connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now(), phase text NOT NULL DEFAULT 'contract')"
    )
    known = connection.execute(
        "SELECT 1 FROM pg_attribute"
        " WHERE attrelid = 'schema_migrations'::regclass AND attname = 'phase'"
    ).fetchone()
    if known is None:
        connection.execute(
            "ALTER TABLE schema_migrations ADD COLUMN phase text NOT NULL DEFAULT 'contract'"
        )
        _note_phases(connection)


def _note_phases(connection: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE schema_migrations SET phase = %s WHERE number = %s",
            [(migration.phase, migration.number) for migration in migrations()],
        )


def _pending(connection: psycopg.Connection) -> list[Migration]:
    known = {migration.number: migration for migration in migrations()}
    applied = connection.execute(
        "SELECT number, name, checksum, phase FROM schema_migrations ORDER BY number"
    ).fetchall()
    for number, name, checksum, phase in applied:
        if number not in known:
            if phase == "expand":
                continue
            raise MigrationError(
                f"a newer version removed what this one needs ({name}): start that version, or"
                " restore the backup that was made before it"
            )
        if known[number].checksum != checksum:
            raise MigrationError(
                f"{name} is not the file that was applied to this database: start the version"
                " that was used with it before, or a newer one"
            )
    done = {number for number, *_ in applied}
    return [migration for number, migration in sorted(known.items()) if number not in done]


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    for attempt in range(LOCK_ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '2s'")
                connection.execute(migration.statements.encode())
                connection.execute(
                    "INSERT INTO schema_migrations (number, name, checksum, phase)"
                    " VALUES (%s, %s, %s, %s)",
                    [migration.number, migration.name, migration.checksum, migration.phase],
                )
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == LOCK_ATTEMPTS - 1:
                raise
            time.sleep(0.1 * (attempt + 1))
