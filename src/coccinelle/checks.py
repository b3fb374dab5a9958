"""The questions that health asks of what we depend on."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx2
from procrastinate import App

from coccinelle.foundation import metrics
from coccinelle.foundation.database import Database
from coccinelle.foundation.health import Check, Down
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.model import Endpoint
from coccinelle.providers.rerank.model import Reranker

WORKER_SILENT_SECONDS = 12
LONGEST_WAIT_SECONDS = 900

_QUEUE = (
    "SELECT count(j.id) AS waiting, coalesce(extract(epoch FROM now() - min("
    "  coalesce(j.scheduled_at, (SELECT e.at FROM procrastinate_events e WHERE e.job_id = j.id"
    "   AND e.type = 'deferred' ORDER BY e.id LIMIT 1)))), 0)::float8 AS oldest_seconds,"
    " (SELECT count(*) FROM procrastinate_workers"
    "  WHERE last_heartbeat > now() - %(silent)s * interval '1 second') AS workers"
    " FROM procrastinate_jobs j"
    " WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())"
)


def database(db: Database) -> Check:
    """A statement is answered."""

    async def check() -> None:
        await db.ping()

    return check


def queue(app: App) -> Check:
    """A worker lives, and no job that is due waits for more than a quarter of an hour."""

    async def check() -> str | None:
        row: dict[str, Any] = await app.connector.execute_query_one_async(
            _QUEUE, silent=WORKER_SILENT_SECONDS
        )
        metrics.QUEUE_JOBS.set(row["waiting"])
        metrics.QUEUE_OLDEST_SECONDS.set(row["oldest_seconds"])
        waits = f"{row['waiting']} waiting, the oldest for {row['oldest_seconds']:.0f} s"
        if row["workers"] == 0:
            raise Down(f"no worker; {waits}")
        if row["oldest_seconds"] > LONGEST_WAIT_SECONDS:
            raise Down(waits)
        return waits if row["waiting"] else None

    return check


def language_model(
    endpoint: Endpoint | None,
    models: Sequence[str],
    states: Callable[[], Mapping[str, str]],
    client: httpx2.AsyncClient,
) -> Check:
    """The endpoint answers, takes our key, and not all of `models` are shut off by their breakers.

    Without models answers are quotes of the documents, which cannot be down.

    Args:
        states: of the breakers, by `endpoint/model` and `endpoint (key)`.
    """

    async def check() -> str | None:
        if endpoint is None or not models:
            return "offline composer"
        await _reach(endpoint, client)
        found = states()
        if any(state == "open" for name, state in found.items() if name.endswith(" (key)")):
            raise Down("the key was refused")
        shut = [m for m in models if _is_shut(m, found)]
        if len(shut) == len(models):
            raise Down(f"breaker open: {', '.join(shut)}")
        return None

    return check


def _is_shut(model: str, states: Mapping[str, str]) -> bool:
    return any(state == "open" for name, state in states.items() if name.endswith(f"/{model}"))


async def _reach(endpoint: Endpoint, client: httpx2.AsyncClient) -> None:
    """Ask for the list of models, which costs nothing; that it has none is an answer too."""
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    try:
        answer = await client.get(f"{endpoint.base_url.rstrip('/')}/models", headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Down("unreachable") from error
    if answer.status_code >= 500 or answer.status_code in (401, 402, 403, 429):
        raise Down(f"HTTP {answer.status_code}")


def embeddings(embedder: Embedder) -> Check:
    """A word that was not asked before gets a vector."""
    counter = itertools.count()

    async def check() -> None:
        await embedder.embed_queries([f"santé {next(counter)}"])

    return check


def rerank(reranker: Reranker | None) -> Check:
    """Two words are put in an order; without a reranker the fused order stands."""

    async def check() -> str | None:
        if reranker is None:
            return "fused order"
        await reranker.rerank("bonjour", ["bonjour", "merci"], 1)
        return None

    return check


def demo(is_searchable: Callable[[], Awaitable[bool]]) -> Check:
    """The demo is loaded, and finds something; once it does, it is not asked again."""
    found = False

    async def check() -> None:
        nonlocal found
        found = found or await is_searchable()
        if not found:
            raise Down("being loaded")

    return check
