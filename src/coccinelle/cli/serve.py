"""`coccinelle serve`: the database, the HTTP server, the jobs and the demo, in one process."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coccinelle.cli import ground
from coccinelle.cli.words import FAILED, Refused, note, refusal, say

if TYPE_CHECKING:
    from types import FrameType

    from coccinelle.foundation.settings import Settings

PORTS_TRIED = 100


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(
        help=say(
            "Servir : base de données, HTTP et tâches de fond. Ctrl-C arrête tout.",
            "Serve: database, HTTP and background jobs. Ctrl-C stops all of it.",
        )
    )(serve)


def serve(
    host: Annotated[
        str, typer.Option(help=say("Adresse d'écoute.", "Address to listen on."))
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help=say("Port d'écoute.", "Port to listen on."))
    ] = 8000,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help=say("Charger la démonstration si besoin.", "Load the demo if need be.")
        ),
    ] = False,
) -> None:
    """Exits 2 before anything is started when the port is taken, and 0 once stopped."""
    with _listening(host, port) as listener:
        settings = ground.prepared(quiet=False)
        try:
            _run(settings, listener, demo=demo)
        except KeyboardInterrupt:
            note(say("Arrêté avant d'avoir démarré.", "Stopped before it had started."))


def _listening(host: str, port: int) -> socket.socket:
    """A socket that has the port: whoever comes now waits until we answer."""
    with contextlib.suppress(OSError):
        return _bound(host, port)
    free = next((p for p in range(port + 1, port + PORTS_TRIED) if _is_free(host, p)), None)
    if free is None:
        raise refusal(
            f"On ne peut pas écouter sur {host}:{port}.", f"We cannot listen on {host}:{port}."
        )
    raise refusal(
        f"Le port {port} est déjà pris. Essayez : make run PORT={free}"
        f" (ou coccinelle serve --port {free}).",
        f"Port {port} is taken. Try: make run PORT={free} (or coccinelle serve --port {free}).",
    )


def _is_free(host: str, port: int) -> bool:
    try:
        _bound(host, port).close()
    except (OSError, OverflowError):
        return False
    return True


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _run(settings: Settings, listener: socket.socket, *, demo: bool) -> None:
    import asyncio

    import uvloop

    from coccinelle.foundation.tracing import tracing

    with contextlib.ExitStack() as stack:
        stack.enter_context(tracing(settings))
        with _signals_later(), _importing():
            addresses = stack.enter_context(ground.database(settings, quiet=False))
        from coccinelle.cli.server import run_server

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            has_started = runner.run(run_server(settings, addresses, listener, demo=demo))
        # What is left, PostgreSQL above all, is not to be hurried.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not has_started:
        raise Refused(say("Le serveur n'a pas démarré.", "The server did not start."), FAILED)
    note(say("Arrêté.", "Stopped."))


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Hold a Ctrl-C or SIGTERM back until the block ends; a second one interrupts it.

    After one, no other is heeded: what is left is to stop PostgreSQL, which is not to be hurried.

    Raised between two lines of an import, the interrupt would leave the interpreter's import lock
    taken, and a thread that imports would wait for it for ever.

    Raises:
        KeyboardInterrupt: one came, whatever else the block raised: the signal may be the cause.
    """
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # As for a job that a shell put in the background.
        signal.signal(signal.SIGINT, hold)
    signal.signal(signal.SIGTERM, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if came else before)
        signal.signal(signal.SIGTERM, signal.SIG_IGN if came else signal.default_int_handler)
        if came:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """Import the server, a second of work, while PostgreSQL starts beside us."""
    import importlib
    import threading

    # What starts the database is imported before, so that no two threads import the same.
    for name in ("migrate", "postgres", "embedded"):
        importlib.import_module(f"coccinelle.foundation.{name}")
    thread = threading.Thread(target=importlib.import_module, args=("coccinelle.cli.server",))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def command_line(*arguments: str) -> str:
    """How to type another of our commands in this user's shell."""
    program = Path(sys.argv[0])
    here = Path.cwd()
    if program.name != "coccinelle" or program == Path("coccinelle"):
        name = "coccinelle"
    elif program.is_absolute() and program.is_relative_to(here):
        name = os.path.relpath(program, here)
    else:
        name = str(program)
    return shlex.join([name, *arguments])
