"""Commands run inside this process: what they print and exit with, and no Python to start."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from unittest import mock

import pytest
import structlog

from coccinelle.cli.main import main


def typed(
    *arguments: str, environment: Mapping[str, str], said: str = ""
) -> subprocess.CompletedProcess[str]:
    """`coccinelle` with these arguments, as its own process would print and end.

    `said` is all that there is on its standard input. Help is in the language of this process. What
    would be a traceback is raised.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["coccinelle", *arguments]),
        _said(said),
        _logs_restored(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = _ended()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def _ended() -> int:
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@contextlib.contextmanager
def _said(text: str) -> Iterator[None]:
    """Have standard input, and the file below it, hold this text and no more."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        file.write(text)
        file.seek(0)
        kept = os.dup(0)
        os.dup2(file.fileno(), 0)
        try:
            with mock.patch.object(sys, "stdin", io.StringIO(text)):
                yield
        finally:
            os.dup2(kept, 0)
            os.close(kept)


@contextlib.contextmanager
def _logs_restored() -> Iterator[None]:
    """A command has all log lines of its process; here it gives them back at its end."""
    root, noted = logging.getLogger(), structlog.get_config()
    handlers, levels = root.handlers[:], {name: one.level for name, one in _loggers()}
    try:
        yield
    finally:
        structlog.configure(**noted)
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        for name, one in _loggers():
            one.setLevel(levels.get(name, logging.NOTSET))


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    root = logging.getLogger()
    yield "", root
    for name, one in root.manager.loggerDict.items():
        if isinstance(one, logging.Logger):
            yield name, one
