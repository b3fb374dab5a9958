"""What this process may use; called by the parsing child on itself, never by the server."""

from __future__ import annotations

import contextlib
import resource

from coccinelle.knowledge.parsing.model import ParseLimits


def confine(limits: ParseLimits) -> None:
    """Bound address space and processor time; the kernel ends a process that wants more."""
    _set(resource.RLIMIT_AS, soft=limits.memory_bytes, hard=limits.memory_bytes * 2)
    _set(resource.RLIMIT_CPU, soft=limits.cpu_seconds, hard=limits.cpu_seconds + 1)


def make_room_for_models(limits: ParseLimits) -> None:
    """Let libraries and models be mapped, and bound what is allocated instead."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != limits.memory_bytes:
        return  # Not in the confined child.
    _set(resource.RLIMIT_DATA, soft=limits.memory_bytes, hard=limits.memory_bytes)
    _set(resource.RLIMIT_AS, soft=limits.memory_bytes * 2, hard=limits.memory_bytes * 2)


def _set(which: int, *, soft: int, hard: int) -> None:
    # Systems that do not enforce a limit refuse to set it; the wall clock remains.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (soft, hard))
