"""The migrated schema as one file: `python -m tests.house.schema` writes it anew."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.embedded_place import binaries, locate

FILE = Path("src/coccinelle/foundation/schema.sql")
HEADER = "-- The schema that the migrations make. Written by: python -m tests.house.schema\n"
NOISE = ("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config")


def dump(server: EmbeddedPostgres, database: str = postgres.NAME) -> str:
    """The schema of a migrated database, without the queue's own, one statement after the other."""
    command = [
        str(binaries(locate(server.location)) / "pg_dump"),
        "--schema-only",
        "--no-owner",
        "-N",
        "procrastinate",
    ]
    dumped = subprocess.run(
        [*command, "--dbname", server.dsn(database=database)],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in dumped.stdout.splitlines() if not line.startswith(NOISE)]
    kept = "\n".join(lines)
    while "\n\n\n" in kept:
        kept = kept.replace("\n\n\n", "\n\n")
    return HEADER + kept.strip() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="coccinelle-schema-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            addresses = postgres.provision(server)
            migrate.migrate(addresses.owner)
            FILE.write_text(dump(server), encoding="utf-8")


if __name__ == "__main__":
    main()
