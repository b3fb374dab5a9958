"""The parsing processes of this process, as the kernel sees them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass
class Peak:
    """The largest resident size of any of them so far, in KiB."""

    kib: int = 0


def forking() -> list[int]:
    """The processes that fork for files, by their command: one an event loop."""
    return [
        process
        for process in _below(os.getpid())
        if b"coccinelle.knowledge.parsing.child" in _command(process)
    ]


def reading() -> list[int]:
    """The processes that read a file now."""
    return [one for parent in forking() for one in _below(parent) if _command(one)]


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Peak]:
    """Watch those that start and end inside, and whoever forks them."""
    peak = Peak()
    task = asyncio.create_task(_watch(peak))
    try:
        yield peak
    finally:
        task.cancel()


async def _watch(peak: Peak) -> None:
    while True:
        for process in (*forking(), *reading()):
            peak.kib = max(peak.kib, _peak_kib(process))
        await asyncio.sleep(0.005)


def _below(process: int) -> list[int]:
    found = []
    for file in Path("/proc", str(process), "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(number) for number in file.read_text().split()]
    return found


def _command(process: int) -> bytes:
    """How it was started; nothing of one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _peak_kib(process: int) -> int:
    with contextlib.suppress(OSError):
        if found := _PEAK.search(Path(f"/proc/{process}/status").read_text()):
            return int(found[1])
    return 0
