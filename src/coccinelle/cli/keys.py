"""`coccinelle keys`: what programs and widgets prove themselves with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import note, refusal, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.tenants.actions import NewKey

keys = typer.Typer(help=say("Les clés d'une entreprise.", "A tenant's keys."), no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(keys, name="keys")


@keys.command(
    help=say(
        "Créer une clé : api pour un programme, public pour un site. Affichée une seule fois.",
        "Create a key: api for a program, public for a web site. It is shown once.",
    )
)
def create(
    kind: Annotated[
        Literal["api", "public"], typer.Argument(help=say("api ou public.", "api or public."))
    ],
    name: Annotated[str, typer.Option(help=say("À quoi elle sert.", "What it is for."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help=say(
                "Pour public : site qui peut l'employer, https://exemple.fr (répétable).",
                "For public: site that may use it, https://example.com (repeatable).",
            )
        ),
    ] = None,
) -> None:
    """The secret is all that is printed, so that a script can keep it."""
    if kind == "api" and origin:
        raise refusal(
            "--origin n'a de sens que pour une clé public.", "--origin is for a public key."
        )

    async def work(db: Database) -> NewKey:
        from coccinelle.tenants import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            if kind == "api":
                return await actions.create_api_key(tx, name=name)
            return await actions.create_public_key(tx, name=name, origins=origin or [])

    made = ground.with_database(work)
    typer.echo(made.secret)
    note(say(f"Clé {made.id}.", f"Key {made.id}."))
    if kind == "public":
        if not origin:
            note(
                say(
                    "Aucun site ne peut encore l'employer : coccinelle keys origins.",
                    "No site may use it yet: coccinelle keys origins.",
                )
            )
        host = say("https://VOTRE-SERVEUR", "https://YOUR-HOST")
        line = f'<script src="{host}/widget.js" data-key="{made.secret}" async></script>'
        note(say(f"À mettre dans vos pages : {line}", f"To put in your pages: {line}"))


@keys.command(
    help=say(
        "Dire quels sites peuvent employer une clé public, eux seuls.",
        "Say which sites may use a public key, and no others.",
    )
)
def origins(
    key_id: Annotated[UUID, typer.Argument(help=say("Son identifiant.", "Its id."))],
    origin: Annotated[
        list[str],
        typer.Option(
            help=say(
                "Un site, https://exemple.fr (répétable).",
                "A site, https://example.com (repeatable).",
            )
        ),
    ],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """Known to every process within a few seconds."""

    async def work(db: Database) -> None:
        from coccinelle.tenants import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            await actions.allow_origins(tx, key_id, origin)

    ground.with_database(work)
    typer.echo(say("Sites enregistrés.", "Sites saved."))


@keys.command("list", help=say("Lister les clés.", "List the keys."))
def list_keys(tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None) -> None:
    """One a line: id, kind, end of the key, name, state, sites of a public key."""

    async def work(db: Database) -> list[dict[str, Any]]:
        from coccinelle.tenants import store

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await store.keys(tx)

    for key in ground.with_database(work):
        state = say("révoquée", "revoked") if key["revoked_at"] else say("active", "active")
        sites = " ".join(key["allowed_origins"])
        typer.echo(f"{key['id']}\t{key['kind']}\t{key['key']}\t{key['name']}\t{state}\t{sites}")


@keys.command(
    help=say(
        "Le secret d'identité d'une clé public : votre site signe avec lui l'id de ses clients.",
        "The identity secret of a public key: your site signs its customers' ids with it.",
    )
)
def identity(
    key_id: Annotated[UUID, typer.Argument(help=say("Son identifiant.", "Its id."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    rotate: Annotated[
        bool,
        typer.Option(
            "--rotate",
            help=say(
                "En faire un autre : l'ancien ne prouve plus rien.",
                "Make another one: the old one proves nothing any more.",
            ),
        ),
    ] = False,
) -> None:
    """The secret is all that is printed; it is made when it is first asked for."""

    async def work(db: Database) -> str:
        from coccinelle.tenants import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.identity_secret(tx, key_id, rotate=rotate)

    typer.echo(ground.with_database(work))
    note(
        say(
            "Gardez-le sur votre serveur, jamais dans une page.",
            "Keep it on your server, never in a page.",
        )
    )


@keys.command(help=say("Révoquer une clé.", "Revoke a key."))
def revoke(
    key_id: Annotated[UUID, typer.Argument(help=say("Son identifiant.", "Its id."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """It proves nothing from the next request on."""

    async def work(db: Database) -> bool:
        from coccinelle.tenants import store

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            known = {key["id"] for key in await store.keys(tx)}
            await store.revoke_key(tx, key_id)
            return key_id in known

    if not ground.with_database(work):
        raise refusal(
            "Cette entreprise n'a pas cette clé.", "The tenant has no such key.", exit_code=1
        )
    typer.echo(say("Clé révoquée.", "Key revoked."))
