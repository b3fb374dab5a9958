"""What the README tells a newcomer to type does what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
NOT_RUN_HERE = {"make test"}


@dataclass(frozen=True)
class Running:
    """The README's first command, running; and where."""

    port: int
    environment: dict[str, str]


def commands() -> list[str]:
    """Every command of the README's shell blocks, in order, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port = free_port()
    data = tmp_path_factory.mktemp("readme") / "data of a newcomer"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "COCCINELLE_DATA": str(data), "LANG": "fr_FR.UTF-8"}
    process = subprocess.Popen(
        ["make", "run", f"PORT={port}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_until_healthy(process, port)
        yield Running(port, environment)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)


def _wait_until_healthy(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"make run ended: {process.stdout.read() if process.stdout else ''}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail("make run did not answer in time")


def _typed(running: Running, command: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command.replace(":8000", f":{running.port}")],
        cwd=ROOT,
        env=running.environment,
        input=said,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_command_of_the_readme_works(running: Running) -> None:
    answers: list[str] = []
    for command in commands():
        if command in NOT_RUN_HERE or command == "make run":
            continue
        done = _typed(running, command, said="Bonjour\n")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        answers.append(done.stdout)

    audrey, carole, garage, *_ = answers
    assert json.loads(audrey)["agent"] == "audrey"
    assert json.loads(audrey)["sources"]
    assert "event: done" in carole
    assert '"agent":"carole"' in carole
    assert "€" in json.loads(garage)["message"]


def test_the_readme_names_the_commands_that_it_is_about() -> None:
    named = {shlex.split(command)[0] for command in commands()}

    assert {"make", "curl", ".venv/bin/coccinelle"} == named
    assert {"make run", "make test"} <= set(commands())
