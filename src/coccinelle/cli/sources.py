"""`coccinelle sources`: what a business has given us to know, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from coccinelle.cli import ground
from coccinelle.cli.knowledge import passages
from coccinelle.cli.progress import progress
from coccinelle.cli.words import FAILED, explained, note, plain, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.house import House
    from coccinelle.knowledge.model import Source

sources = typer.Typer(
    help=say("Les sources de ce que sait une entreprise.", "The sources of what a tenant knows."),
    no_args_is_help=True,
)
SourceArgument = Annotated[
    UUID, typer.Argument(help=say("Son identifiant (sources list).", "Its id (sources list)."))
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(sources, name="sources")


@sources.command("list", help=say("Lister les sources, récentes d'abord.", "List, newest first."))
def list_sources(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help=ground.LIMIT_HELP)] = 50,
) -> None:
    """One a line: id, kind, state, passages, title, and why it could not be read."""

    async def work(db: Database) -> list[Source]:
        from coccinelle.knowledge import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return (await actions.listed(tx, limit=limit))[0]

    for source in ground.with_database(work):
        typer.echo("\t".join(_columns(source)))


@sources.command(
    help=say(
        "Oublier une source et tout ce qu'elle a appris.", "Forget a source and all it taught."
    )
)
def remove(
    source_id: SourceArgument,
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """No answer is made from it any more, at once."""

    async def work(db: Database) -> None:
        from coccinelle.foundation.ids import SourceId
        from coccinelle.knowledge import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            await actions.remove(tx, SourceId(source_id))

    ground.with_database(work)
    typer.echo(say("Source oubliée.", "Forgotten."))


@sources.command(
    help=say("Relire une source : page, site ou fichier.", "Read a page, site or file anew.")
)
def refresh(
    source_id: SourceArgument,
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """Now, in this process; what it says meanwhile is what it said before."""

    async def work(house: House) -> Source:
        return await _read_anew(house, source_id, tenant)

    source = ground.with_house(work)
    typer.echo("\t".join(_columns(source)))
    if source.failure_code is not None:
        note(_why(source))
        raise typer.Exit(FAILED)


async def _read_anew(house: House, source_id: UUID, tenant: str | None) -> Source:
    from coccinelle.foundation.ids import SourceId
    from coccinelle.knowledge import actions
    from coccinelle.knowledge.ingest import run_ingest

    found = await ground.chosen(house.db, tenant)
    async with house.db.tenant(found.id) as tx:
        asked = await actions.reingest(tx, SourceId(source_id))
    with progress(say("passage", "chunk")) as told:
        await run_ingest(
            house,
            found.id,
            asked.id,
            asked.generation,
            lambda done, total: told(plain(asked.title), done, total),
        )
    async with house.db.tenant(found.id) as tx:
        return await actions.get(tx, asked.id)


def _columns(source: Source) -> list[str]:
    title = " ".join(plain(source.title).split())
    shown = [str(source.id), source.kind, _state(source), passages(source.chunks_total), title]
    return shown if source.failure_code is None else [*shown, _why(source)]


def _state(source: Source) -> str:
    return {
        "waiting": say("en attente", "waiting"),
        "reading": say("en lecture", "reading"),
        "embedding": say("en calcul", "embedding"),
        "ready": say("prête", "ready"),
        "failed": say("échec", "failed"),
    }[source.state]


def _why(source: Source) -> str:
    from coccinelle.foundation.errors import Invalid

    return str(explained(Invalid(source.failure_code or "", **(source.failure_values or {}))))
