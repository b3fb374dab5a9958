"""What the pages of customers show: what was said, and what was done to answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from coccinelle.conversations import reading
from coccinelle.conversations.reading import Line, Turn
from coccinelle.foundation.clock import now
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.i18n import Locale, codes, sentence

Moment = Callable[[datetime], str]


@dataclass(frozen=True)
class Said:
    """A line, and the turn that ends with it, if one does.

    A turn ends with its answer, or with the customer's message where it has none.
    """

    line: Line
    turn: Turn | None = None
    failure: str | None = None


def last_of(lines: Sequence[Line], *, most: int) -> Sequence[Line]:
    """The last `most` lines; one fewer where an answer would stand without its question."""
    shown, earlier = lines[-most:], lines[:-most]
    is_parted = bool(earlier) and shown[0].turn_id is not None
    return shown[1:] if is_parted and shown[0].turn_id == earlier[-1].turn_id else shown


async def told(tx: TenantTx, lines: Sequence[Line], lang: Locale) -> list[Said]:
    """What was said, with the turns that it is part of."""
    ends = {line.turn_id: line.seq for line in lines if line.turn_id is not None}
    turns = await reading.turns(tx, list(ends))
    found = []
    for line in lines:
        is_end = line.turn_id is not None and ends[line.turn_id] == line.seq
        turn = turns.get(line.turn_id) if is_end and line.turn_id is not None else None
        found.append(Said(line, turn, _failure(turn, lang)))
    return found


def _failure(turn: Turn | None, lang: Locale) -> str | None:
    if turn is None or turn.failure_code not in codes():
        return None
    return sentence(turn.failure_code, lang)


def moments(lang: Locale, zone: str) -> Moment:
    """How an instant is written where there is little room: the day only when it is not today."""
    clock = ZoneInfo(zone)
    today = now().astimezone(clock).date()

    def moment(instant: datetime) -> str:
        there = instant.astimezone(clock)
        pattern = "HH:mm" if there.date() == today else "d MMM HH:mm"
        if there.year != today.year:
            pattern = "d MMM y HH:mm"
        return format_datetime(there, pattern, tzinfo=clock, locale=lang)

    return moment
