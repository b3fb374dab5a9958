"""Log lines: a fixed name and known fields, one line each, ours and our libraries' alike.

What people said is only ever under `pii`, which is dropped unless `log_pii` is set. A field that
nobody put on the list below is dropped too, so that a careless call leaks nothing.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any, TextIO

import structlog

from coccinelle.foundation.clock import now, rfc3339
from coccinelle.foundation.settings import Settings

Fields = MutableMapping[str, Any]

# fmt: off
FIELDS = frozenset({
    "agent", "agents", "attempts", "bytes", "channel", "chunks", "code", "component",
    "cost_microeur", "count", "duration_ms", "first_text_ms", "generation", "handoff_id", "host",
    "job_id", "latency_ms", "link", "method", "migration", "model", "outcome", "pages", "port",
    "provider", "request_id", "route", "seconds", "service", "source_id", "state", "status", "step",
    "task", "tenant_id", "tokens", "turn_id", "variant", "version",
})
# fmt: on
"""All that a log line may say besides its name: our ids, figures, and words that are ours.

`link` proves a mailbox: it is logged only where no mail server is there to carry it.
"""

MAX_VALUE_CHARS = 300
MAX_FRAMES = 12

# Whose messages hold nothing but their own words. Of any other library we log where, not what.
_PLAIN_SPOKEN = ("uvicorn.error", "psycopg.pool", "opentelemetry")
_NOISY = ("httpx2", "httpcore2", "procrastinate", "uvicorn.error")


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """From here on every line of this process goes to `stream` (stderr), as `settings` say."""
    out = stream or sys.stderr
    level = settings.log_level.upper()
    line = Line(as_json=settings.log_format == "json", pii=settings.log_pii)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    bridge = _Bridge(line, out)
    logging.basicConfig(handlers=[bridge], level=level, force=True)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class Line:
    """The last step of a log call: from fields to the text that is written."""

    def __init__(self, *, as_json: bool, pii: bool) -> None:
        self._as_json = as_json
        self._pii = pii

    def __call__(self, logger: object, method: str, said: Fields) -> str:
        """One line without its end, whatever the values hold."""
        known = self._known(said)
        return _json(known) if self._as_json else _text(known)

    def _known(self, said: Fields) -> dict[str, object]:
        head = {"timestamp": rfc3339(now()), "level": said.pop("level", "info")}
        known: dict[str, object] = {**head, "event": str(said.pop("event", ""))}
        pii = dict(said.pop("pii", None) or {})
        thrown = _thrown(said.pop("exc_info", None))
        if thrown is not None:
            known["exception"] = _places(thrown)
            pii["exception"] = str(thrown)
        known |= {name: _short(value) for name, value in said.items() if name in FIELDS}
        dropped = len(said.keys() - FIELDS)
        if dropped:
            known["dropped_fields"] = dropped
        if self._pii and pii:
            known["pii"] = {name: _short(value) for name, value in pii.items()}
        return known


class _Bridge(logging.Handler):
    """Writes what libraries log in the same form, by the same rule."""

    def __init__(self, line: Line, out: TextIO) -> None:
        super().__init__()
        self._line = line
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = _said_by_library(record)
            self._out.write(self._line(None, record.levelname, said) + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A log that cannot be written must not stop the work, nor print what it held."""


def _said_by_library(record: logging.LogRecord) -> Fields:
    said: dict[str, Any] = {"level": record.levelname.lower(), "exc_info": record.exc_info}
    said["component"] = f"{record.name}:{record.lineno}"
    if record.name.startswith("procrastinate"):
        job = getattr(record, "job", None) or {}
        said["event"] = f"jobs_{getattr(record, 'action', 'note')}"
        said |= {"job_id": job["id"], "task": job["task_name"]} if job else {}
        said["pii"] = {"message": record.getMessage()}
    elif record.name.startswith(_PLAIN_SPOKEN):
        said["event"] = record.getMessage()
    else:
        said |= {"event": "library_note", "pii": {"message": record.getMessage()}}
    return said


def _thrown(exc_info: object) -> BaseException | None:
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return exc_info if isinstance(exc_info, BaseException) else None


def _places(thrown: BaseException | None) -> list[str]:
    """The exception and its causes by type and place; their messages may quote what people said."""
    places: list[str] = []
    while thrown is not None and len(places) < MAX_FRAMES:
        places.append(f"{type(thrown).__module__}.{type(thrown).__qualname__}")
        places += _frames(thrown.__traceback__)
        thrown = thrown.__cause__ or thrown.__context__
    return places


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = extract_tb(traceback)[-MAX_FRAMES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _short(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_short(item) for item in list(value)[:20]]
    text = str(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"


def _json(known: object) -> str:
    """JSON in which no character ends the line or moves a terminal's cursor."""
    text = json.dumps(known, ensure_ascii=False, default=str)
    return text if text.isprintable() else "".join(map(_escaped, text))


def _text(known: dict[str, object]) -> str:
    head = f"{known.pop('timestamp')} {known.pop('level'):<8}{_word(known.pop('event'))}"
    return " ".join([head, *(f"{name}={_word(value)}" for name, value in known.items())])


def _word(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and '"' not in value:
        return value
    return _json(value)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
