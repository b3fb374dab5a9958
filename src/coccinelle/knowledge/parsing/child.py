"""The process that parsing needs once: it loads what parsers need, and forks for each file.

It never sees a byte of a file. Who reads one is a process of its own, which limits itself, reads
its connection to the end, answers there, and is gone: what a file does to it nobody inherits.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import socket

from coccinelle.knowledge.parsing.limiting import confine
from coccinelle.knowledge.parsing.model import ParseFailed
from coccinelle.knowledge.parsing.reading import read
from coccinelle.knowledge.parsing.wire import (
    ORDER_BYTES,
    Request,
    decode_order,
    decode_request,
    encode_crash,
    encode_failure,
    encode_parsed,
)

_NICENESS = 10
# Slow to load, and what most files are; none of them starts a thread, which a fork would lose.
_NEEDED_BY_PAGES = ("coccinelle.knowledge.parsing.html", "trafilatura")


def main() -> None:
    """Obey the socket that is our standard input until its other end is closed."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reading: dict[int, int] = {}
    with socket.socket(fileno=0) as orders:
        while True:
            said, files, _, _ = socket.recv_fds(orders, ORDER_BYTES, 1)
            _forget_ended(reading)
            if not said:
                break
            order = decode_order(said)
            if files:
                reading[order.number] = _begin(files[0], orders, is_page=order.is_page)
            elif order.number in reading:
                _kill(reading[order.number])
    for process in reading.values():
        _kill(process)


def _begin(file: int, orders: socket.socket, *, is_page: bool) -> int:
    """Fork for one file; the process that reads it."""
    if is_page:
        for name in _NEEDED_BY_PAGES:
            with contextlib.suppress(ImportError):  # Whoever reads the file says so.
                importlib.import_module(name)
    process = os.fork()
    if process:
        os.close(file)
        return process
    orders.close()
    try:
        os.setsid()
        _read_one(socket.socket(fileno=file))
    finally:
        os._exit(1)


def _read_one(line: socket.socket) -> None:
    with line.makefile("rb") as asked:
        request = decode_request(asked.readline())
        confine(request.limits)
        answer = _answer(request, asked.read())
    line.sendall(answer)
    line.sendall(b"\n")
    os._exit(0)


def _answer(request: Request, data: bytes) -> bytes:
    try:
        parsed = read(data, request.filename, request.media_type, request.limits)
        return encode_parsed(parsed)
    except ParseFailed as failure:
        return encode_failure(failure)
    except MemoryError:
        return encode_failure(ParseFailed("file_too_complex"))
    except ImportError as error:
        return encode_crash(error)


def _forget_ended(reading: dict[int, int]) -> None:
    """Only what was not waited for may be killed: until then its number is nobody else's."""
    for number, process in list(reading.items()):
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            del reading[number]


def _kill(process: int) -> None:
    """It leads its own session and process group, so whatever it started goes with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
