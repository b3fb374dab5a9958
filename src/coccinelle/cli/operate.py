"""`coccinelle migrate`, `worker` and `settings`: for whoever runs the installation."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import note, say

if TYPE_CHECKING:
    from coccinelle.foundation.postgres import Addresses
    from coccinelle.foundation.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(help=say("Mettre la base de données à jour.", "Bring the database up to date."))(
        migrate
    )
    app.command(help=say("Traiter les tâches de fond.", "Run the background jobs."))(worker)
    app.command(
        help=say(
            "Afficher chaque réglage, sa valeur et ses bornes.",
            "Show every setting, its value and its bounds.",
        )
    )(settings)


def migrate() -> None:
    """Apply what is pending; run again, it does nothing."""
    from coccinelle.foundation import migrate as migrations
    from coccinelle.foundation import postgres

    found = ground.prepared()
    own = ground.operators_own(found)
    if own is None:
        with ground.database(found, quiet=False):
            typer.echo(say("La base de données est à jour.", "The database is up to date."))
        return
    applied = migrations.migrate(own.owner, note=note)
    postgres.let_login_serve(own)
    typer.echo(say(f"Migrations appliquées : {applied}.", f"Migrations applied: {applied}."))


def worker() -> None:
    """Until Ctrl-C or SIGTERM; a job that runs then has five seconds to end, or runs again."""
    import asyncio

    from coccinelle.foundation.tracing import tracing

    found = ground.prepared(quiet=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tracing(found), ground.database(found, quiet=False) as addresses:
            asyncio.run(_until_signal(_work(found, addresses)))
    except KeyboardInterrupt:
        note(say("Arrêté avant d'avoir démarré.", "Stopped before it had started."))


async def _until_signal(work: Coroutine[None, None, None]) -> None:
    import asyncio

    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        note(say("Arrêté.", "Stopped."))


async def _work(settings: Settings, addresses: Addresses) -> None:
    from coccinelle.cli.working import work_on
    from coccinelle.foundation import jobs
    from coccinelle.house import open_house

    async with open_house(settings, addresses) as house, jobs.queue(addresses.login) as queue:
        note(say("En attente de tâches. Ctrl-C pour arrêter.", "Waiting for jobs. Ctrl-C to stop."))
        await work_on(queue, house, concurrency=max(1, settings.jobs_concurrency))


def settings() -> None:
    """Everything that can be set, by which variable, what it is now; secrets are not shown."""
    from coccinelle.cli.knobs import described
    from coccinelle.foundation.settings import load

    for knob in described(load()):
        typer.echo(
            f"{knob.variable}={knob.value}"
            + ("" if knob.is_set else say("  (défaut)", "  (default)"))
        )
        typer.echo(f"    {knob.description}" + (f" [{knob.bounds}]" if knob.bounds else ""))
