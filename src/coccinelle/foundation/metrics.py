"""What an installation counts, in one place, each figure with its unit and meaning.

A figure is changed where the thing happens; `exposition` writes them all as Prometheus reads them.
No label holds what a customer or a tenant chose.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 8, 15, 45)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(namespace="coccinelle", registry=REGISTRY)

TURNS = Counter(
    "coccinelle_turns",
    "Turns recorded, by channel and by what they came to.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
TURN_SECONDS = Histogram(
    "coccinelle_turn_seconds",
    "Seconds from a message's arrival to the end of its turn.",
    ["channel"],
    buckets=SECONDS,
    registry=REGISTRY,
)
FIRST_TEXT_SECONDS = Histogram(
    "coccinelle_turn_first_text_seconds",
    "Seconds from a message's arrival to the first text of its answer.",
    ["channel"],
    buckets=SECONDS,
    registry=REGISTRY,
)
STEP_SECONDS = Histogram(
    "coccinelle_turn_step_seconds",
    "Seconds that a step of a turn took: admit, route, retrieve, generate, record.",
    ["step"],
    buckets=SECONDS,
    registry=REGISTRY,
)
MODEL_CALLS = Counter(
    "coccinelle_model_calls",
    "Requests to language models, failed ones included.",
    ["task", "model", "outcome"],
    registry=REGISTRY,
)
MODEL_TOKENS = Counter(
    "coccinelle_model_tokens",
    "Tokens read (prompt) and written (completion) by language models.",
    ["model", "direction"],
    registry=REGISTRY,
)
COST_MICROEUR = Counter(
    "coccinelle_cost_microeur",
    "What language models cost, in micro-euros, estimated where the provider does not say.",
    ["model"],
    registry=REGISTRY,
)
DATABASE_STATEMENTS = Counter(
    "coccinelle_database_statements",
    "SQL statements sent by this process.",
    registry=REGISTRY,
)
INGESTED_CHUNKS = Counter(
    "coccinelle_ingested_chunks",
    "Chunks of knowledge that were embedded and indexed.",
    registry=REGISTRY,
)
JOBS = Counter(
    "coccinelle_jobs",
    "Jobs that this process ran, by task and outcome: succeeded, failed.",
    ["task", "outcome"],
    registry=REGISTRY,
)
QUEUE_JOBS = Gauge(
    "coccinelle_queue_jobs",
    "Jobs that are due and wait for a worker.",
    registry=REGISTRY,
)
QUEUE_OLDEST_SECONDS = Gauge(
    "coccinelle_queue_oldest_seconds",
    "Seconds that the oldest of the jobs that are due has waited.",
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "coccinelle_http_requests",
    "Requests answered, by method, route and status; route is empty where there is none.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "coccinelle_http_request_seconds",
    "Seconds from a request's first byte to the last byte of its answer.",
    ["route"],
    buckets=SECONDS,
    registry=REGISTRY,
)
HEALTH = Gauge(
    "coccinelle_service_ok",
    "Whether a service that we need answered when it was last checked: 1 or 0.",
    ["service"],
    registry=REGISTRY,
)


def count_turn(
    *,
    channel: str,
    outcome: str,
    latency_ms: float,
    first_text_ms: float | None,
    steps: Iterable[tuple[str, float]],
) -> None:
    """Count a turn that has been recorded; `steps` are names and durations in milliseconds."""
    TURNS.labels(channel, outcome).inc()
    TURN_SECONDS.labels(channel).observe(latency_ms / 1000)
    if first_text_ms is not None:
        FIRST_TEXT_SECONDS.labels(channel).observe(first_text_ms / 1000)
    for step, duration_ms in steps:
        STEP_SECONDS.labels(step).observe(duration_ms / 1000)


def count_model_call(
    *,
    task: str,
    model: str,
    outcome: str,
    prompt_tokens: int,
    completion_tokens: int,
    cost_microeur: int,
) -> None:
    """Count one request to a language model, whatever came of it."""
    MODEL_CALLS.labels(task, model, outcome).inc()
    MODEL_TOKENS.labels(model, "prompt").inc(prompt_tokens)
    MODEL_TOKENS.labels(model, "completion").inc(completion_tokens)
    COST_MICROEUR.labels(model).inc(cost_microeur)


def exposition() -> bytes:
    """Every figure, in Prometheus's text format (`CONTENT_TYPE`)."""
    return generate_latest(REGISTRY)


Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class CountRequests:
    """ASGI middleware that counts and times every request by the route that took it."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _count(scope, status, time.perf_counter() - began)


def _count(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "")
    method = scope["method"] if scope["method"] in METHODS else "other"
    HTTP_REQUESTS.labels(method, route, str(status)).inc()
    HTTP_SECONDS.labels(route).observe(seconds)
