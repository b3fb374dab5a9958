"""Sections to chunks: the pieces of about 900 characters that are embedded, indexed and cited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from semantic_text_splitter import TextSplitter

from coccinelle.knowledge.parsing.model import Kind, Parsed, Section, is_question

QUESTION_WEIGHT = 0.5
TITLE_WEIGHT = 0.2
MAX_OVERLAP_CHARS = 200

# A table's row and a question with its answer stay whole up to twice the size: about what the
# embedding model reads at once (512 tokens).
_ENTRY_SIZE_FACTOR = 2
_HEADING_SEPARATOR = " > "
_ABBREVIATION = re.compile(
    r"\b(?:MM?|Mmes?|Mlles?|Drs?|Me|Pr|St|Ste|av|bd|boul|tél|env|art|chap|fig|p|pp|vol|cf|ex|min|max"
    r"|réf|num|mr|mrs|ms|dr|vs|no|approx|janv|févr|avr|juil|sept|oct|nov|déc|[A-Z])(\.)(?=[ \n]\S)"
)
# A private character of the same length: the splitter sees no end of sentence in it.
_HELD_POINT = "\uf8f0"


@dataclass(frozen=True)
class Chunk:
    """A piece of a document; `heading` is its path of headings, outermost first."""

    position: int
    title: str
    heading: str
    text: str
    question: str | None
    kind: Kind


def chunks(parsed: Parsed, *, max_chars: int = 900, overlap_chars: int = 120) -> tuple[Chunk, ...]:
    """The document's text in order, all of it, in pieces of at most `max_chars`.

    A piece ends where a section ends, else a paragraph, else a sentence. Small neighbours under
    one heading share a piece, each below its own heading. Only pieces of one section overlap, by
    at most `overlap_chars`. A table's row, and a question with its answer, is one piece of up to
    twice the size.

    Raises:
        ValueError: the overlap is not within 0 and 200 and under half of the size.
    """
    if not 0 <= overlap_chars <= min(MAX_OVERLAP_CHARS, max_chars // 2):
        raise ValueError(f"overlap_chars={overlap_chars} with max_chars={max_chars}")
    pieces = _pieces(parsed.sections, max_chars, overlap_chars)
    return tuple(
        Chunk(position, parsed.title, heading, text, question, kind)
        for position, (heading, text, question, kind) in enumerate(pieces)
    )


def embedded_text(chunk: Chunk) -> str:
    """What is embedded and indexed: the title, the headings and the text, the title once."""
    title, headings = chunk.title.strip(), chunk.heading.split(_HEADING_SEPARATOR)
    headings = [heading for heading in headings if heading and not _same(heading, title)]
    first_line = chunk.text.lstrip().split("\n", 1)[0]
    above = [] if not title or _same(first_line, title) else [title]
    if headings:
        above.append(_HEADING_SEPARATOR.join(headings))
    return "\n".join([*above, chunk.text])


def answers(chunk: Chunk) -> tuple[str, float] | None:
    """What a second vector is made of, and its weight; none where it would tell nothing.

    The question that the chunk answers, or its heading or title if that asks one, counts 0.5; a
    topical title 0.2: more was measured to harm (nDCG@10 on PIAF .905 alone, .904 so, .874 at 0.5).
    All rows of a table share its title, which therefore does not tell them apart.
    """
    innermost = chunk.heading.split(_HEADING_SEPARATOR)[-1]
    for asked in (chunk.question or "", innermost, chunk.title):
        if asked and (asked == chunk.question or is_question(asked)):
            return asked, QUESTION_WEIGHT
    if not chunk.title or chunk.kind == "table_row":
        return None
    return chunk.title, TITLE_WEIGHT


_Piece = tuple[str, str, str | None, Kind]


def _pieces(sections: Iterable[Section], max_chars: int, overlap_chars: int) -> Iterator[_Piece]:
    group: list[Section] = []
    for section in sections:
        if not section.text.strip():
            continue
        if _is_entry(section):
            yield from _joined(group)
            group = []
            yield from _entry(section, max_chars * _ENTRY_SIZE_FACTOR, overlap_chars)
        elif len(section.text) > max_chars:
            yield from _joined(group)
            group = []
            for text in _split(section.text, max_chars, overlap_chars):
                yield _heading(section.heading_path), text, None, section.kind
        elif group and not _fits([*group, section], max_chars):
            yield from _joined(group)
            group = [section]
        else:
            group.append(section)
    yield from _joined(group)


def _is_entry(section: Section) -> bool:
    return section.kind != "text" or section.question is not None


def _entry(section: Section, max_chars: int, overlap_chars: int) -> Iterator[_Piece]:
    """A row, or a question and its answer; in parts that each repeat the question if very long."""
    asked = f"{section.question}\n" if section.kind == "qa" and section.question else ""
    asked = asked if len(asked) < max_chars // 2 else ""
    heading = _heading(section.heading_path)
    for text in _split(section.text, max_chars - len(asked), overlap_chars):
        yield heading, asked + text, section.question, section.kind


def _fits(group: list[Section], max_chars: int) -> bool:
    """Whether sections are neighbours under one heading, and together small enough."""
    base = _common(group)
    if any(len(section.heading_path) > len(base) + 1 for section in group):
        return False
    return len(_text(group, base)) <= max_chars


def _common(group: list[Section]) -> tuple[str, ...]:
    """The headings that all have; for one section alone, all of its own."""
    columns = zip(*(section.heading_path for section in group), strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len({*column}) == 1, columns))


def _joined(group: list[Section]) -> Iterator[_Piece]:
    if group:
        base = _common(group)
        yield _heading(base), _text(group, base), None, "text"


def _text(group: list[Section], base: tuple[str, ...]) -> str:
    """The texts, each below its own heading where that is not common to all."""
    parts = []
    above: tuple[str, ...] = ()
    for section in group:
        own = section.heading_path[len(base) :]
        named = own and own != above
        parts.append("\n".join([*own, section.text]) if named else section.text)
        above = own
    return "\n\n".join(parts)


def _heading(path: tuple[str, ...]) -> str:
    return _HEADING_SEPARATOR.join(path)


def _split(text: str, max_chars: int, overlap_chars: int) -> list[str]:
    """At paragraphs, else sentences, else words; the points of abbreviations end no sentence."""
    if len(text) <= max_chars:
        return [text]
    held = _ABBREVIATION.sub(lambda found: found[0][:-1] + _HELD_POINT, text)
    splitter = TextSplitter(max_chars, overlap=overlap_chars)
    return [piece.replace(_HELD_POINT, ".") for piece in splitter.chunks(held)]


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
