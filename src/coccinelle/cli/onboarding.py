"""`coccinelle onboarding`: how sign-ups become working assistants, over all tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.onboarding.funnel import Funnel

onboarding = typer.Typer(
    help=say("Les mises en route.", "Onboarding."),
    no_args_is_help=True,
)


@onboarding.callback()
def _alone() -> None:
    """Keeps the only command a named one."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(onboarding, name="onboarding")


@onboarding.command(
    help=say(
        "Les sept derniers jours : terminées par jour, durée moyenne, taux de réussite, étapes.",
        "The last seven days: completed per day, mean duration, success rate, steps.",
    )
)
def funnel() -> None:
    """One figure a line, then one step a line: entered, saved, failed, mean seconds."""

    async def work(db: Database) -> Funnel:
        from coccinelle.onboarding.funnel import funnel as figures

        return await figures(db)

    for line in _lines(ground.with_database(work)):
        typer.echo("\t".join(line))


def _lines(found: Funnel) -> list[tuple[str, ...]]:
    rate = None if found.success_rate is None else 100 * found.success_rate
    return [
        *((str(day.day), str(day.completed)) for day in found.per_day),
        (say("commencées", "started"), str(found.started)),
        (say("terminées", "completed"), str(found.completed)),
        (say("durée moyenne (s)", "mean seconds"), _shown(found.mean_seconds)),
        (say("taux de réussite (%)", "success rate (%)"), _shown(rate)),
        *(
            (step.step, str(step.entered), str(step.saved), str(step.failed))
            + (_shown(step.mean_seconds),)
            for step in found.steps
        ),
    ]


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
