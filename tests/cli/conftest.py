"""The real command in processes of its own, over an installation that the module's tests share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from coccinelle.foundation.embedded import EmbeddedPostgres
from tests.cli.typed import typed

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "coccinelle.cli.main")
STARTS_SECONDS = 120


@dataclass
class Cli:
    """Runs commands on one data directory, in French unless asked otherwise."""

    data: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COCCINELLE_", "LC_"))}
        paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ours = {"COCCINELLE_DATA": str(self.data), "LANG": "fr_FR.UTF-8", "PYTHONUTF8": "1"}
        return kept | {"PYTHONPATH": os.pathsep.join(paths)} | ours | self.settings

    def run(
        self, *arguments: str, said: str | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment | settings,
            input=said or "",
            capture_output=True,
            text=True,
            timeout=STARTS_SECONDS,
            check=False,
        )

    def typed(
        self, *arguments: str, said: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """As `run`, without a process: for what does not depend on there being one."""
        return typed(*arguments, environment=self.environment | settings, said=said)

    def forget(self) -> None:
        """Drop the database, which is elsewhere when this folder is closed to its account."""
        shutil.rmtree(EmbeddedPostgres(self.data / "postgres").location, ignore_errors=True)

    @contextmanager
    def serving(self, *arguments: str, **settings: str) -> Iterator[Served]:
        """A server; it is killed at the end if it was not stopped.

        It leads a group of processes, as in a terminal, whose Ctrl-C is for all of the group.
        """
        port = free_port()
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", str(port), *arguments],
            env=self.environment | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        served = Served(process, port)
        try:
            yield served
        finally:
            if process.poll() is None:
                served.stop()


@dataclass
class Served:
    """A server in its process."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(self.url + path, headers=headers, timeout=10, trust_env=False)

    def until(self, path: str, status: int = 200) -> httpx2.Response:
        """What `path` answers, once it answers with this status."""
        end = time.monotonic() + STARTS_SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, self.process.communicate()
            try:
                answer = self.get(path)
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == status:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status}")

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Its exit code, what it printed, and what it noted."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """An installation of this module's own, in a folder with a space in its name."""
    made = Cli(tmp_path_factory.mktemp("an installation"))
    yield made
    made.forget()
