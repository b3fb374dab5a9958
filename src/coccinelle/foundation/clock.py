"""Time: instants are timezone-aware UTC, durations are measured on the monotonic clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-03T12:00:02.114Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def elapsed_ms(since: float) -> float:
    """Milliseconds since `since`, a value of `time.perf_counter()`."""
    return (time.perf_counter() - since) * 1000
