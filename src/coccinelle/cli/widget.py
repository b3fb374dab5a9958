"""`coccinelle widget`: how a tenant's widget looks, greets and promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import plain, refusal, say

if TYPE_CHECKING:
    from coccinelle.channels.widget.model import WidgetSettings
    from coccinelle.foundation.database import Database

FIELDS = ("color", "position", "greeting_fr", "greeting_en", "reply_within_minutes")

widget = typer.Typer(
    help=say("Le widget d'une entreprise.", "A tenant's widget."), no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(widget, name="widget")


@widget.command(help=say("Montrer ce qui est choisi.", "Show what is chosen."))
def show(tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None) -> None:
    """One a line: option, value; a dash where it is left to us."""
    _show(_changed(tenant, {}))


@widget.command(
    "set",
    help=say(
        "Choisir l'apparence et les mots du widget ; une valeur vide revient à la nôtre.",
        "Choose the widget's looks and words; an empty value goes back to ours.",
    ),
)
def set_widget(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    color: Annotated[
        str | None, typer.Option(help=say("Couleur, #rrvvbb.", "Colour, #rrggbb."))
    ] = None,
    position: Annotated[
        str | None, typer.Option(help=say("Côté : left ou right.", "Side: left or right."))
    ] = None,
    greeting_fr: Annotated[
        str | None, typer.Option(help=say("Accueil en français.", "Greeting in French."))
    ] = None,
    greeting_en: Annotated[
        str | None, typer.Option(help=say("Accueil en anglais.", "Greeting in English."))
    ] = None,
    reply_within_minutes: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Délai dans lequel une personne répond, en minutes.",
                "Minutes within which a person replies.",
            )
        ),
    ] = None,
) -> None:
    """What is not given stays. Open pages know it within five minutes."""
    given = (color, position, greeting_fr, greeting_en, reply_within_minutes)
    changes = {
        field: value for field, value in zip(FIELDS, given, strict=True) if value is not None
    }
    if not changes:
        raise refusal("Dites ce qui change : --help.", "Say what changes: --help.")
    _show(_changed(tenant, changes))


def _changed(tenant: str | None, changes: dict[str, str]) -> WidgetSettings:
    async def work(db: Database) -> WidgetSettings:
        from coccinelle.channels.widget import actions

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return await actions.change(tx, **changes)

    return ground.with_database(work)


def _show(settings: WidgetSettings) -> None:
    for field in FIELDS:
        value = getattr(settings, field)
        shown = "-" if value is None else " ".join(plain(str(value)).split())
        typer.echo(f"{field.replace('_', '-')}\t{shown}")
