"""Opening hours by weekday, as lists, tables and sentences give them, in French and English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from coccinelle.knowledge.facts.lines import Line, folded, words
from coccinelle.knowledge.facts.statements import Statement, people, places, seasons, services

WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
CLOSED = "closed"
OPEN = "open"

_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = {
    **{short: day for day, name in enumerate(WEEKDAYS) for short in (name, f"{name}s", name[:3])},
    **{short: day for day, name in enumerate(_ENGLISH) for short in (name, f"{name}s", name[:3])},
    **{"tues": 1, "weds": 2, "thur": 3, "thurs": 3},
}
_NAMES = "|".join(sorted(_SHORT, key=len, reverse=True))
_DAY = rf"(?:{_NAMES})\b\.?"
_EVERY_DAY = r"(?:tous les jours|7 ?j(?:ours)? ?(?:sur|/) ?7|every day|daily)"
_GROUP = re.compile(
    rf"(?<![\w'])(?:{_EVERY_DAY}|(?:le |les )?week-?ends?|{_DAY}"
    rf"(?:(?: ?(?:,|et|and|&|/|ou) ?(?:le |les )?| (?:au|a|to|through|until) | ?- ?){_DAY})*)"
    r"(?! \d{1,2} ?[a-z]{3,})"
)
_SPAN = re.compile(rf"({_DAY}) ?(?:au|a|to|through|until|-) ?({_DAY})")
_SMALL = frozenset(("du", "de", "le", "au", "et", "les", "jour", "matin", "apres", "midi", "soir"))
_TIME = (
    r"(\d{1,2}) ?(?:h(?:eures?|rs?)?|:|\.(?=\d\d))? ?(\d{2})?(?!\d) ?([ap]\.?m\.?)?"
    r"|(midi|minuit|noon|midnight)"
)
_INTERVAL = re.compile(
    rf"(?<![\d.,])(?:{_TIME}) ?(?:-|a|to|until|jusqu'a|et|/) ?(?:{_TIME})(?![\d€%])"
)
_CLOSED = re.compile(r"\bferme(?:e|s|es)?\b|\bclosed\b|\bfermeture\b")
_OPENS = re.compile(
    r"\bouver\w+|\bouvr\w+|\baccueill\w+|\brece(?:vons|voit|ption)|\bhoraires?\b|\bferm\w+|\bopen\w*"
    r"|\bclosed\b|\bhours\b|\bwelcome|\bservons\b|\bservice (?:de|du|a)\b"
)
_NOT_OPENING = re.compile(
    r"\breuni|\bvisites? (?:ont|se)|\bpresent|\bappel\w* (?:du|le|au)|\bjoignable|\brepond|\bstage"
    r"|\bportes ouvertes|\bformation|\bmarche\b|\blivr(?:ons|aison)|\bcommandes? (?:avant|passees)"
    r"|\bconsulte\b|\bexerce\b|\banime\b|\bassure\b|\brecoit\b|\btravaille|\bdisponible|\bconcert"
    r"|\bmeeting|\bdeliver|\bhappy hour|\bparking\b|\bretrait|\bcollect|\bmenu|\bformule|\btarif|€"
)


def hours(lines: Iterable[Line], own: frozenset[str] = frozenset()) -> list[Statement]:
    """What each line says of a weekday: intervals ("9:00-12:00 14:00-18:00"), closed or open.

    Args:
        own: words of the business's name, which tell none of its places apart.
    """
    return [statement for line in lines for statement in _of(line, own)]


def _of(line: Line, own: frozenset[str]) -> Iterator[Statement]:
    text = folded(line.text)
    groups = list(_GROUP.finditer(text))
    if not groups or not _is_opening(line, text):
        return
    context = _context(line, text[: groups[0].start()], own)
    for days, value in _values(text, groups):
        for day in days:
            name = WEEKDAYS[day]
            yield Statement(
                "hours", frozenset({name}), context, frozenset({value}), line, label=name
            )


def _is_opening(line: Line, text: str) -> bool:
    if _NOT_OPENING.search(text):
        return False
    if _OPENS.search(text) or any(_OPENS.search(folded(h)) for h in line.headings):
        return True
    left = words(_INTERVAL.sub(" ", _GROUP.sub(" ", text)))
    return len([word for word in left if word not in _SMALL]) <= 3 and bool(_INTERVAL.search(text))


def _context(line: Line, before: str, own: frozenset[str]) -> frozenset[str]:
    """Where, when and of what: from the headings and from what stands before the first day."""
    lead = line.text[: len(before)] if len(folded(line.text)) == len(line.text) else before
    texts = [*line.headings, line.piece.question or "", lead]
    return (
        places(texts, own, titles=[line.piece.title])
        | seasons([*texts, line.text])
        | services(texts)
        | people([*line.headings[-1:], *([lead] if line.is_item else [])], own)
        | _labelled(before)
    )


def _labelled(before: str) -> frozenset[str]:
    """Of `Yoga doux : lundi de 12h à 13h`, that it is yoga's."""
    label, colon, _ = before.partition(":")
    known = _OPENS.search(label) or _CLOSED.search(label) or not colon
    return (
        frozenset() if known else frozenset(f"label:{w}" for w in words(label) if w not in _SMALL)
    )


def _values(text: str, groups: list[re.Match[str]]) -> Iterator[tuple[list[int], str]]:
    """Each group of days with what is said of it: what follows, else what stands before."""
    for place, group in enumerate(groups):
        end = groups[place + 1].start() if place + 1 < len(groups) else len(text)
        start = groups[place - 1].end() if place else 0
        after, before = text[group.end() : end], text[start : group.start()]
        value = _value(after, before, is_first=place == 0, is_alone=len(groups) == 1)
        if value:
            yield _days(group.group()), value


def _value(after: str, before: str, *, is_first: bool, is_alone: bool) -> str | None:
    shut_before = _CLOSED.search(before)
    found = _intervals(after)
    if found and not (shut_before and _CLOSED.search(after) is None and not is_first):
        return found
    if _CLOSED.search(after) and not shut_before:
        return CLOSED
    if shut_before:
        return CLOSED
    if is_alone and (found := _intervals(before)):
        return found
    is_open = re.search(r"\bouver(?:t|te|ts|tes)\b|\bouvr|\bopen\b|\baccueill", before)
    return OPEN if is_open and not re.search(r"rendez-vous|sauf", after) else None


def _intervals(text: str) -> str:
    found = []
    for match in _INTERVAL.finditer(text):
        first, last = match.groups()[:4], match.groups()[4:]
        opens, closes = _minutes(*first, like=last[2]), _minutes(*last, like=None)
        is_time = any(mark in match.group() for mark in ("h", ":", "m", "n"))
        if is_time and opens is not None and closes is not None and opens < 1440 and closes <= 1560:
            found.append((opens, closes))
    return " ".join(f"{_clock(a)}-{_clock(b)}" for a, b in sorted(set(found)))


def _minutes(
    hour: str | None, minute: str | None, half: str | None, word: str | None, *, like: str | None
) -> int | None:
    if word:
        return 0 if word in ("minuit", "midnight") else 720
    if hour is None or int(hour) > 24:
        return None
    count = int(hour)
    half = half or (like if like and like.startswith("a") else None)
    if half:
        count = count % 12 + (12 if half.startswith("p") else 0)
    return count * 60 + int(minute or 0)


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _days(text: str) -> list[int]:
    if re.fullmatch(_EVERY_DAY, text):
        return list(range(7))
    if "week" in text:
        return [5, 6]
    found: set[int] = set()
    for span in _SPAN.finditer(text):
        first, last = (_SHORT[day.strip(". ")] for day in span.groups())
        found |= (
            set(range(first, last + 1)) if first <= last else {*range(first, 7), *range(last + 1)}
        )
    found |= {_SHORT[name] for name in re.findall(rf"\b({_NAMES})\b", text)}
    return sorted(found)
