"""Logs: one line each, known fields only, and nothing that people said."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from coccinelle.foundation import telemetry
from coccinelle.foundation.settings import Settings

SOURCE = Path(telemetry.__file__).parents[1]
CANARIES = (
    "lea.canari@example.com",
    "06 12 34 56 78",
    "FR76 3000 6000 0112 3456 7890 189",
    "ck_canari0123456789abcdef",
    "sk-or-v1-canari0123456789",
)
SAID = f"Bonjour, je suis {CANARIES[0]}, {', '.join(CANARIES[1:])}"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(**settings: object) -> io.StringIO:
    out = io.StringIO()
    telemetry.configure(Settings.model_validate({"log_level": "debug", **settings}), out)
    return out


async def soak() -> None:
    """What a turn that goes wrong does to the logs, said by us and by libraries."""
    log = structlog.get_logger("turn")
    structlog.contextvars.bind_contextvars(turn_id="0190", message=SAID)
    log.info(
        "turn_recorded", outcome="answered", pii={"text": SAID}, text=SAID, user_id=CANARIES[0]
    )
    for name in ("asyncio", "httpx2", "procrastinate.worker", "openai", "python_multipart"):
        logging.getLogger(name).error("sent %s", SAID, extra={"job": {"id": 7, "task_name": "t"}})
    try:
        try:
            raise KeyError(SAID)
        except KeyError as error:
            raise ValueError(SAID) from error
    except ValueError:
        log.exception("turn_failed", code="internal")
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    structlog.contextvars.clear_contextvars()
    await asyncio.sleep(0)


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_nothing_that_people_said_reaches_a_log(log_format: str) -> None:
    out = configured(log_format=log_format)
    await soak()
    written = out.getvalue()
    assert "turn_recorded" in written
    assert "turn_failed" in written
    assert "ValueError" in written
    assert [canary for canary in CANARIES if canary in written] == []
    assert "canari" not in written


async def test_what_people_said_is_logged_when_the_operator_asks_for_it() -> None:
    out = configured(log_format="json", log_pii=True)
    await soak()
    first = json.loads(out.getvalue().splitlines()[0])
    assert first["pii"] == {"text": SAID}
    assert first["dropped_fields"] == 3


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_value_can_start_a_line_of_its_own(log_format: str) -> None:
    out = configured(log_format=log_format)
    forged = 'x\r\n2026 error forged=1\u2028\x1b[2K\u202e"\ud800'
    structlog.get_logger().warning("noted", code=forged, agents=[forged])
    logging.getLogger("uvicorn.error").warning("Invalid request: %s", forged)
    written = out.getvalue()
    assert len(written.splitlines()) == 2
    assert written.replace("\n", "").isprintable()
    assert written.encode("utf-8")


def test_a_json_line_gives_its_values_back() -> None:
    out = configured(log_format="json")
    structlog.get_logger().warning("noted", code="été\n\u2028", count=3, latency_ms=1.5)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["code"]) == ("noted", "warning", "été\n\u2028")
    assert (line["count"], line["latency_ms"]) == (3, 1.5)


def test_lines_below_the_level_are_not_written() -> None:
    out = configured(log_level="warning")
    structlog.get_logger().info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    assert out.getvalue() == ""


def test_a_job_is_named_in_the_libraries_own_lines() -> None:
    out = configured(log_format="json")
    extra = {"action": "job_error", "job": {"id": 12, "task_name": "ingest_source"}}
    logging.getLogger("procrastinate.worker").error("Job %s", SAID, extra=extra)
    line = json.loads(out.getvalue())
    assert (line["event"], line["job_id"], line["task"]) == ("jobs_job_error", 12, "ingest_source")


LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if (
                isinstance(called, ast.Attribute)
                and isinstance(called.value, ast.Name)
                and called.value.id == "log"
                and called.attr in LEVELS
            ):
                assert isinstance(node, ast.Call)
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_every_line_of_ours_has_a_fixed_name_and_known_fields() -> None:
    allowed = telemetry.FIELDS | {"pii", "exc_info"}
    calls = list(log_calls())
    assert calls
    for place, call in calls:
        assert isinstance(call.args[0], ast.Constant), place
        assert len(call.args) == 1, place
        assert {word.arg for word in call.keywords} <= allowed, place
