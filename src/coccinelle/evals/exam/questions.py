"""Which questions an exam asks: what is told in two ways, the sector's pack, the content's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from coccinelle.evals.exam.contradictions import Contradiction
from coccinelle.evals.exam.model import MAX_QUESTION_CHARS, Conflicting, Found, NewQuestion, Side
from coccinelle.evals.exam.packs import PRICE, PackQuestion, pack, topics
from coccinelle.evals.exam.reading import DECLARED, Content
from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge.facts.lines import folded
from coccinelle.knowledge.facts.prices import name_of
from coccinelle.knowledge.facts.statements import Statement
from coccinelle.knowledge.parsing.model import bare_heading, is_question

MOST_QUESTIONS = 20
FROM_PACK = 12
MOST_CONTRADICTIONS = 8
# Of what the model is asked to write.
FROM_MODEL = 4
LONGEST_EXCERPT_CHARS = 300

_HOW_MUCH = {"fr": "Quel est le tarif « {name} » ?", "en": 'What is the price of "{name}"?'}
_WHEN = {
    "fr": "Quels sont vos horaires le {name} ?",
    "en": "What are your opening hours on {name}?",
}
_DAYS = {
    "lundi": "Monday",
    "mardi": "Tuesday",
    "mercredi": "Wednesday",
    "jeudi": "Thursday",
    "vendredi": "Friday",
    "samedi": "Saturday",
    "dimanche": "Sunday",
}
_CONTACT = {
    ("phone", "fr"): "À quel numéro peut-on vous appeler ?",
    ("phone", "en"): "What number can I call you on?",
    ("email", "fr"): "À quelle adresse e-mail puis-je vous écrire ?",
    ("email", "en"): "What e-mail address can I write to?",
}
_NO_NAME = re.compile(r"^[\d\s.,€%()/-]*$")
# Headings that praise, rather than what a customer asks.
_ABOUT_US = re.compile(r"^(?!.*\bvous\b).*\bnous\b|\babout us\b|\bwhy us\b|\bwe work\b")
_ARTICLE = re.compile(r"^(?:(?:la|le|les|un|une|nos|the|a|an)\s+|l['’])", re.IGNORECASE)


def composed(
    content: Content,
    *,
    sector: str | None,
    locale: Locale,
    written: Sequence[str] = (),
) -> list[NewQuestion]:
    """At most 20 questions, none twice, in an order that depends on the content alone.

    Args:
        written: questions by a language model.
    """
    asked = pack(sector)[:FROM_PACK]
    contradicted = list(_contradicted(content, locale))
    first = _joined([_of_pack(one, locale) for one in asked], contradicted)
    room = MOST_QUESTIONS - len(first)
    from_model = [NewQuestion(text, "model") for text in written[:FROM_MODEL] if _fits(text)]
    own = _own(content, locale)
    return _once([*first, *from_model, *own])[: len(first) + max(room, 0)]


def found(content: Content, *, sector: str | None) -> Found:
    """What the content holds of what the sector's customers ask about, and what it lacks."""
    asked = [one.topic for one in pack(sector) if one.topic != PRICE and one.topic in topics()]
    counted = dict.fromkeys(["hours", *asked[:FROM_PACK], "refund"])
    held = [topic for topic in counted if content.speaking(topic)]
    return Found(
        pages=len({piece.document_id for piece in content.pieces}),
        prices=content.price_count,
        found_topics=tuple(held),
        missing_topics=tuple(topic for topic in counted if topic not in held),
    )


def _contradicted(content: Content, locale: Locale) -> Iterator[NewQuestion]:
    for one in content.contradictions[:MOST_CONTRADICTIONS]:
        yield NewQuestion(
            _asking(one, locale),
            "content",
            topic=PRICE if one.kind == "price" else one.kind,
            about=one.subject,
            conflict=conflicting(one),
        )


def conflicting(one: Contradiction) -> Conflicting:
    """A contradiction as it is shown and kept."""
    return Conflicting(one.kind, one.subject, (_side(one.one), _side(one.other)))


def _side(statement: Statement) -> Side:
    piece = statement.line.piece
    return Side(
        piece.place,
        piece.url,
        statement.line.text[:LONGEST_EXCERPT_CHARS],
        tuple(sorted(statement.values)),
        is_declared=piece.chunk_id == DECLARED,
    )


def _asking(one: Contradiction, locale: Locale) -> str:
    if one.kind == "price":
        return _how_much(one.one.label or one.subject, locale)
    if one.kind == "hours":
        day = one.subject if locale == "fr" else _DAYS[one.subject]
        return _WHEN[locale].format(name=day)
    return _CONTACT[one.kind, locale]


def _how_much(name: str, locale: Locale) -> str:
    bare = _ARTICLE.sub("", name.strip(" .:-–—"))
    return _HOW_MUCH[locale].format(name=bare[:1].upper() + bare[1:])[:MAX_QUESTION_CHARS]


def _of_pack(one: PackQuestion, locale: Locale) -> NewQuestion:
    return NewQuestion(one.text(locale), "pack", topic=one.topic, about=one.about)


def _joined(asked: list[NewQuestion], contradicted: Iterable[NewQuestion]) -> list[NewQuestion]:
    """A contradiction goes with the pack's question that asks for the same thing, else is asked
    by itself."""
    result = list(asked)
    for one in contradicted:
        place = next((i for i, q in enumerate(result) if _asks_for(q, one)), None)
        if place is None:
            result.append(one)
        else:
            known = result[place]
            result[place] = NewQuestion(
                known.text, known.origin, known.topic, known.about, one.conflict
            )
    return result


def _asks_for(asked: NewQuestion, one: NewQuestion) -> bool:
    if asked.conflict is not None or asked.topic != one.topic:
        return False
    return asked.topic != PRICE or name_of(asked.about) == name_of(one.about)


def _own(content: Content, locale: Locale) -> Iterator[NewQuestion]:
    """Questions that the content answers itself, and prices that it states, by turns."""
    asked = _shuffled(
        NewQuestion(_asked(piece.question or piece.heading.split(" > ")[-1]), "content")
        for piece in content.pieces
        if is_question(piece.question or piece.heading.split(" > ")[-1])
        and not _ABOUT_US.search(folded(piece.question or piece.heading))
    )
    priced = _shuffled(
        NewQuestion(_how_much(price.label, locale), "content", topic=PRICE, about=price.label)
        for price in content.of_kind("price")
        if price.line.is_item and not _NO_NAME.match(price.label) and len(price.label) <= 80
    )
    for place in range(max(len(asked), len(priced))):
        yield from asked[place : place + 1]
        yield from priced[place : place + 1]


def _asked(heading: str) -> str:
    bare = bare_heading(heading)
    return bare if bare.endswith("?") else f"{bare} ?"


def _shuffled(found: Iterable[NewQuestion]) -> list[NewQuestion]:
    """In an order that is the same for the same content, and is not that of one page."""
    fitting = [one for one in found if _fits(one.text)]
    return sorted(fitting, key=lambda one: hashlib.sha256(one.text.encode()).digest())


def _fits(text: str) -> bool:
    return 8 <= len(text.strip()) <= MAX_QUESTION_CHARS


def _once(asked: Iterable[NewQuestion]) -> list[NewQuestion]:
    kept: dict[str, NewQuestion] = {}
    for one in asked:
        kept.setdefault(re.sub(r"\W+", " ", folded(one.text)).strip(), one)
    return list(kept.values())
