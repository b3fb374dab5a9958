"""Progress on stderr: a bar in a terminal, a line now and then on a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coccinelle.cli.words import note, say

EVERY_SECONDS = 5.0

Told = Callable[[str, int, int], None]
"""(what, done, of how many)"""


@contextmanager
def progress(unit: str) -> Iterator[Told]:
    """A function that shows how far something is, in `unit`s, with their rate and the time left."""
    if sys.stderr.isatty():
        with _bar(unit) as told:
            yield told
    else:
        yield _lines(unit)


@contextmanager
def _bar(unit: str) -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f}/s" if task.speed else "")

    of = say("sur", "of")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TextColumn(f"{unit} {{task.completed:.0f}} {of} {{task.total:.0f}}"),
        Rate(),
        TimeLeft(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=0)

        def told(what: str, done: int, total: int) -> None:
            if bar.tasks[0].description != what:
                bar.reset(task, description=what, total=total, completed=done)
            bar.update(task, completed=done, total=total)

        yield told


def _lines(unit: str) -> Told:
    said_at = time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= EVERY_SECONDS:
            said_at = time.monotonic()
            note(f"{what}: {unit} {done} {say('sur', 'of')} {total}")

    return told
