"""Where the database is: the embedded one, made ready on its first use, or the operator's own."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.settings import Settings

NAME = "coccinelle"
OWNER = "coccinelle_owner"
LOGIN = "coccinelle_login"
SERVING = ("coccinelle_app", "coccinelle_directory", "coccinelle_user", "coccinelle_worker")
EXTENSIONS = ("unaccent", "pg_trgm", "vector")


@dataclass(frozen=True)
class Addresses:
    """How to reach the database: as the owner, to migrate; as a login without rights, to serve."""

    owner: str
    login: str


def operators_own(settings: Settings) -> Addresses | None:
    """The database of DATABASE_URL, whose one login migrates and serves; None when unset."""
    if settings.database_url is None:
        return None
    url = settings.database_url.get_secret_value()
    return Addresses(url, url)


def provision(server: EmbeddedPostgres, *, database: str = NAME) -> Addresses:
    """Make roles and `database` in a running embedded server; safe to run any number of times."""
    passwords = _passwords(server.location / "roles.json")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(872001)")
        _ensure_role(connection, OWNER, passwords[OWNER], createrole=True)
        _ensure_role(connection, LOGIN, passwords[LOGIN], createrole=False)
        _ensure_database(connection, database)
    with psycopg.connect(server.dsn(database=database), autocommit=True) as connection:
        for extension in EXTENSIONS:
            connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}".encode())
    return Addresses(
        _as(server, OWNER, passwords[OWNER], database),
        _as(server, LOGIN, passwords[LOGIN], database),
    )


def let_login_serve(addresses: Addresses) -> None:
    """Allow the login to become the roles that serve, after the migrations."""
    login = psycopg.conninfo.conninfo_to_dict(addresses.login)["user"]
    with psycopg.connect(addresses.owner, autocommit=True) as connection:
        for role in SERVING:
            held = connection.execute(
                "SELECT pg_has_role(%s::name, %s::name, 'SET')", [login, role]
            ).fetchone()
            if held != (True,):
                statement = sql.SQL("GRANT {} TO {}")
                connection.execute(
                    statement.format(sql.Identifier(role), sql.Identifier(str(login)))
                )


def _ensure_role(
    connection: psycopg.Connection, name: str, password: str, *, createrole: bool
) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT {} PASSWORD {}").format(
        sql.SQL("ALTER" if known else "CREATE"),
        sql.Identifier(name),
        sql.SQL("CREATEROLE" if createrole else "NOCREATEROLE"),
        sql.Literal(password),
    )
    connection.execute(statement)


def _ensure_database(connection: psycopg.Connection, name: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if known is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(OWNER)
            )
        )


def _passwords(path: Path) -> dict[str, str]:
    if path.exists():
        known: dict[str, str] = json.loads(path.read_text())
        return known
    made = {role: secrets.token_urlsafe(24) for role in (OWNER, LOGIN)}
    path.touch(mode=0o600)
    path.write_text(json.dumps(made))
    return made


def _as(server: EmbeddedPostgres, role: str, password: str, database: str) -> str:
    return psycopg.conninfo.make_conninfo(
        server.dsn(database=database), user=role, password=password
    )
