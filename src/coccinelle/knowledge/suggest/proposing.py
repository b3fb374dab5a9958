"""Proposes what a site says of its business: marked up first, then what its lines state."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import time

from coccinelle.foundation.outgoing import Outgoing
from coccinelle.knowledge.facts import contacts, hours, prices
from coccinelle.knowledge.facts.lines import Line, folded, words
from coccinelle.knowledge.facts.statements import Statement
from coccinelle.knowledge.suggest.markup import Marked, day_name
from coccinelle.knowledge.suggest.model import (
    MAX_EXCERPT_CHARS,
    Opening,
    Proposal,
    Service,
    Suggestion,
)
from coccinelle.knowledge.suggest.tone import tone_of
from coccinelle.knowledge.suggest.visiting import Visited, visit
from coccinelle.providers.language.model import LanguageModel, ModelCall

MOST_SERVICES = 40
LONGEST_NAME_CHARS = 100
_TITLE_PARTS = re.compile(r"\s+[|–—·:-]\s+")
_STREET = re.compile(
    r"(\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd|place|quai|impasse|chemin|route"
    r"|all[ée]e|cours|square|passage|faubourg|esplanade)\b[^,;|\n]{2,60})[,;|\s]*"
    r"(?:[-–]\s*)?(\d{5} [A-ZÀ-Ü][\w’'-]+(?:[ -][A-ZÀ-Ü][\w’'-]+)*)?",
    re.IGNORECASE,
)
_TOWN = re.compile(r"^\d{5} \S")
_MINUTES = re.compile(r"^(\d{1,2}):(\d{2})$")


async def suggest(
    outgoing: Outgoing,
    url: str,
    *,
    model: LanguageModel | None = None,
    calls: list[ModelCall] | None = None,
) -> Suggestion:
    """What the site at `url` says: read on at most eight of its pages, and written nowhere.

    Args:
        url: as people write it; https where they do not say.
        model: says how the site speaks; its attempts are appended to `calls`.

    Raises:
        BadAddress, Unreachable, TooSlow, AnswerTooLarge, RedirectRefused, NotCrawled: the home
            page cannot be read.
    """
    pages = await visit(outgoing, url)
    name = _name(pages)
    own = frozenset(words(name.value)) if name else frozenset()
    week, closed = _week(pages, own)
    return Suggestion(
        website=pages[0].url,
        pages=tuple(page.url for page in pages),
        name=name,
        phone=_phone(pages, own),
        email=_email(pages, own),
        address=_address(pages),
        hours=week,
        closed_days=closed,
        services=tuple(_services(pages))[:MOST_SERVICES],
        tone=await tone_of(model, pages, calls if calls is not None else []),
    )


def _name(pages: Sequence[Visited]) -> Proposal | None:
    for page in pages:
        for value in page.marked.name:
            return Proposal(value[:LONGEST_NAME_CHARS], page.url, f"name: {value}")
    for page in pages:
        if page.marked.site_name:
            found = page.marked.site_name
            return Proposal(found[:LONGEST_NAME_CHARS], page.url, f"og:site_name: {found}")
    return _titled(pages)


def _titled(pages: Sequence[Visited]) -> Proposal | None:
    """What the titles of most pages share, else what the home page calls itself."""
    parts = Counter(part for page in pages for part in set(_TITLE_PARTS.split(page.marked.title)))
    home = pages[0]
    shared = [p for p, count in parts.most_common() if p and count > 1 and count >= len(pages) / 2]
    own = [part for part in _TITLE_PARTS.split(home.marked.title) if part]
    best = next(iter(shared), None) or min(own, key=len, default=None)
    best = best or next(iter(home.marked.headings), None)
    if not best:
        return None
    return Proposal(best[:LONGEST_NAME_CHARS], home.url, home.marked.title or best)


def _marked(
    pages: Sequence[Visited], values: Callable[[Marked], Sequence[str]], name: str
) -> Proposal | None:
    for page in pages:
        for value in values(page.marked):
            return Proposal(value, page.url, f"{name}: {value}"[:MAX_EXCERPT_CHARS])
    return None


def _phone(pages: Sequence[Visited], own: frozenset[str]) -> Proposal | None:
    found = _marked(pages, lambda marks: marks.phone, "telephone")
    if found:
        return found
    stated = contacts.phones(_lines(pages), own)
    main = [s for s in stated if not s.context] or [s for s in stated if s.context == {"mobile"}]
    known = {value for s in stated for value in s.values}
    linked = [
        (contacts.national(number), page.url, f"tel:{number}")
        for page in pages
        for number in page.marked.linked_phones
        if contacts.national(number) not in known
    ]
    return _commonest(main, linked)


def _email(pages: Sequence[Visited], own: frozenset[str]) -> Proposal | None:
    found = _marked(pages, lambda marks: marks.email, "email")
    if found:
        return found
    stated = contacts.emails(_lines(pages), own)
    main = [s for s in stated if not s.context]
    known = {value for s in stated for value in s.values}
    linked = [
        (address.casefold(), page.url, f"mailto:{address}")
        for page in pages
        for address in page.marked.linked_emails
        if "@" in address and address.casefold() not in known
    ]
    return _commonest(main or stated, linked)


def _commonest(
    stated: Sequence[Statement], linked: Sequence[tuple[str, str, str]]
) -> Proposal | None:
    """The value that most lines give, the earliest of equals; a link's where no line gives one."""
    counted = Counter(value for statement in stated for value in statement.values)
    if counted:
        best = counted.most_common(1)[0][0]
        return _of_line(best, next(s.line for s in stated if best in s.values))
    return Proposal(*linked[0]) if linked else None


def _of_line(value: str, line: Line) -> Proposal:
    return Proposal(value, line.piece.url or "", line.text[:MAX_EXCERPT_CHARS])


def _address(pages: Sequence[Visited]) -> Proposal | None:
    found = _marked(pages, lambda marks: marks.address, "address")
    if found:
        return found
    for page in pages:
        for place, line in enumerate(page.lines):
            if match := _STREET.search(line.text):
                after = page.lines[place + 1].text if place + 1 < len(page.lines) else ""
                town = match[2] or (after if _TOWN.match(after) else "")
                value = ", ".join(part.strip() for part in (match[1], town) if part)
                excerpt = line.text if match[2] or not town else f"{line.text} {town}"
                return Proposal(value, page.url, excerpt[:MAX_EXCERPT_CHARS])
    return None


def _week(
    pages: Sequence[Visited], own: frozenset[str]
) -> tuple[tuple[Opening, ...], tuple[int, ...]]:
    """The usual week: marked up, else the page that says most of it. Seasons are left out."""
    for page in pages:
        if page.marked.hours:
            return tuple(_marked_hours(page)), ()
    stated = [s for s in hours.hours(_lines(pages), own) if not _is_special(s)]
    by_place: dict[tuple[str, frozenset[str]], list[Statement]] = defaultdict(list)
    for statement in stated:
        by_place[statement.line.piece.url or "", statement.context].append(statement)
    if not by_place:
        return (), ()
    best = max(by_place.values(), key=lambda group: len({s.label for s in group}))
    return tuple(_openings(best)), _closed(best)


def _marked_hours(page: Visited) -> Iterator[Opening]:
    for weekday, opens, closes in sorted(set(page.marked.hours)):
        excerpt = f"{day_name(weekday)} {opens}-{closes}"
        first, last = _time(opens), _time(closes)
        if first is not None and last is not None:
            yield Opening(weekday, first, last, page.url, excerpt)


def _is_special(statement: Statement) -> bool:
    return any(word.startswith("season:") for word in statement.context)


def _openings(group: Iterable[Statement]) -> Iterator[Opening]:
    seen: set[str] = set()
    for statement in sorted(group, key=lambda s: hours.WEEKDAYS.index(s.label)):
        value = next(iter(statement.values))
        if statement.label in seen or value in (hours.CLOSED, hours.OPEN):
            continue
        seen.add(statement.label)
        weekday = hours.WEEKDAYS.index(statement.label) + 1
        line = statement.line
        for span in value.split():
            opens, closes = (_time(clock) for clock in span.split("-"))
            if opens is not None and closes is not None:
                excerpt = line.text[:MAX_EXCERPT_CHARS]
                yield Opening(weekday, opens, closes, line.piece.url or "", excerpt)


def _closed(group: Iterable[Statement]) -> tuple[int, ...]:
    days = {s.label for s in group if hours.CLOSED in s.values}
    return tuple(n for n, day in enumerate(hours.WEEKDAYS, start=1) if day in days)


def _time(clock: str) -> time | None:
    match = _MINUTES.match(clock)
    if match is None or int(match[2]) > 59:
        return None
    return time(int(match[1]) % 24, int(match[2]))


def _services(pages: Sequence[Visited]) -> Iterator[Service]:
    """What is listed with a price, each once, as the pages order them."""
    seen: set[str] = set()
    for service in [*_marked_services(pages), *_listed_services(pages)]:
        key = " ".join(words(service.name))
        if key and key not in seen:
            seen.add(key)
            yield service


def _marked_services(pages: Sequence[Visited]) -> Iterator[Service]:
    for page in pages:
        for name, price in page.marked.services:
            if re.fullmatch(r"\d{1,6}(?:[.,]\d{1,2})?", price):
                cents = round(float(price.replace(",", ".")) * 100)
                excerpt = f"{name}: {price} EUR"[:MAX_EXCERPT_CHARS]
                yield Service(name[:LONGEST_NAME_CHARS], cents, False, page.url, excerpt)


def _listed_services(pages: Sequence[Visited]) -> Iterator[Service]:
    for price in prices.prices(_lines(pages)):
        is_plain = not any(word in price.subject for word in ("%", "ht"))
        named = 2 < len(price.label) <= LONGEST_NAME_CHARS and re.search(r"[^\W\d]", price.label)
        if price.line.is_item and is_plain and named and not price.is_offer:
            cents = round(min(float(value) for value in price.values) * 100)
            label = price.label[:1].upper() + price.label[1:]
            excerpt = price.line.text[:MAX_EXCERPT_CHARS]
            yield Service(label, cents, price.at_least, price.line.piece.url or "", excerpt)


def _lines(pages: Sequence[Visited]) -> list[Line]:
    """Every line of the pages; what stands around each of them, a footer, once."""
    seen: set[str] = set()
    found = []
    for line in (line for page in pages for line in page.lines):
        is_around = not line.piece.title
        if not (is_around and folded(line.text) in seen):
            found.append(line)
        if is_around:
            seen.add(folded(line.text))
    return found
