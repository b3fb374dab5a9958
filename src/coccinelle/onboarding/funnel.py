"""How onboarding goes on this installation: figures over all businesses, for the operator.

They are counted by the directory's role, which may read when sessions and steps began and ended,
and neither whose they are nor anything that was written in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from coccinelle.foundation.database import Database, DirectoryTx

DAYS = 7


@dataclass(frozen=True)
class Day:
    """A day in UTC, and how many onboardings were completed on it."""

    day: date
    completed: int


@dataclass(frozen=True)
class StepFigures:
    """A step in sessions that were started in these days.

    Sessions that entered it and that saved it, tries that failed, and the mean time from entering
    to saving it.
    """

    step: str
    entered: int
    saved: int
    failed: int
    mean_seconds: float | None


@dataclass(frozen=True)
class Funnel:
    """The last seven days: completed on each, mean time from start to completion of those that were
    completed, share (0-1) completed of those that were started, and each step."""

    per_day: list[Day]
    started: int
    completed: int
    mean_seconds: float | None
    success_rate: float | None
    steps: list[StepFigures]


@dataclass(frozen=True)
class _Totals:
    started: int
    completed: int
    mean_seconds: float | None
    success_rate: float | None


async def funnel(db: Database) -> Funnel:
    """The figures, now."""
    async with db.directory() as tx:
        totals = await _totals(tx)
        return Funnel(
            per_day=await _per_day(tx),
            started=totals.started,
            completed=totals.completed,
            mean_seconds=totals.mean_seconds,
            success_rate=totals.success_rate,
            steps=await _steps(tx),
        )


async def _totals(tx: DirectoryTx) -> _Totals:
    return await tx.one(
        _Totals,
        "SELECT started.total AS started, ended.total AS completed, ended.mean_seconds,"
        " (started.completed::float8 / nullif(started.total, 0)) AS success_rate"
        " FROM (SELECT count(id) AS total, count(completed_at) AS completed"
        "  FROM onboarding_sessions WHERE started_at > now() - %(days)s * interval '1 day')"
        " started, (SELECT count(id) AS total,"
        "  avg(extract(epoch FROM completed_at - started_at))::float8 AS mean_seconds"
        "  FROM onboarding_sessions WHERE completed_at > now() - %(days)s * interval '1 day')"
        " ended",
        {"days": DAYS},
    )


async def _per_day(tx: DirectoryTx) -> list[Day]:
    return await tx.all(
        Day,
        "SELECT day::date AS day, count(s.id) AS completed"
        " FROM generate_series((now() AT TIME ZONE 'UTC')::date - (%(days)s - 1),"
        "  (now() AT TIME ZONE 'UTC')::date, interval '1 day') AS day"
        " LEFT JOIN onboarding_sessions s ON (s.completed_at AT TIME ZONE 'UTC')::date = day"
        "  AND s.completed_at > now() - (%(days)s + 1) * interval '1 day'"
        " GROUP BY day ORDER BY day",
        {"days": DAYS},
    )


async def _steps(tx: DirectoryTx) -> list[StepFigures]:
    return await tx.all(
        StepFigures,
        "WITH of_session AS (SELECT e.session_id, e.step,"
        "  min(e.happened_at) FILTER (WHERE e.kind = 'entered') AS entered_at,"
        "  min(e.happened_at) FILTER (WHERE e.kind = 'saved') AS saved_at,"
        "  count(e.happened_at) FILTER (WHERE e.kind = 'failed') AS failed"
        "  FROM onboarding_events e JOIN onboarding_sessions s ON s.id = e.session_id"
        "  WHERE s.started_at > now() - %(days)s * interval '1 day' GROUP BY e.session_id, e.step)"
        " SELECT place.step, count(o.entered_at) AS entered, count(o.saved_at) AS saved,"
        " coalesce(sum(o.failed), 0)::integer AS failed,"
        " avg(extract(epoch FROM o.saved_at - o.entered_at))::float8 AS mean_seconds"
        " FROM unnest(ARRAY['business', 'staff', 'assistant', 'knowledge', 'complete'])"
        "  WITH ORDINALITY AS place (step, position)"
        " LEFT JOIN of_session o ON o.step = place.step"
        " GROUP BY place.step, place.position ORDER BY place.position",
        {"days": DAYS},
    )
