"""People who take appointments, weekly hours with breaks, closures, public holidays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from uuid import UUID

import holidays

from coccinelle.foundation.errors import FieldError, Invalid

MAX_RANGES = 50
MAX_CLOSURES = 100
MAX_CLOSURE_DAYS = 366
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
# Countries whose public holidays are those of France, or of a part of it with some of its own.
FRENCH = {"FR": None, "GP": "971", "MQ": "972", "GF": "973", "RE": "974", "YT": "976"}
FRENCH_BY_NAME = frozenset({"BL", "MF", "NC", "PF", "PM", "WF"})


@dataclass(frozen=True)
class StaffMember:
    """Somebody who takes appointments."""

    id: UUID
    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True)
class NewMember:
    """A person as the owner names them; the phone number in E.164."""

    name: str
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, order=True)
class Opening:
    """A range of hours on an ISO weekday, local times.

    One that closes before it opens ends on the next day; 00:00 to 00:00 is the whole day.
    """

    weekday: int
    opens: time
    closes: time

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end, in minutes from Monday 00:00; the end may lie in the next week."""
        start = (self.weekday - 1) * DAY_MINUTES + _minutes(self.opens)
        length = (_minutes(self.closes) - _minutes(self.opens)) % DAY_MINUTES or DAY_MINUTES
        return start, start + length


@dataclass(frozen=True, order=True)
class Closure:
    """Days, both included, on which the business is closed although its week says open."""

    starts_on: date
    ends_on: date
    reason: str | None = None


@dataclass(frozen=True)
class Schedule:
    """When a business is open. `closes_on_public_holidays` is None until its owner says."""

    hours: tuple[Opening, ...]
    closures: tuple[Closure, ...]
    closes_on_public_holidays: bool | None


def checked_hours(hours: Sequence[Opening]) -> tuple[Opening, ...]:
    """The week in its order.

    Raises:
        Invalid: two ranges overlap; one opens and closes at the same time but at midnight.
    """
    for place, opening in enumerate(hours):
        if opening.opens == opening.closes and opening.opens != time(0):
            raise _refused(f"hours.{place}.closes", "empty_opening")
    for place, opening in enumerate(hours):
        if any(_overlap(opening, other) for other in hours[:place]):
            raise _refused(f"hours.{place}", "openings_overlap")
    return tuple(sorted(hours))


def checked_closures(closures: Sequence[Closure]) -> tuple[Closure, ...]:
    """Closures in the order of their days.

    Raises:
        Invalid: one ends before it starts or lasts over a year; two overlap.
    """
    for place, closure in enumerate(closures):
        days = (closure.ends_on - closure.starts_on).days
        if not 0 <= days < MAX_CLOSURE_DAYS:
            raise _refused(f"closures.{place}.ends_on", "bad_closure")
        for other in closures[:place]:
            if closure.starts_on <= other.ends_on and other.starts_on <= closure.ends_on:
                raise _refused(f"closures.{place}", "closures_overlap")
    return tuple(sorted(closures, key=lambda closure: closure.starts_on))


def checked_members(members: Sequence[NewMember]) -> tuple[NewMember, ...]:
    """The people in the order given. Raises `Invalid` where two have one name."""
    seen: set[str] = set()
    for place, member in enumerate(members):
        if member.name.casefold() in seen:
            raise _refused(f"members.{place}.name", "member_twice")
        seen.add(member.name.casefold())
    return tuple(members)


def public_holidays(
    territory: str, *, first: date, days: int, language: str = "fr"
) -> dict[date, str]:
    """Public holidays of a French territory (ISO 3166) from `first` on, named in `language`.

    None for a territory that is not French.
    """
    last = first + timedelta(days=days)
    found: dict[date, str] = {}
    for year in range(first.year, last.year + 1):
        found |= _of_year(territory, year, language)
    return {day: found[day] for day in sorted(found) if first <= day < last}


@lru_cache(maxsize=256)
def _of_year(territory: str, year: int, language: str) -> dict[date, str]:
    if territory not in FRENCH and territory not in FRENCH_BY_NAME:
        return {}
    part = territory if territory in FRENCH_BY_NAME else FRENCH[territory]
    spoken = "fr" if language == "fr" else "en_US"
    return dict(holidays.country_holidays("FR", subdiv=part, years=year, language=spoken))


def _overlap(one: Opening, other: Opening) -> bool:
    """In a week that begins again after its end."""
    start, end = one.minutes
    return any(
        start < until and since < end
        for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES)
        for since, until in [(other.minutes[0] + shift, other.minutes[1] + shift)]
    )


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _refused(field: str, code: str) -> Invalid:
    return Invalid(errors=(FieldError(field, code),))
