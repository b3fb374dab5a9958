"""Weekly hours with breaks, closures and public holidays, and what is told of them."""

from __future__ import annotations

from datetime import date, time

import pytest

from coccinelle.appointments.model import (
    Closure,
    Opening,
    Schedule,
    checked_hours,
    public_holidays,
)
from coccinelle.appointments.wording import questions
from coccinelle.foundation.errors import Invalid

TODAY = date(2026, 11, 22)
MORNINGS = tuple(Opening(day, time(9), time(12)) for day in range(1, 6))


def told(schedule: Schedule, *, language: str = "fr", territory: str = "FR") -> dict[str, str]:
    return dict(questions(schedule, today=TODAY, territory=territory, language=language))


def test_neighbouring_days_with_the_same_hours_are_told_together() -> None:
    hours = (
        *(Opening(day, time(8, 30), time(12)) for day in (1, 2, 4)),
        Opening(2, time(14), time(18)),
        Opening(6, time(0), time(0)),
        Opening(7, time(0), time(0)),
    )
    answer = told(Schedule(hours, (), None))["Quels sont vos horaires d'ouverture ?"]

    assert answer.splitlines() == [
        "Le lundi : de 8 h 30 à 12 h.",
        "Le mardi : de 8 h 30 à 12 h et de 14 h à 18 h.",
        "Le jeudi : de 8 h 30 à 12 h.",
        "Le samedi et le dimanche : 24 heures sur 24.",
        "Fermé le mercredi et le vendredi.",
    ]


def test_hours_are_told_in_english_too() -> None:
    closure = Closure(date(2026, 12, 31), date(2027, 1, 2), "winter")
    found = told(Schedule(MORNINGS, (closure,), True), language="en")

    assert found["What are your opening hours?"].splitlines() == [
        "Monday to Friday: from 9 am to 12 pm.",
        "Closed on Saturday and on Sunday.",
        "Next closure: on Friday 25 December 2026 (Christmas Day).",
    ]
    assert found["Are you open on Sundays?"] == "No, we are closed on Sundays."
    assert "From 31 December 2026 to 2 January 2027 (winter)" in str(found)
    christmas = found["Are you open on Friday 25 December 2026 (Christmas Day)?"]
    assert christmas == "No, we are closed on Friday 25 December 2026 (Christmas Day)."


def test_the_next_closure_is_the_first_that_is_not_over() -> None:
    closures = (
        Closure(date(2026, 8, 1), date(2026, 8, 21)),
        Closure(TODAY, TODAY),
        Closure(date(2027, 8, 1), date(2027, 8, 21)),
    )
    answer = told(Schedule(MORNINGS, closures, False))["Quels sont vos horaires d'ouverture ?"]

    assert answer.endswith("Prochaine fermeture : le dimanche 22 novembre 2026.")
    assert "Du 1er au 21 août 2027" in str(told(Schedule(MORNINGS, closures, False)))
    assert "août 2026" not in str(told(Schedule(MORNINGS, closures, False)))


def test_public_holidays_are_told_on_open_days_only_and_if_the_business_closes() -> None:
    closes, stays = (told(Schedule(MORNINGS, (), flag)) for flag in (True, False))
    unknown = told(Schedule(MORNINGS, (), None))

    assert "Noël" in str(closes)
    assert "Lundi de Pâques" in str(closes)
    assert "Fête du Travail" not in str(closes)  # A Saturday in 2027.
    assert "Noël" not in str(stays) + str(unknown)
    assert stays["Êtes-vous ouverts les jours fériés ?"].startswith("Oui")
    assert "jours fériés" not in str(unknown)


def test_a_business_without_fixed_hours_says_nothing_of_them() -> None:
    assert told(Schedule((), (), None)) == {}
    only = told(Schedule((), (Closure(TODAY, TODAY, "inventaire"),), None))
    assert list(only) == [
        "Quelles sont vos prochaines fermetures, vos congés et vos vacances ?",
        "Êtes-vous ouverts le dimanche 22 novembre 2026 (inventaire) ?",
    ]


def test_public_holidays_are_those_of_the_territory() -> None:
    def days(territory: str) -> dict[date, str]:
        return public_holidays(territory, first=date(2027, 1, 1), days=365)

    assert len(days("FR")) == 11
    assert days("FR")[date(2027, 7, 14)] == "Fête nationale"
    assert date(2027, 12, 20) in days("RE")
    assert date(2027, 12, 20) not in days("FR")
    assert set(days("FR")) <= set(days("GF"))
    assert days("BE") == days("US") == {}
    assert public_holidays("FR", first=date(2026, 12, 25), days=1) == {date(2026, 12, 25): "Noël"}


@pytest.mark.parametrize(
    "other",
    [
        Opening(1, time(11), time(13)),
        Opening(1, time(9), time(10)),
        Opening(1, time(0), time(0)),
        Opening(7, time(22), time(9, 30)),
    ],
)
def test_ranges_that_overlap_are_refused_in_either_order(other: Opening) -> None:
    first = Opening(1, time(9), time(12))
    for pair in ([first, other], [other, first]):
        with pytest.raises(Invalid) as refused:
            checked_hours(pair)
        assert refused.value.errors[0].code == "openings_overlap"


def test_ranges_that_touch_do_not_overlap() -> None:
    week = [
        Opening(7, time(22), time(2)),
        Opening(1, time(2), time(9)),
        Opening(1, time(9), time(12)),
        Opening(6, time(0), time(0)),
        Opening(7, time(0), time(22)),
    ]
    assert checked_hours(week) == tuple(sorted(week))
