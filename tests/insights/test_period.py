"""Periods are whole days where the business is, however long these are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from coccinelle.foundation.errors import Invalid
from coccinelle.insights.model import Period, Wanted, period_of

NIGHT = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)  # In Paris it is half past midnight.
PARIS = "Europe/Paris"


def test_the_last_days_end_with_today_where_the_business_is() -> None:
    paris = period_of(Wanted(7), at=NIGHT, timezone=PARIS)
    new_york = period_of(Wanted(7), at=NIGHT, timezone="America/New_York")

    assert (paris.first, paris.last) == (date(2026, 10, 29), date(2026, 11, 4))
    assert (new_york.first, new_york.last) == (date(2026, 10, 28), date(2026, 11, 3))


def test_two_days_are_both_included_and_no_day_is_later_than_today() -> None:
    one = period_of(Wanted(30, date(2026, 11, 1), date(2026, 11, 1)), at=NIGHT, timezone=PARIS)
    late = period_of(Wanted(30, date(2026, 11, 1), date(2027, 1, 1)), at=NIGHT, timezone=PARIS)

    assert one.length_days == 1
    assert one.span.ends_at - one.span.starts_at == timedelta(hours=24)
    assert late.last == date(2026, 11, 4)


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    period = Period(date(2026, 3, 10), date(2026, 4, 8), PARIS)

    assert period.before().length_days == period.length_days == 30
    assert period.before().span.ends_at == period.span.starts_at


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)]
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(day: date, hours: int) -> None:
    before = day - timedelta(days=1)
    spans = Period(before, day + timedelta(days=1), PARIS).day_spans

    assert spans[1].ends_at - spans[1].starts_at == timedelta(hours=hours)
    assert spans[0].ends_at == spans[1].starts_at
    assert spans[1].ends_at == spans[2].starts_at


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_have_gone_on() -> None:
    span = Period(date(2026, 4, 24), date(2026, 4, 24), "Africa/Cairo").span

    assert span.starts_at == datetime(2026, 4, 23, 22, tzinfo=UTC)
    assert span.ends_at - span.starts_at == timedelta(hours=23)


@pytest.mark.parametrize(
    ("first", "last", "field", "code"),
    [
        (date(2026, 11, 2), date(2026, 11, 1), "from", "period_backwards"),
        (date(2026, 12, 1), date(2026, 12, 2), "from", "period_backwards"),
        (date(2025, 11, 3), date(2026, 11, 4), "to", "period_too_long"),
        (date(1, 1, 1), date(1, 1, 2), "from", "too_small"),
        (date(2026, 11, 1), None, "to", "required"),
        (None, date(2026, 11, 1), "from", "required"),
    ],
)
def test_days_that_are_no_period_are_refused(
    first: date | None, last: date | None, field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        period_of(Wanted(30, first, last), at=NIGHT, timezone=PARIS)

    assert [(error.field, error.code) for error in refused.value.errors] == [(field, code)]
