"""The processes of a benchmark: PostgreSQL, providers, servers, clients; and what they cost."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.embedded import EmbeddedPostgres

START_SECONDS = 60
STOP_SECONDS = 40
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@dataclass(frozen=True)
class Ground:
    """A data folder of its own, with its database: up, migrated, and whose it is."""

    data: Path
    server: EmbeddedPostgres
    addresses: postgres.Addresses

    @property
    def postmaster(self) -> int:
        """Process id of PostgreSQL's first process."""
        lines = (self.server.location / "data" / "postmaster.pid").read_text().splitlines()
        return int(lines[0])

    @property
    def superuser(self) -> str:
        """The database's address as the one who may see all."""
        return self.server.dsn(database=postgres.NAME)


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """A new database in a temporary folder, gone afterwards."""
    with folder() as data:
        server = EmbeddedPostgres(data / "postgres")
        server.start()
        try:
            addresses = postgres.provision(server)
            migrate.migrate(addresses.owner)
            postgres.let_login_serve(addresses)
            yield Ground(data, server, addresses)
        finally:
            server.stop()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own account may pass through."""
    with tempfile.TemporaryDirectory(prefix="coccinelle-bench-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@dataclass(frozen=True)
class Server:
    """A running `coccinelle serve`."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def metric(self, name: str) -> float:
        """A figure of /metrics that has no labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"no metric {name}"
        return float(found[1])

    def rss_mb(self) -> float:
        """Memory that the process has in RAM, as the kernel counts it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) / 1024


@contextlib.contextmanager
def serving(
    data: Path,
    environment: Mapping[str, str],
    *,
    module: Sequence[str] = ("coccinelle.cli.main",),
    options: Sequence[str] = (),
) -> Iterator[Server]:
    """A server process that answers, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", *module, "serve", "--port", str(port), *options]
    with (data / f"serve-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment_for(data, environment), stdout=log, stderr=log
        )
    try:
        server = Server(process, port)
        try:
            await_healthy(server)
        except NotStarted as error:
            said = (data / f"serve-{port}.log").read_text(encoding="utf-8", errors="replace")
            raise NotStarted(said[-2_000:]) from error
        yield server
    finally:
        stop(process)


class NotStarted(RuntimeError):
    """A server ended before it answered, or did not answer in time."""


def environment_for(data: Path, more: Mapping[str, str]) -> dict[str, str]:
    """What a server process is started with: nothing of this shell's settings reaches it."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("COCCINELLE_", "OPENROUTER"))}
    ours.pop("DATABASE_URL", None)
    return {**ours, **ONE_THREAD, "COCCINELLE_DATA": str(data), **more}


def await_healthy(server: Server, path: str = "/ready") -> float:
    """Ask until it answers 200; the seconds that this took. Raises `NotStarted`."""
    began = time.perf_counter()
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(server.url + path, timeout=5).close()
            return time.perf_counter() - began
        if server.process.poll() is not None or time.perf_counter() - began > START_SECONDS:
            raise NotStarted("the server did not start")
        time.sleep(0.03)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours, in order if it can."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Providers:
    """Running simulated providers."""

    process: subprocess.Popen[bytes]
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a server that asks them for everything."""
        return {
            "COCCINELLE_LLM_BASE_URL": self.url,
            "COCCINELLE_LLM_ANSWER_MODELS": "simulated-large",
            "COCCINELLE_LLM_ROUTING_MODELS": "simulated-small",
            "COCCINELLE_EMBEDDINGS_BASE_URL": self.url,
            "COCCINELLE_RERANK_BASE_URL": self.url.removesuffix("/v1") + "/v2",
        }


@contextlib.contextmanager
def providers(*options: str) -> Iterator[Providers]:
    """Simulated providers of these command-line options, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.simulated_providers", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        yield Providers(process, line.split()[-1])
    finally:
        stop(process)


def in_process(module: str, asked: object) -> bytes:
    """What a module answers on stdout, as a process of its own, when it reads `asked` on stdin."""
    command = [sys.executable, "-m", module]
    done = subprocess.run(
        command, input=msgspec.json.encode(asked), stdout=subprocess.PIPE, check=True
    )
    return done.stdout


def cpu_seconds(pid: int, *, with_children: bool = False) -> float:
    """Processor time of a process so far; of its living children, too, and of those that ended."""
    fields = _stat(pid)
    last = 15 if with_children else 13
    own = sum(int(value) for value in fields[11:last]) / TICKS_A_SECOND
    if not with_children:
        return own
    return own + sum(cpu_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """Processes that `pid` started and that live."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if int(_stat(int(entry.name))[1]) == pid:
                found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third on, the process's state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
