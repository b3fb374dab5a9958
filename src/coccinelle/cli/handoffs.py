"""`coccinelle handoffs`: the customers who wait for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import plain, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.handoffs.model import Handoff

MESSAGE_CHARS = 120

handoffs = typer.Typer(
    help=say("Les clients qui attendent une personne.", "Customers who wait for a person."),
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(handoffs, name="handoffs")


@handoffs.command("list", help=say("Lister les demandes, récentes d'abord.", "List, newest first."))
def list_handoffs(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=say("Aussi les demandes closes.", "Closed ones, too."))
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help=ground.LIMIT_HELP)] = 50,
) -> None:
    """One a line: id, when, state, conversation, how to reach the customer, why, what they said.

    Beside how to reach them: who they are, when the business's site has proven it.
    """

    async def work(db: Database) -> list[Handoff]:
        from coccinelle.handoffs import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            if everything:
                return await actions.list_handoffs(tx, limit=limit)
            waiting = await actions.list_handoffs(tx, state="open", limit=limit)
            claimed = await actions.list_handoffs(tx, state="claimed", limit=limit)
        return sorted([*waiting, *claimed], key=lambda handoff: handoff.id, reverse=True)[:limit]

    for handoff in ground.with_database(work):
        typer.echo("\t".join(_columns(handoff)))


@handoffs.command(
    help=say("Clore une demande : on s'en est occupé.", "Close: it is taken care of.")
)
def close(
    handoff_id: Annotated[UUID, typer.Argument(help=say("Son identifiant.", "Its id."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """The assistant offers a person again from now on."""

    async def work(db: Database) -> None:
        from coccinelle.foundation.ids import HandoffId
        from coccinelle.handoffs import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            await actions.close(tx, HandoffId(handoff_id), by=None)

    ground.with_database(work)
    typer.echo(say("Demande close.", "Closed."))


def _columns(handoff: Handoff) -> list[str]:
    from coccinelle.foundation.clock import rfc3339

    reached = " ".join(filter(None, (handoff.email, handoff.phone, *_identity(handoff)))) or "-"
    said = " · ".join(filter(None, (handoff.reason, handoff.note)))
    shown = (_state(handoff), handoff.conversation_external_id, reached, said)
    return [
        str(handoff.id),
        rfc3339(handoff.opened_at),
        *(" ".join(plain(text).split()) for text in shown),
        _shortened(handoff.last_message or "-"),
    ]


def _state(handoff: Handoff) -> str:
    if handoff.state == "closed":
        return say("close", "closed")
    if handoff.state == "open":
        return say("ouverte", "open")
    who = handoff.claimed_by_name or "?"
    return say(f"prise en charge ({who})", f"claimed ({who})")


def _identity(handoff: Handoff) -> list[str]:
    """Who the customer is: the site proved the id, its page only says the address."""
    found = []
    if handoff.identity:
        found.append(say(f"[id prouvé : {handoff.identity}]", f"[proven id: {handoff.identity}]"))
    if handoff.identity_email:
        email = handoff.identity_email
        found.append(say(f"[e-mail selon la page : {email}]", f"[e-mail the page says: {email}]"))
    return found


def _shortened(text: str) -> str:
    line = " ".join(plain(text).split())
    return line if len(line) <= MESSAGE_CHARS else line[:MESSAGE_CHARS] + "…"
