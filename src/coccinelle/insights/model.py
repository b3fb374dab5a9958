"""Periods of whole days where a business is, and the figures of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.ids import AgentId

StepName = Literal["admit", "route", "retrieve", "generate"]

STEPS: tuple[StepName, ...] = ("admit", "route", "retrieve", "generate")
USUAL_DAYS = (7, 30, 90)
DEFAULT_DAYS = 30
MOST_DAYS = 366
EARLIEST = date(2001, 1, 1)


@dataclass(frozen=True)
class Span:
    """From an instant, included, to another, excluded."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Period:
    """Whole days in `timezone`, from `first` to `last`, both included."""

    first: date
    last: date
    timezone: str

    @property
    def length_days(self) -> int:
        """How many days it has, of 23 to 25 hours each."""
        return (self.last - self.first).days + 1

    @property
    def span(self) -> Span:
        """All of it."""
        return Span(self._midnight(self.first), self._midnight(self.last + timedelta(days=1)))

    @property
    def days(self) -> list[date]:
        """Each of them, the first one first."""
        return [self.first + timedelta(days=number) for number in range(self.length_days)]

    @property
    def day_spans(self) -> list[Span]:
        """The span of each day."""
        starts = [self._midnight(self.first + timedelta(days=n)) for n in range(self.length_days)]
        ends = [*starts[1:], self.span.ends_at]
        return [Span(*pair) for pair in zip(starts, ends, strict=True)]

    def before(self) -> Period:
        """As many days that end where this one begins."""
        length = timedelta(days=self.length_days)
        return Period(self.first - length, self.last - length, self.timezone)

    def _midnight(self, day: date) -> datetime:
        """When a day begins; where the clocks skip midnight, when they do."""
        return datetime.combine(day, time(), ZoneInfo(self.timezone)).astimezone(UTC)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: two days, or the last `length_days` with today among them."""

    length_days: int = DEFAULT_DAYS
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Quantiles:
    """Milliseconds that half of all, and 95 of 100, were within."""

    p50_ms: int
    p95_ms: int


@dataclass(frozen=True)
class Counted:
    """What turns that began in a span came to.

    `turns` has those that are still open, too. Times are of answered and escalated ones: to the
    first word of the answer, and to its end. Cost is in micro-euros.
    """

    turns: int
    answered: int
    escalated: int
    handed_over: int
    interrupted: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost_microeur: int
    first_text: Quantiles | None = None
    latency: Quantiles | None = None

    @property
    def by_assistant(self) -> int:
        """Turns that an assistant ended, whatever came of them."""
        return self.answered + self.escalated + self.interrupted + self.failed

    @property
    def answered_share(self) -> float | None:
        """Of the turns that an assistant ended, the share (0-1) that it answered."""
        return self.answered / self.by_assistant if self.by_assistant else None

    @property
    def escalation_rate(self) -> float | None:
        """Of the same, the share for which it proposed a person."""
        return self.escalated / self.by_assistant if self.by_assistant else None


@dataclass(frozen=True)
class Waits:
    """Hand-offs that were opened in a span; how many of them were claimed and closed since.

    `median_seconds` is from the customer's wish to the claim.
    """

    opened: int
    claimed: int
    closed: int
    median_seconds: float | None


@dataclass(frozen=True)
class Thumbs:
    """What customers said of the answers of a span."""

    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class Volume:
    """What was asked of a business in a span; `conversations` have a turn in it."""

    conversations: int
    counted: Counted


@dataclass(frozen=True)
class Figures(Volume):
    """A business in a span."""

    waits: Waits
    thumbs: Thumbs


@dataclass(frozen=True)
class Day:
    """One day of a series."""

    day: date
    counted: Counted


@dataclass(frozen=True)
class Stage:
    """What a step of the turns took."""

    step: StepName
    turns: int
    took: Quantiles


@dataclass(frozen=True)
class OfAgent:
    """An agent in a period; the one without an id is nobody: what no agent could answer."""

    agent_id: AgentId | None
    key: str | None
    name: str | None
    counted: Counted
    thumbs: Thumbs
    stages: Sequence[Stage]


@dataclass(frozen=True)
class ByAgent:
    """Each agent that had turns in a period, the busiest first, and the steps of all turns."""

    period: Period
    agents: Sequence[OfAgent]
    stages: Sequence[Stage]


def period_of(wanted: Wanted, *, at: datetime, timezone: str) -> Period:
    """The days that are asked for, none of them later than today where the business is.

    Raises:
        Invalid: one day without the other, days in the wrong order, too many of them or too old.
    """
    today = at.astimezone(ZoneInfo(timezone)).date()
    if wanted.first is None and wanted.last is None:
        length = timedelta(days=wanted.length_days - 1)
        return _checked(Period(today - length, today, timezone))
    if wanted.first is None or wanted.last is None:
        missing = "to" if wanted.last is None else "from"
        raise Invalid(errors=(FieldError(missing, "required"),))
    return _checked(Period(wanted.first, min(wanted.last, today), timezone))


def _checked(period: Period) -> Period:
    if period.first > period.last:
        raise Invalid(errors=(FieldError("from", "period_backwards"),))
    if period.first < EARLIEST:
        earliest = (("minimum", EARLIEST.isoformat()),)
        raise Invalid(errors=(FieldError("from", "too_small", earliest),))
    if period.length_days > MOST_DAYS:
        most = (("maximum", MOST_DAYS),)
        raise Invalid(errors=(FieldError("to", "period_too_long", most),))
    return period
