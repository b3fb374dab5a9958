"""Phone numbers and e-mail addresses, and what each is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from coccinelle.knowledge.facts.lines import Line, folded, words
from coccinelle.knowledge.facts.statements import Statement, places, services, without_places

_PHONE = re.compile(
    r"(?<![\w.,/+-])(?:(?:\+|00)33 ?(?:\(0\))?[ .-]?|0)[1-9](?:[ .\u00a0\u202f/-]?\d\d){4}(?!\d)"
)
_ABROAD = re.compile(r"(?<![\w.,])\+(?!33)\d{1,3}(?:[ .()-]{0,2}\d){6,12}(?!\d)")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_FAX = re.compile(r"\b(?:fax|telecopie\w*)\b")
_PURPOSE = re.compile(
    r"\b(urgen\w*|astreinte|depannage|nuit|24 ?h|reservations?|rendez-vous|fax|sms|whatsapp"
    r"|emergency|bookings|pompiers|samu|police|antipoison|mediateur|direct\w*)\b"
)
# A page that is about emergencies gives their number.
_URGENT = re.compile(r"\b(urgen\w*|astreinte|depannage|emergenc\w*)\b")
_BOOKING_LINE = re.compile(
    r"\breservations? ?:|\bservice reservations?|\bligne de (?:rendez-vous|reservation)"
)
_PERSON = re.compile(r"\b[A-ZÀ-ÖØ-Þ][a-zà-ÿ'’-]+ (?:[Ll]e |[Dd]e |[Dd]u )?[A-ZÀ-ÖØ-Þ][a-zà-ÿ'’-]+")
_ROLE = re.compile(
    r"\b(?:negociat\w+|interlocut\w+|direct(?:eur|rice)|gerante?|commercial\w*|conseill\w+)\b"
)
_HOURS = re.compile(r"\bhoraires?\b|\bouvert|\bhours\b")
_MAIN = frozenset(
    ("contact", "info", "infos", "bonjour", "hello", "accueil", "salut", "mail", "email", "hi")
    + ("welcome", "contacts", "coucou", "secretariat", "agence", "salon", "garage", "cabinet")
)


def phones(lines: Iterable[Line], own: frozenset[str] = frozenset()) -> list[Statement]:
    """The numbers that each line gives, those of one purpose together; faxes are left out."""
    return [statement for line in lines for statement in _phones(line, own)]


def emails(lines: Iterable[Line], own: frozenset[str] = frozenset()) -> list[Statement]:
    """The addresses that each line gives, those of one purpose together."""
    return [statement for line in lines for statement in _emails(line, own)]


def national(number: str) -> str:
    """A French number as it is dialled in France; another one with its country."""
    digits = re.sub(r"\D", "", number.replace("(0)", ""))
    if number.strip().startswith("+33") or digits.startswith("0033"):
        return "0" + digits.removeprefix("00").removeprefix("33")
    return f"+{digits}" if number.strip().startswith("+") else digits


def _phones(line: Line, own: frozenset[str]) -> Iterator[Statement]:
    grouped: dict[frozenset[str], set[str]] = {}
    end = 0
    found = sorted(
        [*_PHONE.finditer(line.text), *_ABROAD.finditer(line.text)], key=lambda m: m.start()
    )
    for match in found:
        label = line.text[end : match.start()]
        end = match.end()
        if _FAX.search(folded(label)):
            continue
        number = national(match.group())
        context = _purpose(line, label, own)
        if number.startswith(("06", "07")):
            context |= {"mobile"}
        grouped.setdefault(context, set()).add(number)
    for context, numbers in grouped.items():
        yield Statement("phone", frozenset(), context, frozenset(numbers), line)


def _purpose(line: Line, label: str, own: frozenset[str]) -> frozenset[str]:
    plain = folded(label)
    said = _URGENT.findall(folded(line.piece.title))
    said += [
        w
        for w in _PURPOSE.findall(plain)
        if w not in ("rendez-vous", "reservation", "reservations")
    ]
    if _BOOKING_LINE.search(plain):
        said.append("reservation")
    if _ROLE.search(plain):
        said.append("person")
    people = (
        [
            word
            for name in _PERSON.findall(without_places(label))
            for word in words(name)
            if word not in own
        ]
        if not _address(plain)
        else []
    )
    headings = [heading for heading in line.headings[-1:] if not _HOURS.search(folded(heading))]
    return (
        frozenset(f"for:{w}" for w in said)
        | frozenset(f"person:{w}" for w in people)
        | places([*headings, label], own)
        | services([label, *headings])
    )


def _address(plain: str) -> bool:
    return re.search(r"\b\d{5}\b", plain) is not None


def _emails(line: Line, own: frozenset[str]) -> Iterator[Statement]:
    grouped: dict[frozenset[str], set[str]] = {}
    for match in _EMAIL.finditer(line.text):
        address = match.group().rstrip(".").casefold()
        local = address.split("@")[0]
        if "." in local:
            continue
        is_main = local in _MAIN or local in own or local == "".join(sorted(own))
        label = line.text[: match.start()]
        context = places([*line.headings[-1:], label], own) | services([label])
        context |= frozenset() if is_main else {f"for:{local}"}
        grouped.setdefault(context, set()).add(address)
    for context, addresses in grouped.items():
        yield Statement("email", frozenset(), context, frozenset(addresses), line)
