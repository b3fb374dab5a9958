"""Chunks as lines that know the headings above them, and the words of a text made comparable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

LONGEST_HEADING_CHARS = 90
_BLANK = re.compile(r"\n\s*\n")
_ENDS_A_SENTENCE = re.compile(r"[.;:,!…]$")
_HAS_A_FACT = re.compile(r"€|@|\d ?h ?\d{0,2}\b|(?:\d[ .]?){9,}")
_SENTENCE = re.compile(r"(?<=[.!?…])(?<!\.\.)[»\")]?\s+(?=[A-ZÀ-ÖØ-Þ0-9«\"-])")
_SHORTENED = re.compile(r"(?:\b(?:t[ée]l|port|mob|env|min|max|mr|mme|m|dr|av|bd|ex)\.)$", re.I)
_WORD = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+")
_COMBINING = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True)
class Piece:
    """A chunk as it answers now, and the page that it is of."""

    chunk_id: UUID
    document_id: UUID
    title: str
    url: str | None
    heading: str
    text: str
    question: str | None = None
    kind: str = "text"

    @property
    def place(self) -> str:
        """What the page is called, and the section where that says more."""
        return f"{self.title} — {self.heading}" if self.heading else self.title


@dataclass(frozen=True)
class Line:
    """A sentence, an item of a list or a row of a table, under its headings, outermost first."""

    piece: Piece
    text: str
    headings: tuple[str, ...]
    is_item: bool = False


def folded(text: str) -> str:
    """Lower case, without accents, with plain apostrophes, spaces and dashes."""
    plain = text.replace("’", "'").replace("\u00a0", " ").replace("\u202f", " ")
    plain = re.sub("[\u2010-\u2015]", "-", plain.casefold().replace("œ", "oe"))
    return _COMBINING.sub("", unicodedata.normalize("NFKD", plain))


def words(text: str) -> list[str]:
    """The words and numbers of a text, folded, in order."""
    return _WORD.findall(folded(text))


def stem(word: str) -> str:
    """What the singular and the plural, the masculine and the feminine of a word share."""
    if len(word) < 4 or word[0].isdigit():
        return word
    bare = re.sub(r"(?:s|x)$", "", word)
    return re.sub(r"(?:ee|e)$", "", bare) if len(bare) > 4 else bare


def lines(pieces: Iterable[Piece]) -> Iterator[Line]:
    """Every line of the pieces, in their order."""
    headed: set[tuple[UUID, str]] = set()
    for piece in pieces:
        above = tuple(part for part in piece.heading.split(" > ") if part)
        if above and (piece.document_id, above[-1]) not in headed and states(above[-1]):
            yield Line(piece, above[-1], above[:-1])
        headed.add((piece.document_id, above[-1] if above else ""))
        if piece.kind == "table_row":
            yield Line(piece, piece.text, above, is_item=True)
        else:
            yield from _of_text(piece, above)


def _of_text(piece: Piece, above: tuple[str, ...]) -> Iterator[Line]:
    inner: tuple[str, ...] = ()
    for block in _BLANK.split(piece.text):
        rows = [row.strip() for row in block.split("\n") if row.strip()]
        if len(rows) > 1 and _is_heading(rows[0]):
            inner = (rows.pop(0),)
        for row in rows:
            is_item = row.startswith(("- ", "• ", "* ")) or len(rows) > 1
            text = row.lstrip("-•* ").strip()
            for sentence in sentences(text):
                yield Line(piece, sentence, above + inner, is_item)


def _is_heading(row: str) -> bool:
    return (
        len(row) <= LONGEST_HEADING_CHARS
        and not row.startswith(("-", "•", "*"))
        and not _ENDS_A_SENTENCE.search(row)
        and not states(row)
    )


def states(text: str) -> bool:
    """Whether a text looks as if it stated a price, an hour, a number or an address."""
    return _HAS_A_FACT.search(text.casefold()) is not None


def sentences(text: str) -> list[str]:
    """The sentences of a text; the points of abbreviations end none."""
    found: list[str] = []
    for part in _SENTENCE.split(text):
        if found and _SHORTENED.search(found[-1]):
            found[-1] += f" {part}"
        elif part.strip():
            found.append(part.strip())
    return found
