"""`coccinelle ingest`, `search` and `gaps`: what a business knows, finds, and lacks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.progress import progress
from coccinelle.cli.words import FAILED, counted, explained, note, plain, say

if TYPE_CHECKING:
    from coccinelle.foundation.database import Database
    from coccinelle.house import House
    from coccinelle.knowledge.model import Gap
    from coccinelle.knowledge.paths import Ingested
    from coccinelle.knowledge.search import Passage

SNIPPET_CHARS = 300
MAYBE_PRIVATE = {"bad_address", "address_unreachable"}

gaps = typer.Typer(
    help=say("Les questions restées sans réponse.", "Questions without an answer."),
    no_args_is_help=True,
)


@gaps.callback()
def _group() -> None:
    """Keeps `list` a command of its own."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        help=say(
            "Ajouter des fichiers, des dossiers ou des adresses à ce que sait une entreprise.",
            "Add files, folders or addresses to what a tenant knows.",
        )
    )(ingest)
    app.command(
        help=say(
            "Chercher comme le fait l'assistant, avec tous les scores.",
            "Search as the assistant does, with every score.",
        )
    )(search)
    app.add_typer(gaps, name="gaps")


def ingest(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|URL...",
            help=say("Fichiers, dossiers, adresses.", "Files, folders, addresses."),
        ),
    ],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            help=say(
                "Agent qui s'en servira (répétable) ; aucun : tous.",
                "Agent that may use it (repeatable); none: all.",
            )
        ),
    ] = None,
) -> None:
    """Each one now; a changed file replaces the one of its name. Exits 1 if one failed."""

    async def work(house: House) -> list[Ingested]:
        from coccinelle.knowledge.paths import ingest_paths

        found = await ground.chosen(house.db, tenant)
        done = []
        with progress(say("passage", "chunk")) as told:
            async for one in ingest_paths(
                house,
                found.id,
                targets,
                agents=agent or [],
                max_bytes=house.settings.upload_body_bytes,
                told=told,
            ):
                done.append(one)
        return done

    done = ground.with_house(work)
    for one in done:
        typer.echo("\t".join(_outcome(one)))
    note(_summary(done))
    if any(one.failure and one.failure.code in MAYBE_PRIVATE for one in done):
        note(_private_hint())
    if any(one.failure for one in done):
        raise typer.Exit(FAILED)


def _outcome(one: Ingested) -> tuple[str, str, str]:
    name = plain(one.name)
    if one.failure is not None:
        said = explained(one.failure)
        return say("échec", "failed"), name, str(said or one.failure)
    state = {
        "added": say("ajouté", "added"),
        "replaced": say("remplacé", "replaced"),
        "read_again": say("relu", "read again"),
        "known": say("déjà connu", "known already"),
    }[one.became]
    return state, name, passages(one.source.chunks_total if one.source else 0)


def _summary(done: list[Ingested]) -> str:
    """How many of each outcome; of those that did not happen, only the additions are said."""
    became = Counter("failed" if one.failure else one.became for one in done)
    told = {
        "added": counted(became["added"], fr=("ajouté", "ajoutés"), en=("added", "added")),
        "replaced": counted(
            became["replaced"], fr=("remplacé", "remplacés"), en=("replaced", "replaced")
        ),
        "read_again": counted(
            became["read_again"], fr=("relu", "relus"), en=("read again", "read again")
        ),
        "known": counted(
            became["known"],
            fr=("déjà connu", "déjà connus"),
            en=("known already", "known already"),
        ),
        "failed": counted(became["failed"], fr=("en échec",) * 2, en=("failed",) * 2),
    }
    read = [one for one in done if one.source and not one.failure and one.became != "known"]
    chunks = sum(one.source.chunks_total for one in read if one.source)
    parts = [words for state, words in told.items() if became[state] or state == "added"]
    said = ", ".join(parts)
    return say(f"{said} ; {passages(chunks)}.", f"{said}; {passages(chunks)}.")


def _private_hint() -> str:
    return say(
        "Les adresses privées et les ports autres que 80 et 443 sont refusés, sauf ceux que nomme"
        " COCCINELLE_UPSTREAM_ALLOW=hôte:port.",
        "Private addresses, and ports other than 80 and 443, are refused unless"
        " COCCINELLE_UPSTREAM_ALLOW=host:port names them.",
    )


def passages(count: int) -> str:
    """That many passages, in words."""
    return counted(count, fr=("passage", "passages"), en=("chunk", "chunks"))


def search(
    question: Annotated[str, typer.Argument(help=say("La question.", "The question."))],
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    agent: Annotated[
        str | None,
        typer.Option(help=say("Ce que voit cet agent ; aucun : tout.", "As this agent sees it.")),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help=ground.LIMIT_HELP)] = 6,
) -> None:
    """Passages, best first; those below the tenant's threshold would not be answered from."""

    async def work(house: House) -> tuple[list[Passage], float]:
        return await _found(house, question, tenant, agent, limit)

    passages, threshold = ground.with_house(work)
    for rank, passage in enumerate(passages, start=1):
        typer.echo(_shown(rank, passage, threshold))
    if not passages:
        note(say("Rien trouvé.", "Nothing found."))


async def _found(
    house: House, question: str, tenant: str | None, agent: str | None, limit: int
) -> tuple[list[Passage], float]:
    from coccinelle.knowledge import actions, store
    from coccinelle.knowledge import search as knowledge
    from coccinelle.knowledge.calibration import DEFAULT_THRESHOLD

    found = await ground.chosen(house.db, tenant)
    vector = (await house.embedder.embed_queries([question]))[0]
    async with house.db.tenant(found.id) as tx:
        comparable = await store.has_vectors_of(tx, model=house.embedder.model)
        agent_id = (await actions.agents_of(tx, [agent]))[0] if agent else None
        known = await store.threshold(tx)
        passages = await knowledge.search(
            tx,
            question=question,
            vector=vector if comparable else None,
            agent_id=agent_id,
            limit=limit,
        )
    if house.reranker is not None:
        passages = await knowledge.reranked(house.reranker, question, passages, limit)
    return passages, known.answer_threshold if known else DEFAULT_THRESHOLD


def _shown(rank: int, passage: Passage, threshold: float) -> str:
    heading = " > ".join(part for part in (passage.title, passage.heading) if part)
    below = passage.answer_score < threshold
    verdict = say("sous le seuil", "below the threshold") if below else say("répond", "answers")
    scores = (
        f"score {passage.score:.3f}  dense {_figure(passage.dense)}"
        f"  question {_figure(passage.question_dense)}  bm25 {passage.bm25:.2f}"
        f"  {say('couverture', 'coverage')} {passage.coverage:.2f}"
        f"  {say('réponse', 'answer')} {passage.answer_score:.3f} ({verdict} {threshold:.2f})"
    )
    text = " ".join(plain(passage.text).split())
    text = text if len(text) <= SNIPPET_CHARS else text[:SNIPPET_CHARS] + "…"
    return f"{rank}. {plain(heading)}\n   {scores}\n   {text}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@gaps.command("list", help=say("Lister, récentes d'abord.", "List, the latest first."))
def list_gaps(
    tenant: Annotated[str | None, typer.Option(help=ground.TENANT_HELP)] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help=ground.LIMIT_HELP)] = 50,
) -> None:
    """One a line: when last, how often, best score, question."""

    async def work(db: Database) -> list[Gap]:
        from coccinelle.knowledge import gaps

        found = await ground.chosen(db, tenant)
        async with db.tenant(found.id) as tx:
            return (await gaps.listed(tx, limit=limit))[0]

    from coccinelle.foundation.clock import rfc3339

    for gap in ground.with_database(work):
        question = " ".join(plain(gap.question).split())
        columns = (rfc3339(gap.last_asked_at), str(gap.asked_count), _figure(gap.best_score))
        typer.echo("\t".join((*columns, question)))
