"""OpenTelemetry traces, over OTLP/HTTP: a span for each turn with its steps, one for each job.

A span is made from what was recorded, after the fact, so that a trace and a turn's row cannot
differ. Without an endpoint nothing is imported and nothing is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import coccinelle
from coccinelle.foundation import metrics
from coccinelle.foundation.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer
    from procrastinate import JobContext
    from procrastinate.middleware import AsyncCallNext
    from procrastinate.worker import Worker

TRACES_PATH = "/v1/traces"
EXPORT_SECONDS = 5

Attributes = Mapping[str, str | int | float | bool]

_state: dict[str, Tracer] = {}


@dataclass(frozen=True)
class Part:
    """A timed part of what is traced, in milliseconds from its start."""

    name: str
    started_ms: float
    duration_ms: float
    attributes: Attributes = field(default_factory=dict)


@contextmanager
def tracing(settings: Settings) -> Iterator[None]:
    """Send traces to `settings.otlp_endpoint` while the block runs; none set: do nothing.

    What is left is sent at its end, in five seconds or never.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    provider = _provider(settings.otlp_endpoint)
    _state["tracer"] = provider.get_tracer("coccinelle", coccinelle.__version__)
    try:
        yield
    finally:
        _state.clear()
        provider.shutdown()


def record(
    name: str,
    *,
    duration_ms: float,
    attributes: Attributes,
    parts: Sequence[Part] = (),
    failed: bool = False,
) -> None:
    """Make a span of what has just ended, and one below it for each of its parts.

    `attributes` hold ids, names that are ours and figures; never what people said.
    """
    tracer = _state.get("tracer")
    if tracer is None:
        return
    from opentelemetry.trace import Status, StatusCode, set_span_in_context  # noqa: PLC0415

    began_ns = time.time_ns() - round(duration_ms * 1e6)
    span = tracer.start_span(name, start_time=began_ns, attributes=dict(attributes))
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    below = set_span_in_context(span)
    for part in parts:
        start_ns = began_ns + round(part.started_ms * 1e6)
        child = tracer.start_span(part.name, below, start_time=start_ns, attributes=part.attributes)
        child.end(start_ns + round(part.duration_ms * 1e6))
    span.end(began_ns + round(duration_ms * 1e6))


async def watch_job(call_next: AsyncCallNext, context: JobContext, worker: Worker) -> Any:
    """Count, time and trace a job: middleware of the worker."""
    began = time.perf_counter()
    outcome = "failed"
    try:
        result = await call_next()
        outcome = "succeeded"
    finally:
        duration_ms = (time.perf_counter() - began) * 1000
        task = context.job.task_name
        metrics.JOBS.labels(task, outcome).inc()
        attributes = {"job.id": context.job.id or 0, "job.attempts": context.job.attempts}
        record(
            f"job {task}",
            duration_ms=duration_ms,
            attributes=attributes,
            failed=outcome == "failed",
        )
    return result


def _provider(endpoint: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    url = endpoint.rstrip("/")
    url = url if url.endswith(TRACES_PATH) else url + TRACES_PATH
    resource = Resource.create(
        {"service.name": "coccinelle", "service.version": coccinelle.__version__}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, schedule_delay_millis=1000, export_timeout_millis=EXPORT_SECONDS * 1000
        )
    )
    return provider
