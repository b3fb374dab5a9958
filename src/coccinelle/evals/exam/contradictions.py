"""Two statements of one business that cannot both be right, each with the other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coccinelle.knowledge.facts.hours import CLOSED, OPEN, WEEKDAYS
from coccinelle.knowledge.facts.prices import AUDIENCES, name_of
from coccinelle.knowledge.facts.statements import Kind, Statement

T = TypeVar("T")

# Two lists of hours are of one place when at least this share of their common days agree.
SAME_PLACE_SHARE = 0.5


@dataclass(frozen=True)
class Contradiction:
    """What is told in two ways; `subject` is a service or a weekday as it is written, or empty."""

    kind: Kind
    subject: str
    one: Statement
    other: Statement


def contradictions(statements: Sequence[Statement]) -> list[Contradiction]:
    """One for each subject that is told in two ways, in the order of the statements."""
    of: dict[Kind, list[Statement]] = defaultdict(list)
    for statement in statements:
        of[statement.kind].append(statement)
    return [
        *_distinct(_priced(of["price"])),
        *_distinct(_timed(of["hours"])),
        *_distinct(_contacts(of["phone"])),
        *_distinct(_contacts(of["email"])),
    ]


def _distinct(found: Iterable[Contradiction]) -> Iterator[Contradiction]:
    """Each subject once: the third page that says the same adds nothing to do."""
    seen: set[object] = set()
    for one in found:
        key = _what(one)
        if key not in seen:
            seen.add(key)
            yield one


def _what(found: Contradiction) -> object:
    """What one correction would settle: a service, a contact, the hours that two pages give."""
    if found.kind == "price":
        return found.kind, found.one.subject
    if found.kind == "hours":
        sides = frozenset((s.values, s.context) for s in (found.one, found.other))
        return found.kind, sides
    return found.kind, found.one.context


def _priced(prices: Sequence[Statement]) -> Iterator[Contradiction]:
    usable = [price for price in prices if not price.is_offer]
    named: dict[frozenset[str], list[Statement]] = defaultdict(list)
    for price in usable:
        named[price.subject].append(price)
        if price.context:
            named[price.subject | price.context].append(price)
    ambiguous = {name for name, group in named.items() if _means_several(name, group)}
    for name, group in named.items():
        for one, other in _pairs(group):
            if (
                name in ambiguous
                and one.context != other.context
                and name in (one.subject, other.subject)
            ):
                continue
            if _is_one_service(one, other) and not _prices_agree(one, other):
                yield Contradiction("price", min(one.label, other.label, key=len), one, other)


def _means_several(name: frozenset[str], group: Sequence[Statement]) -> bool:
    """One page has the name under several headings, at several prices."""
    return any(
        one.document == other.document
        and one.context != other.context
        and one.subject == other.subject == name
        and not _prices_agree(one, other)
        for one, other in _pairs(group)
    )


def _is_one_service(one: Statement, other: Statement) -> bool:
    """Not where each is for somebody that the other is not for."""
    first, second = _audience(one), _audience(other)
    return not (first - second and second - first)


def _audience(price: Statement) -> frozenset[str]:
    return (price.subject | price.context | name_of(price.line.piece.title)) & AUDIENCES


def _prices_agree(one: Statement, other: Statement) -> bool:
    if one.values & other.values:
        return True
    first, second = (sorted(float(v) for v in s.values) for s in (one, other))
    if one.at_least or other.at_least:
        low, high = (first, second) if one.at_least else (second, first)
        return _both_at_least(one, other) or high[0] >= low[0]
    overlap = first[0] <= second[-1] and second[0] <= first[-1]
    return (one.is_range or other.is_range) and overlap


def _both_at_least(one: Statement, other: Statement) -> bool:
    """Two lowest prices never agree unless they are the same."""
    return one.at_least and other.at_least and one.values == other.values


def _timed(hours: Sequence[Statement]) -> Iterator[Contradiction]:
    schedules = _schedules(hours)
    for one, other in _pairs(schedules):
        if not _is_one_place(one, other):
            continue
        for day in (day for day in WEEKDAYS if day in one.days and day in other.days):
            for a, b in ((a, b) for a in one.days[day] for b in other.days[day]):
                if not _hours_agree(a, b):
                    yield Contradiction("hours", a.label, a, b)


@dataclass(frozen=True)
class _Schedule:
    """What one page says of the hours of one place."""

    context: frozenset[str]
    days: dict[str, list[Statement]]


def _schedules(hours: Sequence[Statement]) -> list[_Schedule]:
    grouped: dict[tuple[object, frozenset[str]], list[Statement]] = defaultdict(list)
    for statement in hours:
        grouped[statement.document, statement.context].append(statement)
    made = []
    for (_, context), group in grouped.items():
        days: dict[str, list[Statement]] = defaultdict(list)
        for statement in group:
            days[statement.label].append(statement)
        made.append(_Schedule(context, days))
    return made


def _is_one_place(one: _Schedule, other: _Schedule) -> bool:
    if one.context == other.context:
        return True
    if _seasonal(one) or _seasonal(other) or (one.context and other.context):
        return False
    shared = one.days.keys() & other.days.keys()
    agreeing = [d for d in shared if _hours_agree(one.days[d][0], other.days[d][0])]
    return bool(shared) and len(shared) > 1 and len(agreeing) / len(shared) >= SAME_PLACE_SHARE


def _seasonal(schedule: _Schedule) -> bool:
    return any(word.startswith("season:") for word in schedule.context)


def _hours_agree(one: Statement, other: Statement) -> bool:
    first, second = next(iter(one.values)), next(iter(other.values))
    if first == second:
        return True
    if CLOSED in (first, second):
        return False
    if OPEN in (first, second):
        return True
    ends = [re.split("[ -]", value) for value in (first, second)]
    if len(ends[0]) == len(ends[1]):
        return False
    # One leaves out the break at noon.
    return (ends[0][0], ends[0][-1]) == (ends[1][0], ends[1][-1])


def _contacts(contacts: Sequence[Statement]) -> Iterator[Contradiction]:
    for one, other in _pairs(contacts):
        is_same = one.context == other.context
        if is_same and not one.values & other.values and not _listed_together(one, other, contacts):
            yield Contradiction(one.kind, "", one, other)


def _listed_together(one: Statement, other: Statement, all_: Sequence[Statement]) -> bool:
    """Somewhere both are given side by side, as two ways of reaching the business."""
    return any(s.values & one.values and s.values & other.values for s in all_)


def _pairs(items: Sequence[T]) -> Iterator[tuple[T, T]]:
    for place, one in enumerate(items):
        for other in items[place + 1 :]:
            yield one, other
