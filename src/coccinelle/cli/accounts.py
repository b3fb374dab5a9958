"""`coccinelle accounts`: people, and the links that they need where no mail server is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import plain, refusal, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.tenants.accounts.store import ListedRow

EMAIL_HELP = say("Son adresse e-mail.", "Her e-mail address.")

accounts = typer.Typer(
    help=say("Les comptes des personnes.", "People's accounts."), no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(accounts, name="accounts")


@accounts.command("list", help=say("Lister les comptes.", "List the accounts."))
def list_accounts() -> None:
    """One a line: address, name, businesses with the role in each."""

    async def work(db: Database) -> list[ListedRow]:
        from coccinelle.tenants.accounts import store

        async with db.directory() as tx:
            return await store.listed(tx)

    for one in ground.with_database(work):
        typer.echo(f"{plain(one.email)}\t{plain(one.name)}\t{' '.join(one.tenants)}")


@accounts.command(
    "reset-link",
    help=say(
        "Donner à quelqu'un un lien pour choisir un nouveau mot de passe, valable une fois.",
        "Give somebody a link to choose a new password, good once.",
    ),
)
def give_reset_link(email: Annotated[str, typer.Argument(help=EMAIL_HELP)]) -> None:
    """The link is all that is printed."""
    from coccinelle.foundation.ids import uuid7
    from coccinelle.foundation.settings import load
    from coccinelle.tenants.accounts import store
    from coccinelle.tenants.accounts.jobs import made_reset
    from coccinelle.tenants.accounts.mails import Links, reset_link
    from coccinelle.tenants.accounts.model import checked_email

    address, settings = checked_email(email), load()

    async def work(db: Database) -> str | None:
        async with db.directory() as tx:
            known = await store.known_by_email(tx, address)
        if known is None:
            return None
        minutes = settings.password_reset_minutes
        made = await made_reset(db, known.id, uuid7(), minutes=minutes)
        base_url = Links(settings.public_url).base("")
        return reset_link(base_url, made[1].secret) if made else None

    link = ground.with_database(work)
    if link is None:
        raise refusal(
            "Aucun compte n'a cette adresse.", "No account has this address.", exit_code=1
        )
    typer.echo(link)


@accounts.command(
    help=say(
        "Donner à quelqu'un un lien pour rejoindre une entreprise, valable une fois.",
        "Give somebody a link to join a tenant, good once.",
    )
)
def invite(
    email: Annotated[str, typer.Argument(help=EMAIL_HELP)],
    role: Annotated[
        Literal["owner", "admin", "member"],
        typer.Option(help=say("Son rôle.", "Her role.")),
    ] = "owner",
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """The link is all that is printed."""
    from coccinelle.foundation.settings import load
    from coccinelle.tenants.accounts import actions
    from coccinelle.tenants.accounts.mails import Links

    settings = load()

    async def work(db: Database) -> str:
        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.invite_for_operator(
                tx,
                email=email,
                role=role,
                days=settings.invitation_days,
                base_url=Links(settings.public_url).base(""),
            )

    typer.echo(ground.with_database(work))
