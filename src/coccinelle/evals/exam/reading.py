"""All that an exam knows of a business's content before it asks anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from coccinelle.evals.exam.contradictions import Contradiction, contradictions
from coccinelle.evals.exam.model import ExamQuestion
from coccinelle.evals.exam.packs import PRICE, topics
from coccinelle.knowledge.facts import contacts, hours, prices
from coccinelle.knowledge.facts.lines import Line, Piece, lines, words
from coccinelle.knowledge.facts.prices import has_amount, name_of
from coccinelle.knowledge.facts.statements import Kind, Statement
from coccinelle.knowledge.parsing.model import bare_heading

# Stands for the business's own row where a chunk's id would be.
DECLARED = UUID(int=0)


@dataclass(frozen=True)
class Declared:
    """What the business itself told us of itself, in its own rows."""

    company: str
    phone: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Content:
    """The pieces, their lines and what they state."""

    pieces: tuple[Piece, ...]
    lines: tuple[Line, ...]
    statements: tuple[Statement, ...]
    contradictions: tuple[Contradiction, ...]

    def of_kind(self, kind: str) -> list[Statement]:
        """The statements of a kind."""
        return [statement for statement in self.statements if statement.kind == kind]

    @property
    def price_count(self) -> int:
        """How many prices are stated, those of each line once; what is free is none."""
        prices = self.of_kind("price")
        found = {(p.line.piece.chunk_id, p.line.text, v) for p in prices for v in p.values}
        return sum(value != "0" for *_, value in found)

    def speaking(self, topic: str, about: str = "") -> list[Piece]:
        """The pieces that speak of a topic, or state the price of `about`."""
        if topic == PRICE:
            return self._pricing(about)
        known = topics()[topic]
        stated = [s.line.piece for s in self.of_kind(known.fact)] if known.fact else []
        said = [piece for piece in self.pieces if known.speaks(_whole(piece))]
        return list({piece.chunk_id: piece for piece in [*stated, *said]}.values())

    def about(self, question: ExamQuestion) -> list[Piece]:
        """The pieces that speak of what a question asks, as far as that is known."""
        if question.topic:
            return self.speaking(question.topic, question.about)
        asked = _bare(question.text)
        return [p for p in self.pieces if asked in (_bare(p.question or ""), _bare(_innermost(p)))]

    def _pricing(self, about: str) -> list[Piece]:
        wanted = name_of(about)
        stated = [s.line.piece for s in self.of_kind("price") if wanted <= s.subject | s.context]
        near = [
            line.piece
            for line in self.lines
            if has_amount(line.text) and wanted <= name_of(" ".join([*line.headings, line.text]))
        ]
        return list({piece.chunk_id: piece for piece in [*stated, *near]}.values())


def read(pieces: Iterable[Piece], declared: Declared) -> Content:
    """What the pieces state, and where they contradict each other or what the business declared."""
    known = tuple(pieces)
    found = tuple(lines(known))
    own = frozenset(words(declared.company))
    statements = (
        *prices.prices(found),
        *hours.hours(found, own),
        *contacts.phones(found, own),
        *contacts.emails(found, own),
    )
    both = [*contradictions(statements), *_with_rows(statements, declared)]
    return Content(known, found, statements, tuple(both))


def _with_rows(statements: Sequence[Statement], declared: Declared) -> list[Contradiction]:
    """Where the site gives another number or address than the business's own row."""
    found = []
    rows: list[tuple[Kind, str]] = []
    if declared.phone:
        rows.append(("phone", contacts.national(declared.phone)))
    if declared.email:
        rows.append(("email", declared.email.casefold()))
    for kind, value in rows:
        stated = [s for s in statements if s.kind == kind]
        main = [s for s in stated if not s.context - {"mobile"}]
        if main and not any(value in s.values for s in stated):
            found.append(Contradiction(kind, "", _declaration(kind, value), main[0]))
    return found


def _declaration(kind: Kind, value: str) -> Statement:
    line = Line(Piece(DECLARED, DECLARED, "", None, "", value), value, ())
    return Statement(kind, frozenset(), frozenset(), frozenset({value}), line)


def _innermost(piece: Piece) -> str:
    return piece.heading.split(" > ")[-1]


def _bare(text: str) -> str:
    return " ".join(words(bare_heading(text)))


def _whole(piece: Piece) -> str:
    return "\n".join(
        part for part in (piece.title, piece.heading, piece.question, piece.text) if part
    )
