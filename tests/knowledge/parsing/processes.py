"""The parsing children of this process, as the kernel sees them."""

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
    """The largest resident size of any child so far, in KiB."""

    kib: int = 0


def children() -> list[int]:
    """The parsing processes that run now, by their command."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if b"coccinelle.knowledge.parsing.child" in command and parent == str(os.getpid()):
                found.append(int(process.name))
    return found


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Peak]:
    """Watch the children that start and end inside."""
    peak = Peak()
    task = asyncio.create_task(_watch(peak))
    try:
        yield peak
    finally:
        task.cancel()


async def _watch(peak: Peak) -> None:
    while True:
        for process in children():
            peak.kib = max(peak.kib, _peak_kib(process))
        await asyncio.sleep(0.02)


def _peak_kib(process: int) -> int:
    with contextlib.suppress(OSError):
        if found := _PEAK.search(Path(f"/proc/{process}/status").read_text()):
            return int(found[1])
    return 0
