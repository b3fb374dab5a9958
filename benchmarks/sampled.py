"""Runs a `coccinelle` command and notes, every 2 ms of CPU that it spends, what it is doing.

    python -m benchmarks.sampled FILE serve --port 8000

When it ends, FILE has a JSON object: samples in all, and those of each function itself (`own`) and
with all that it calls (`whole`), by "file:function". Signals reach Python between two of its
instructions, so that time in C counts for the function that called it.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

INTERVAL_SECONDS = 0.002

_names: dict[CodeType, str] = {}


class Samples:
    """What was seen so far."""

    def __init__(self) -> None:
        self.total = 0
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()

    def take(self, _number: int, frame: FrameType | None) -> None:
        """Note one stack."""
        if frame is None:
            return
        self.total += 1
        self.own[_name(frame.f_code)] += 1
        seen = set()
        walked: FrameType | None = frame
        while walked is not None:
            seen.add(_name(walked.f_code))
            walked = walked.f_back
        self.whole.update(seen)

    def write(self, file: Path) -> None:
        """Keep it as JSON."""
        found = {"total": self.total, "own": self.own, "whole": self.whole}
        file.write_text(json.dumps(found))


def _name(code: CodeType) -> str:
    """The function, by its file within the package or library that it is of."""
    known = _names.get(code)
    if known is None:
        path = code.co_filename
        for mark in ("/src/", "/site-packages/", "/lib/"):
            path = path.rpartition(mark)[2]
        known = _names[code] = f"{path}:{code.co_qualname}"
    return known


def main() -> None:
    samples, file = Samples(), Path(sys.argv.pop(1))
    from coccinelle.cli.main import main as command  # noqa: PLC0415

    def restart(number: int, _frame: FrameType | None) -> None:
        samples.__init__()  # type: ignore[misc]

    signal.signal(signal.SIGPROF, samples.take)
    signal.signal(signal.SIGUSR1, restart)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
    try:
        command()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        samples.write(file)


if __name__ == "__main__":
    main()
