"""`coccinelle tenants`: the businesses of this installation, and the host names they answer on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import refusal, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database

HANDOFF_EMAIL_HELP = say("Où arrivent les demandes de contact.", "Where requests for a person go.")

tenants = typer.Typer(
    help=say("Les entreprises de cette installation.", "The tenants of this installation."),
    no_args_is_help=True,
)
domain = typer.Typer(
    help=say("Les noms d'hôte d'une entreprise.", "A tenant's host names."), no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    tenants.add_typer(domain, name="domain")
    app.add_typer(tenants, name="tenants")


@tenants.command(help=say("Créer une entreprise.", "Create a tenant."))
def create(
    slug: Annotated[str, typer.Argument(help=say("Nom court : salon-rivoli.", "Short name."))],
    name: Annotated[str, typer.Option(help=say("Nom de l'entreprise.", "Company name."))],
    sector: Annotated[str | None, typer.Option(help=say("Secteur.", "Sector."))] = None,
    email: Annotated[str | None, typer.Option(help=say("E-mail public.", "Public e-mail."))] = None,
    phone: Annotated[str | None, typer.Option(help=say("Téléphone public.", "Phone."))] = None,
    website: Annotated[str | None, typer.Option(help=say("Site web.", "Web site."))] = None,
    handoff_email: Annotated[str | None, typer.Option(help=HANDOFF_EMAIL_HELP)] = None,
) -> None:
    """A tenant, without agents or knowledge."""
    from coccinelle.tenants import actions

    facts = {"sector": sector, "email": email, "phone": phone, "website": website}

    async def work(db: Database) -> str:
        tenant_id = await actions.create(
            db, slug=slug, company_name=name, handoff_email=handoff_email, **facts
        )
        return str(tenant_id)

    typer.echo(ground.with_database(work))


@tenants.command(
    help=say(
        "Changer ce que l'on sait d'une entreprise ; une valeur vide l'efface.",
        "Change what is known of a tenant; an empty value forgets it.",
    )
)
def update(
    slug: Annotated[str, typer.Argument(help=ground.TENANT_HELP)],
    name: Annotated[
        str | None, typer.Option(help=say("Nom de l'entreprise.", "Company name."))
    ] = None,
    email: Annotated[str | None, typer.Option(help=say("E-mail public.", "Public e-mail."))] = None,
    phone: Annotated[str | None, typer.Option(help=say("Téléphone public.", "Phone."))] = None,
    website: Annotated[str | None, typer.Option(help=say("Site web.", "Web site."))] = None,
    address: Annotated[str | None, typer.Option(help=say("Adresse.", "Address."))] = None,
    handoff_email: Annotated[str | None, typer.Option(help=HANDOFF_EMAIL_HELP)] = None,
    offer_text: Annotated[
        str | None,
        typer.Option(help=say("Offre que peut citer un agent.", "Offer that an agent may make.")),
    ] = None,
    offer_url: Annotated[
        str | None, typer.Option(help=say("Adresse de l'offre.", "Address of the offer."))
    ] = None,
) -> None:
    """What is not given stays. Answers know it within ten seconds."""
    from coccinelle.tenants import actions

    given = {
        "email": email,
        "phone": phone,
        "website": website,
        "address": address,
        "handoff_email": handoff_email,
        "offer_text": offer_text,
        "offer_url": offer_url,
    }
    facts = {fact: value for fact, value in given.items() if value is not None}
    if name is None and not facts:
        raise refusal("Dites ce qui change : --help.", "Say what changes: --help.")

    async def work(db: Database) -> str:
        found = await ground.chosen(db, slug)
        async with db.tenant(found.id) as tx:
            await actions.update(tx, company_name=name, **facts)
        return found.slug

    typer.echo(ground.with_database(work))


@tenants.command("list", help=say("Lister les entreprises.", "List the tenants."))
def list_tenants() -> None:
    """One a line: short name, id, company name."""
    from coccinelle.tenants import store

    async def work(db: Database) -> list[str]:
        async with db.directory() as tx:
            return [f"{t.slug}\t{t.id}\t{t.company_name}" for t in await store.listed(tx)]

    for line in ground.with_database(work):
        typer.echo(line)


@domain.command(
    "add",
    help=say(
        "Lier un nom d'hôte : ce qui y arrive est pour cette entreprise.",
        "Bind a host name: what arrives there is for this tenant.",
    ),
)
def add_domain(
    host: Annotated[str, typer.Argument(help=say("chat.exemple.fr", "chat.example.com"))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help=say(
                "Site qui peut l'appeler, par exemple https://exemple.fr (répétable).",
                "Site that may call it, such as https://example.com (repeatable).",
            )
        ),
    ] = None,
) -> None:
    """A host that the tenant already has gets the new list of origins."""
    from coccinelle.tenants import actions

    async def work(db: Database) -> str:
        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.bind_host(tx, host=host, origins=origin or [])

    typer.echo(ground.with_database(work))


@domain.command(
    "remove",
    help=say(
        "Délier un nom d'hôte : ce qui y arrive n'est plus pour personne.",
        "Unbind a host name: what arrives there is for nobody.",
    ),
)
def remove_domain(
    host: Annotated[str, typer.Argument(help=say("chat.exemple.fr", "chat.example.com"))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """Of this tenant only."""
    from coccinelle.tenants import actions

    async def work(db: Database) -> str:
        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.unbind_host(tx, host=host)

    typer.echo(ground.with_database(work))
