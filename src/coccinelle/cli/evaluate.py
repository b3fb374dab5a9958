"""`coccinelle eval`: how well search and routing do on questions whose answer is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.progress import progress
from coccinelle.cli.words import refusal, say

if TYPE_CHECKING:
    from coccinelle.evals.exam.model import TestRun
    from coccinelle.house import House

ESCALATE = "escalate"

evaluations = typer.Typer(
    help=say(
        "Mesurer la recherche et l'orientation, et vérifier les réponses corrigées.",
        "Measure search and routing, and check corrected answers.",
    ),
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(evaluations, name="eval")


@evaluations.command(
    help=say(
        "Mesurer la recherche : corpus.jsonl, queries.jsonl, qrels.tsv.",
        "Measure search: corpus.jsonl, queries.jsonl, qrels.tsv.",
    )
)
def retrieval(
    folder: Annotated[Path, typer.Argument(help=say("Le dossier.", "The folder."))],
    cache: Annotated[
        Path | None,
        typer.Option(help=say("Fichier qui garde les vecteurs.", "File that keeps the vectors.")),
    ] = None,
) -> None:
    """A table for each stage and setting; the documents are forgotten at the end."""

    async def work(house: House) -> str:
        from coccinelle.evals.retrieval import evaluate

        with progress("") as told:
            report = await evaluate(
                house.db,
                house.embedder,
                folder,
                progress=told,
                cache=cache,
                reranker=house.reranker,
            )
        return report.table()

    typer.echo(ground.with_house(work))


@dataclass(frozen=True)
class Asked:
    """A question, and who should answer it: an agent's key, or `escalate`."""

    text: str
    expected: str


@evaluations.command(
    help=say(
        'Mesurer l\'orientation : une ligne par question, {"text": …, "expected": …}.',
        'Measure routing: a line a question, {"text": …, "expected": …}.',
    )
)
def routing(
    file: Annotated[Path, typer.Argument(help=say("Le fichier JSON Lines.", "JSON Lines."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """The confusion matrix, and how well escalation is told apart."""
    asked = _read(file)

    async def work(house: House) -> list[tuple[str, str]]:
        return await _routed(house, asked, tenant)

    typer.echo(summary(ground.with_house(work)))


@evaluations.command(
    help=say(
        "Reposer les questions dont les réponses ont été corrigées ; 1 si l'une échoue.",
        "Ask the questions whose answers were corrected again; 1 if one fails.",
    )
)
def exam(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
) -> None:
    """A line a kept test, with what was expected and answered where it fails."""

    async def work(house: House) -> list[TestRun]:
        from coccinelle.evals.exam.run import run_tests

        return await run_tests(house, (await ground.chosen(house.db, tenant)).id)

    runs = ground.with_house(work)
    for run in runs:
        typer.echo("\n".join(_told(run)))
    failed = sum(not run.has_passed for run in runs)
    typer.echo(
        say(
            f"{len(runs)} réponses vérifiées, {failed} en échec.",
            f"{len(runs)} answers checked, {failed} failing.",
        )
    )
    if failed:
        raise typer.Exit(1)


def _told(run: TestRun) -> Iterator[str]:
    yield f"{'✓' if run.has_passed else '✗'} {run.test.question}"
    if not run.has_passed:
        yield f"  {say('attendu :', 'expected:')} {run.test.expected}"
        yield f"  {say('répondu :', 'answered:')} {run.answer or '—'}"


def _read(file: Path) -> list[Asked]:
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
        asked = [Asked(str(line["text"]), str(line["expected"])) for line in lines]
    except OSError as error:
        raise refusal(f"On ne peut pas lire {file}.", f"{file} cannot be read.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise refusal(
            f'{file} : chaque ligne doit être {{"text": …, "expected": …}}.',
            f'{file}: each line must be {{"text": …, "expected": …}}.',
        ) from error
    if not asked:
        raise refusal(f"{file} ne contient aucune question.", f"{file} has no question.")
    return asked


async def _routed(
    house: House, asked: Sequence[Asked], tenant: str | None
) -> list[tuple[str, str]]:
    """(expected, decided) for each question, by the orchestrator that serves."""
    from coccinelle.conversations.model import Context
    from coccinelle.engine.model import Inbound

    found = await ground.chosen(house.db, tenant)
    view = await house.views.get(found.id)
    pairs = []
    with progress("question") as told:
        for number, one in enumerate(asked, start=1):
            inbound = Inbound(found.id, "cli", "eval", f"eval-{number}", one.text)
            route = (await house.orchestrator.decide(inbound, view, Context(), [])).route
            # A greeting is answered by some agent, and is no agent's business all the same.
            agent = route.agent if route.kind == "answer" else None
            pairs.append((one.expected, agent.key if agent else ESCALATE))
            told(say("Orientation", "Routing"), number, len(asked))
    return pairs


def summary(pairs: Sequence[tuple[str, str]]) -> str:
    """The confusion matrix (rows expected, columns decided) and the figures read from it."""
    counted = Counter(pairs)
    names = sorted({name for pair in pairs for name in pair} | {ESCALATE})
    width = max(map(len, names)) + 2
    rows = [
        name.ljust(width) + "".join(str(counted[name, other]).rjust(width) for other in names)
        for name in names
    ]
    right = sum(expected == decided for expected, decided in pairs)
    wrong = sum(ESCALATE not in pair and pair[0] != pair[1] for pair in pairs)
    said = sum(decided == ESCALATE for _, decided in pairs)
    due = sum(expected == ESCALATE for expected, _ in pairs)
    both = counted[ESCALATE, ESCALATE]
    corner = say("attendu \\ choisi", "expected \\ chosen")
    return "\n".join(
        [
            corner,
            "".ljust(width) + "".join(name.rjust(width) for name in names),
            *rows,
            f"{say('exactitude', 'accuracy')} {_share(right, len(pairs))}",
            f"{say('mauvais agent', 'wrong agent')} {_share(wrong, len(pairs))}",
            f"{say('précision escalade', 'escalation precision')} {_share(both, said)}",
            f"{say('rappel escalade', 'escalation recall')} {_share(both, due)}",
        ]
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part}/{whole})" if whole else "-"
