"""Traces: nothing without an endpoint; with one, a span a turn and its steps, over OTLP/HTTP."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from procrastinate import App, JobContext
from procrastinate.testing import InMemoryConnector

from coccinelle.foundation import tracing
from coccinelle.foundation.settings import Settings

Collected = list[tuple[str, Span]]


@pytest.fixture
def collector() -> Iterator[tuple[str, Collected]]:
    """A collector on loopback: its address, and the spans that it got, with their paths."""
    spans: Collected = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend((self.path, span) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()


def attributes(span: Span) -> dict[str, object]:
    return {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value")))
        for pair in span.attributes
    }


def test_a_turn_is_a_span_with_its_steps_below(collector: tuple[str, Collected]) -> None:
    endpoint, spans = collector
    with tracing.tracing(Settings.model_validate({"otlp_endpoint": endpoint})):
        tracing.record(
            "turn",
            duration_ms=900,
            attributes={"turn.id": "0190", "turn.outcome": "answered"},
            parts=[tracing.Part("admit", 0, 20), tracing.Part("generate", 300, 600)],
        )
    found = {span.name: span for _, span in spans}
    assert {path for path, _ in spans} == {"/v1/traces"}
    assert set(found) == {"turn", "admit", "generate"}
    turn, generate = found["turn"], found["generate"]
    assert generate.parent_span_id == turn.span_id
    assert generate.trace_id == turn.trace_id
    assert attributes(turn) == {"turn.id": "0190", "turn.outcome": "answered"}
    assert turn.end_time_unix_nano - turn.start_time_unix_nano == 900_000_000
    assert generate.start_time_unix_nano - turn.start_time_unix_nano == 300_000_000
    assert generate.end_time_unix_nano == turn.end_time_unix_nano


async def test_a_job_is_a_span_that_says_whether_it_failed(
    collector: tuple[str, Collected],
) -> None:
    endpoint, spans = collector
    app = App(connector=InMemoryConnector())

    @app.task(name="good")
    async def good() -> None:
        """A job that ends well."""

    @app.task(name="bad", pass_context=True)
    async def bad(context: JobContext) -> None:
        raise ValueError

    with tracing.tracing(Settings.model_validate({"otlp_endpoint": endpoint})):
        async with app.open_async():
            await good.defer_async()
            await bad.defer_async()
            await app.run_worker_async(
                wait=False, worker_middleware=[tracing.watch_job], install_signal_handlers=False
            )
    found = {span.name: span for _, span in spans}
    assert set(found) == {"job good", "job bad"}
    assert found["job bad"].status.code == 2
    assert found["job good"].status.code == 0


def test_without_an_endpoint_nothing_is_loaded_and_nothing_is_made() -> None:
    program = (
        "import sys\n"
        "from coccinelle.foundation import tracing\n"
        "from coccinelle.foundation.settings import Settings\n"
        "with tracing.tracing(Settings()):\n"
        "    tracing.record('turn', duration_ms=1, attributes={})\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_collector_that_is_gone_stops_nobody() -> None:
    with tracing.tracing(Settings.model_validate({"otlp_endpoint": "http://127.0.0.1:9"})):
        tracing.record("turn", duration_ms=1, attributes={})
