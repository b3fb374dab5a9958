"""Parse a file in a process of its own, which can be killed and takes nothing down with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL
from weakref import WeakKeyDictionary, finalize

from coccinelle.knowledge.parsing.detection import is_empty, is_named_page
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.wire import (
    Order,
    Request,
    decode_answer,
    encode_order,
    encode_request,
)

IDLE_SECONDS = 30.0
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
    read by another process, for this file only and within `limits`; this one holds the bytes and
    the result, no more. Cancelling kills that process.

    Raises:
        ParseFailed: the reason, in a `code`: `empty_file`, `unsupported_format`, `encrypted`,
            `unreadable_file`, `no_text`, `file_too_complex`, `file_too_long`, `too_many_pages`,
            `too_many_rows`, `too_many_columns` or `image_too_large`.
    """
    if is_empty(data):
        raise ParseFailed("empty_file")
    request = Request(filename, media_type, limits)
    answer = b""
    for _ in range(2):
        forks = _Forks.here()
        answer = await _read_by(forks, request, data)
        if answer or forks.live:
            break
    if not answer:
        raise ParseFailed("file_too_complex")  # Killed by a limit before it could say all of it.
    return decode_answer(answer)


async def _read_by(forks: _Forks, request: Request, data: bytes) -> bytes:
    """What a process that is forked for this file answers; nothing if it could not end that."""
    is_page = is_named_page(request.filename, request.media_type)
    number, line = forks.begin(is_page=is_page)
    try:
        async with asyncio.timeout(request.limits.wall_seconds):
            return await _converse(line, request, data)
    except TimeoutError as error:
        raise ParseFailed("file_too_complex") from error
    finally:
        forks.end(number)


class _Forks:
    """A process that has loaded the parsers and forks for each file; it never sees one itself.

    There is one an event loop, from its first file until none was read for `IDLE_SECONDS`. It also
    goes when this process does, however that ends.
    """

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        self._orders.setblocking(False)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own command
                _COMMAND,
                stdin=theirs.fileno(),
                stdout=DEVNULL,
                stderr=DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        self._go = finalize(self, _end, self._orders, process)
        self._last = 0
        self._reading: set[int] = set()

    @staticmethod
    def here() -> _Forks:
        """The one of the running loop; a new one if there is none or it was killed."""
        loop = asyncio.get_running_loop()
        found = _running.get(loop)
        if found is None or not found.live:
            found = _running[loop] = _Forks()
        return found

    @property
    def live(self) -> bool:
        """Whether somebody holds the other end of our orders."""
        try:
            return self._orders.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def begin(self, *, is_page: bool) -> tuple[int, socket.socket]:
        """A new process for a file: its number, and the connection to it."""
        self._last += 1
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            order = encode_order(Order(self._last, is_page))
            socket.send_fds(self._orders, [order], [theirs.fileno()])
        self._reading.add(self._last)
        return self._last, ours

    def end(self, number: int) -> None:
        """Have the process of a file gone, if it is not."""
        self._reading.remove(number)
        with contextlib.suppress(OSError):  # It is gone with all of them.
            self._orders.send(encode_order(Order(number)))
        if not self._reading:
            loop = asyncio.get_running_loop()
            loop.call_later(IDLE_SECONDS, self._retire, self._last)

    def _retire(self, last: int) -> None:
        if last != self._last or self._reading:
            return
        loop = asyncio.get_running_loop()
        if _running.get(loop) is self:
            del _running[loop]
        self._go()


def _end(orders: socket.socket, process: subprocess.Popen[bytes]) -> None:
    orders.close()
    process.kill()
    process.wait()


_running: WeakKeyDictionary[asyncio.AbstractEventLoop, _Forks] = WeakKeyDictionary()


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


async def _converse(line: socket.socket, request: Request, data: bytes) -> bytes:
    """Send the file, then read the answer: no more than the limits allow, and nothing if cut."""
    reader, writer = await asyncio.open_unix_connection(sock=line)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await _send(writer, encode_request(request), data)
        max_bytes = request.limits.chars * _ANSWER_BYTES_PER_CHAR + _SLICE_BYTES
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := await reader.read(_SLICE_BYTES):
                answer += part
                if len(answer) > max_bytes:
                    raise ParseFailed("file_too_long", max_chars=request.limits.chars)
        return bytes(answer) if answer.endswith(b"\n") else b""
    finally:
        writer.close()


async def _send(writer: asyncio.StreamWriter, header: bytes, data: bytes) -> None:
    writer.write(header)
    view = memoryview(data)
    for start in range(0, len(data), _SLICE_BYTES):
        writer.write(view[start : start + _SLICE_BYTES])
        await writer.drain()
    writer.write_eof()
