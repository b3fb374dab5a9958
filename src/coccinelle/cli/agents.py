"""`coccinelle agents`: the personas that answer, from a file that an owner can write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import refusal, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database

agents = typer.Typer(
    help=say("Les agents d'une entreprise.", "A tenant's agents."), no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(agents, name="agents")


@agents.command(
    help=say(
        "Publier les agents d'un fichier TOML : les nouveaux sont créés, les autres mis à jour.",
        "Publish the agents of a TOML file: new ones are made, others get a new version.",
    )
)
def publish(
    file: Annotated[Path, typer.Argument(help=say("Fichier TOML.", "TOML file."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """An agent that has not changed gets no new version."""
    from coccinelle.agents import actions, files

    try:
        written = files.read(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(f"{file} ne peut pas être lu.", f"{file} cannot be read.") from error

    async def work(db: Database) -> list[str]:
        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.publish_all(tx, written)

    for key in ground.with_database(work):
        typer.echo(key)


@agents.command("list", help=say("Lister les agents.", "List the agents."))
def list_agents(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """One a line, in the tenant's order: key, name, examples."""
    from coccinelle.agents import store

    async def work(db: Database) -> list[str]:
        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            live = await store.live_agents(tx)
        return [f"{a.key}\t{a.name}\t{len(a.configuration.examples)}" for a in live]

    for line in ground.with_database(work):
        typer.echo(line)
