"""Starting: the command line, a server on a data folder that exists, and the first run ever."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks import processes
from benchmarks.processes import Server
from benchmarks.results import Figure, Section, median, percentile

HELPS = 11
WARM_STARTS = 7
FIRST_STARTS = 3
SETTLE_SECONDS = 10.0
QUESTION = "Comment automatiser mes emails de bienvenue?"
EXECUTABLE = Path(sys.executable).with_name("coccinelle")


def run() -> list[Section]:
    """Help, warm starts and first runs, with no key set: the bundled embedding model."""
    help_seconds = [_help_seconds() for _ in range(HELPS)]
    first: list[float] = []
    warm: list[float] = []
    for number in range(FIRST_STARTS):
        with processes.folder() as data:
            first.append(_started(data)[0])
            for _ in range(WARM_STARTS if number == 0 else 0):
                warm.append(_started(data)[0])
            _, answered, memory_mb = _started(data, asks=number == FIRST_STARTS - 1)
    figures = [
        _figure("`coccinelle --help`", 0.3, help_seconds),
        _figure("start to the first healthy answer, data folder warm", 2.0, warm),
        _figure("the same, first run ever (demo loaded)", 20.0, first),
        Figure("first answer to a customer after a warm start", "none", f"{answered:.2f} s", "1"),
        Figure(
            "memory of the server, idle, with the bundled embedding model",
            "<= 200 MB",
            f"{memory_mb:.0f} MB",
            "1",
            memory_mb <= 200,
        ),
    ]
    return [Section("Start", figures)]


def _help_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([EXECUTABLE, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _started(data: Path, *, asks: bool = False) -> tuple[float, float, float]:
    """Seconds until /health is 200; then, if asked, those of an answer, and megabytes when idle."""
    port = processes.free_port()
    command = [str(EXECUTABLE), "serve", "--demo", "--port", str(port)]
    environment = processes.environment_for(data, {})
    began = time.perf_counter()
    with (data / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        server = Server(process, port)
        processes.await_healthy(server, "/health")
        healthy = time.perf_counter() - began
        if not asks:
            return healthy, 0.0, 0.0
        answered = _answer_seconds(server)
        time.sleep(SETTLE_SECONDS)
        return healthy, answered, server.rss_mb()
    finally:
        processes.stop(process)


def _answer_seconds(server: Server) -> float:
    body = {"user_id": "u", "conversation_id": "c", "message": QUESTION}
    request = urllib.request.Request(
        f"http://localhost:{server.port}/api/chat",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as answer:
        agent = json.load(answer)["agent"]
    assert agent == "audrey", agent
    return time.perf_counter() - began


def _figure(what: str, limit: float, seconds: list[float]) -> Figure:
    p50 = median(seconds)
    measured = f"p50 {p50:.2f} s, p95 {percentile(seconds, 0.95):.2f} s"
    met = p50 <= limit
    why = "" if met else f"fastest of them {min(seconds):.2f} s; the load is named above."
    return Figure(what, f"<= {limit:g} s", measured, str(len(seconds)), met, why)
