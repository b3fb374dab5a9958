"""`coccinelle demo`: two invented businesses to try everything with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from coccinelle.cli import ground
from coccinelle.cli.progress import progress
from coccinelle.cli.words import Refused, note, say

if TYPE_CHECKING:
    from coccinelle.demo.loader import Loaded
    from coccinelle.house import House

demo = typer.Typer(
    help=say("Les entreprises de démonstration.", "The demo's tenants."), no_args_is_help=True
)


@demo.callback()
def _group() -> None:
    """Keeps `load` a command of its own."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(demo, name="demo")


@demo.command(
    help=say(
        "Charger la démonstration ; ce qui est déjà là n'est pas touché.",
        "Load the demo; what is there already is left as it is.",
    )
)
def load() -> None:
    """Both tenants, or what is missing of them."""
    failed = 0
    for tenant in ground.with_house(load_with_progress):
        failed += len(tenant.failed)
        state = say("chargée", "loaded") if tenant.is_new else say("déjà là", "already there")
        typer.echo(f"{tenant.slug}\t{state}")
    if failed:
        raise Refused(say(f"{failed} fichiers illisibles.", f"{failed} unreadable files."), 1)


async def load_with_progress(house: House) -> list[Loaded]:
    """Load what is missing of the demo, and say how far it is."""
    from coccinelle.demo import loader

    what = say("Démonstration", "Demo")
    with progress("document") as told:
        loaded = await loader.load(house, lambda done, total: told(what, done, total))
    for tenant in loaded:
        for source in tenant.failed:
            note(f"{tenant.slug}: {source.title}: {source.failure_code}")
    return loaded
