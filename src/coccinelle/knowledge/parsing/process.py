"""Parse a file in a child process that can be killed, and that takes nothing down with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from coccinelle.knowledge.parsing.detection import is_empty
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.wire import Request, decode_answer, encode_request

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])
_COMMAND = (sys.executable, "-P", "-m", "coccinelle.knowledge.parsing.child")
_SLICE_BYTES = 256 * 1024
# JSON in UTF-8 of a text of `limits.chars`, with a heading path beside each table row.
_ANSWER_BYTES_PER_CHAR = 8


async def parse(
    data: bytes, *, filename: str, media_type: str | None, limits: ParseLimits
) -> Parsed:
    """The sections of a PDF, DOCX, XLSX, XLS, CSV, HTML, Markdown, text, PNG or JPEG file.

    The kind is taken from the content, then from the name, then from `media_type`. The file is
    read by another process, within `limits`; this one holds the bytes and the result, no more.
    Cancelling kills that process.

    Raises:
        ParseFailed: the reason, in a `code`: `empty_file`, `unsupported_format`, `encrypted`,
            `unreadable_file`, `no_text`, `file_too_complex`, `file_too_long`, `too_many_pages`,
            `too_many_rows`, `too_many_columns` or `image_too_large`.
    """
    if is_empty(data):
        raise ParseFailed("empty_file")
    request = Request(filename, media_type, limits)
    child = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=_environment(),
        start_new_session=True,  # uvloop knows no process_group
    )
    try:
        async with asyncio.timeout(limits.wall_seconds):
            answer = await _converse(child, request, data)
    except TimeoutError as error:
        raise ParseFailed("file_too_complex") from error
    finally:
        _kill(child)
        await asyncio.shield(child.wait())
    if not answer:
        raise ParseFailed("file_too_complex")  # Killed by a limit before it could say anything.
    return decode_answer(answer)


def _environment() -> dict[str, str]:
    """What Python and the numeric libraries need, and nothing that the server knows."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": _PACKAGE_ROOT,
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


async def _converse(child: Process, request: Request, data: bytes) -> bytes:
    """Send the file, then read the answer: no more than the limits allow."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the parsing child has no pipes")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await _send(child.stdin, encode_request(request), data)
    max_bytes = request.limits.chars * _ANSWER_BYTES_PER_CHAR + _SLICE_BYTES
    answer = bytearray()
    while part := await child.stdout.read(_SLICE_BYTES):
        answer += part
        if len(answer) > max_bytes:
            raise ParseFailed("file_too_long", max_chars=request.limits.chars)
    return bytes(answer) if await child.wait() == 0 else b""


async def _send(stdin: asyncio.StreamWriter, header: bytes, data: bytes) -> None:
    stdin.write(header)
    view = memoryview(data)
    for start in range(0, len(data), _SLICE_BYTES):
        stdin.write(view[start : start + _SLICE_BYTES])
        await stdin.drain()
    stdin.close()
    await stdin.wait_closed()


def _kill(child: Process) -> None:
    """The child leads its own session and process group, so whatever it started goes with it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
