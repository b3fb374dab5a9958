"""Opening hours in words: the questions that customers ask about them, each with its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time

from babel.dates import format_date

from coccinelle.appointments.model import Closure, Opening, Schedule, public_holidays

AHEAD_DAYS = 366
_WEEKDAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_WORDS = {
    "hours": {"fr": "Quels sont vos horaires d'ouverture ?", "en": "What are your opening hours?"},
    "day": {"fr": "Êtes-vous ouverts le {day} ?", "en": "Are you open on {day}s?"},
    "open": {"fr": "Oui, le {day}, {ranges}.", "en": "Yes, on {day}s {ranges}."},
    "closed": {
        "fr": "Non, nous sommes fermés le {day}.",
        "en": "No, we are closed on {day}s.",
    },
    "closed_days": {"fr": "Fermé {days}.", "en": "Closed {days}."},
    "range": {"fr": "de {opens} à {closes}", "en": "from {opens} to {closes}"},
    "whole_day": {"fr": "24 heures sur 24", "en": "24 hours a day"},
    "one_day": {"fr": "Le {day} : {ranges}.", "en": "{day}: {ranges}."},
    "days": {"fr": "Du {first} au {last} : {ranges}.", "en": "{first} to {last}: {ranges}."},
    "two_days": {
        "fr": "Le {first} et le {last} : {ranges}.",
        "en": "{first} and {last}: {ranges}.",
    },
    "next": {"fr": "Prochaine fermeture : {closure}.", "en": "Next closure: {closure}."},
    "closures": {
        "fr": "Quelles sont vos prochaines fermetures, vos congés et vos vacances ?",
        "en": "When will you be closed next, and when are your holidays?",
    },
    "closure": {"fr": "Êtes-vous ouverts {closure} ?", "en": "Are you open {closure}?"},
    "closed_then": {
        "fr": "Non, nous sommes fermés {closure}.",
        "en": "No, we are closed {closure}.",
    },
    "on": {"fr": "le {day}", "en": "on {day}"},
    "between": {"fr": "du {first} au {last}", "en": "from {first} to {last}"},
    "holidays": {
        "fr": "Êtes-vous ouverts les jours fériés ?",
        "en": "Are you open on public holidays?",
    },
    "holidays_closed": {
        "fr": "Non, nous sommes fermés les jours fériés.",
        "en": "No, we are closed on public holidays.",
    },
    "holidays_open": {
        "fr": "Oui, nous restons ouverts les jours fériés, aux horaires habituels.",
        "en": "Yes, we stay open on public holidays, at the usual hours.",
    },
    "and": {"fr": " et ", "en": " and "},
}

_FIRST = re.compile(r"\b1\b")
Said = Callable[..., str]


def questions(
    schedule: Schedule, *, today: date, territory: str, language: str
) -> list[tuple[str, str]]:
    """What customers ask about the hours, and the answers that follow from the rows alone.

    Args:
        today: the first day of which a closure is worth telling, in the business's zone.
        territory: country of the business (ISO 3166), whose public holidays count.
    """
    say = _in(language)
    closures = _coming(schedule, today=today, territory=territory, language=language)
    told = [_closure(closure, language) for closure in closures]
    found: list[tuple[str, str]] = []
    if schedule.hours:
        following = [say("next", closure=told[0])] if told else []
        found.append((say("hours"), "\n".join([*_week(schedule.hours, language), *following])))
        found += [_day(schedule.hours, day, language) for day in range(1, 8)]
    if told:
        found.append((say("closures"), "\n".join(f"- {_capital(one)}" for one in told)))
    found += [(say("closure", closure=one), say("closed_then", closure=one)) for one in told]
    if schedule.closes_on_public_holidays is not None:
        kind = "holidays_closed" if schedule.closes_on_public_holidays else "holidays_open"
        found.append((say("holidays"), say(kind)))
    return found


def _coming(schedule: Schedule, *, today: date, territory: str, language: str) -> list[Closure]:
    """Closures that are not over, and public holidays on which the week says open, by day."""
    found = [closure for closure in schedule.closures if closure.ends_on >= today]
    if schedule.closes_on_public_holidays:
        open_days = {opening.weekday for opening in schedule.hours}
        named = public_holidays(territory, first=today, days=AHEAD_DAYS, language=language)
        for day, name in named.items():
            if day.isoweekday() in open_days:
                found.append(Closure(day, day, name))
    return sorted(found, key=lambda closure: (closure.starts_on, closure.ends_on))


def _week(hours: Sequence[Opening], language: str) -> Iterator[str]:
    """Days with the same hours together, then the days without any."""
    say, names = _in(language), _WEEKDAYS[language]
    for first, last in _runs(hours):
        ranges = _ranges([o for o in hours if o.weekday == first], language)
        kind = {0: "one_day", 1: "two_days"}.get(last - first, "days")
        day = names[first - 1]
        yield say(kind, day=day, first=day, last=names[last - 1], ranges=ranges)
    open_days = {opening.weekday for opening in hours}
    closed = [say("on", day=names[day - 1]) for day in range(1, 8) if day not in open_days]
    if closed:
        joined = ", ".join(closed[:-1]) + say("and") + closed[-1] if closed[1:] else closed[0]
        yield say("closed_days", days=joined)


def _runs(hours: Sequence[Opening]) -> list[tuple[int, int]]:
    """First and last of neighbouring days with the same hours, open days only."""
    by_day = {day: [(o.opens, o.closes) for o in hours if o.weekday == day] for day in range(1, 8)}
    found: list[tuple[int, int]] = []
    for day in range(1, 8):
        if not by_day[day]:
            continue
        if found and found[-1][1] == day - 1 and by_day[day] == by_day[day - 1]:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _day(hours: Sequence[Opening], weekday: int, language: str) -> tuple[str, str]:
    say, day = _in(language), _WEEKDAYS[language][weekday - 1]
    of_day = [opening for opening in hours if opening.weekday == weekday]
    if not of_day:
        return say("day", day=day), say("closed", day=day)
    return say("day", day=day), say("open", day=day, ranges=_ranges(of_day, language))


def _ranges(openings: Sequence[Opening], language: str) -> str:
    return _in(language)("and").join(_range(opening, language) for opening in openings)


def _range(opening: Opening, language: str) -> str:
    say = _in(language)
    if opening.opens == opening.closes:
        return say("whole_day")
    return say(
        "range", opens=_time(opening.opens, language), closes=_time(opening.closes, language)
    )


def _time(at: time, language: str) -> str:
    if at == time(0):
        return {"fr": "minuit", "en": "midnight"}[language]
    if language == "fr":
        return f"{at.hour} h {at.minute:02d}" if at.minute else f"{at.hour} h"
    minutes = f":{at.minute:02d}" if at.minute else ""
    return f"{(at.hour - 1) % 12 + 1}{minutes} {'am' if at.hour < 12 else 'pm'}"


def _closure(closure: Closure, language: str) -> str:
    say = _in(language)
    if closure.starts_on == closure.ends_on:
        told = say("on", day=_date(closure.starts_on, language, "EEEE d MMMM y"))
    else:
        first = _date(closure.starts_on, language, _before(closure))
        told = say("between", first=first, last=_date(closure.ends_on, language, "d MMMM y"))
    return f"{told} ({closure.reason})" if closure.reason else told


def _before(closure: Closure) -> str:
    """As much of its first day as its last day does not say."""
    if closure.starts_on.year != closure.ends_on.year:
        return "d MMMM y"
    return "d MMMM" if closure.starts_on.month != closure.ends_on.month else "d"


def _date(day: date, language: str, pattern: str) -> str:
    told = format_date(day, pattern, locale=language)
    return _FIRST.sub("1er", told, count=1) if language == "fr" and day.day == 1 else told


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in(language: str) -> Said:
    def say(word: str, **values: str) -> str:
        return _WORDS[word][language].format(**values)

    return say
