"""What parsing gives, what bounds it, and why it fails."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from coccinelle.foundation.errors import Invalid

Kind = Literal["text", "table_row", "qa"]

_INTERROGATIVE = re.compile(
    r"(comment|combien|pourquoi|où|quand|quel(le)?s?|est-ce|puis-je|peut-on|faut-il|dois-je"
    r"|qui (êtes|sommes|est|peut)|que faire|qu'est-ce|qu’est-ce|y a-t-il|avez-vous|êtes-vous"
    r"|how|what|where|when|why|who|which|can i|do you|is there)\b",
    re.IGNORECASE,
)
_NUMBERING = re.compile(r"^(\s*(q(uestion)?\s*\d*\s*[:.)–-]|\d+(\.\d+)*\s*[.)–-]|[-*•]))+\s*", re.I)
_LONGEST_QUESTION_CHARS = 250


@dataclass(frozen=True)
class Section:
    """A piece of a document that stands on its own: prose, a table's row, or an answer.

    `heading_path` goes from the outermost heading to the innermost, without the document's title.
    `question` is what the text answers, if the document says so.
    """

    heading_path: tuple[str, ...]
    kind: Kind
    text: str
    question: str | None = None


@dataclass(frozen=True)
class Parsed:
    """A document as sections in reading order; the text is NFC and free of invisible characters.

    `unread_pages` counts scanned pages that the time for reading images did not suffice for.
    """

    title: str
    sections: tuple[Section, ...]
    unread_pages: int = 0


@dataclass(frozen=True)
class ParseLimits:
    """What one file may cost.

    `memory_bytes` bounds the child's address space (while images are read: its data, with the
    address space at twice that, because the models' libraries are mapped too).
    """

    memory_bytes: int = 480 * 1024 * 1024
    cpu_seconds: int = 26
    wall_seconds: float = 28.0
    ocr_seconds: float = 18.0
    chars: int = 3_000_000
    pages: int = 1_000
    rows: int = 50_000
    columns: int = 256
    zip_entries: int = 4_000
    unzipped_bytes: int = 160 * 1024 * 1024
    markup_bytes: int = 12 * 1024 * 1024
    pixels: int = 60_000_000


class ParseFailed(Invalid):
    """The file cannot be read; its code says why in words that its owner can act upon."""

    default_code = "unreadable_file"


def is_question(text: str) -> bool:
    """Whether a heading asks something, with or without its question mark."""
    words = bare_heading(text)
    if not words or len(words) > _LONGEST_QUESTION_CHARS:
        return False
    return words.rstrip(' »"”)*_').endswith("?") or _INTERROGATIVE.match(words) is not None


def bare_heading(text: str) -> str:
    """A heading without the numbers, bullets or "Q :" in front of it."""
    return _NUMBERING.sub("", text).strip() or text.strip()


def within(parsed: Parsed, limits: ParseLimits) -> Parsed:
    """`parsed` without empty sections.

    Raises:
        ParseFailed: nothing is left (`no_text`), or more than `limits.chars` (`file_too_long`).
    """
    sections = tuple(section for section in parsed.sections if section.text.strip())
    if not sections:
        raise ParseFailed("no_text")
    if sum(len(section.text) for section in sections) > limits.chars:
        raise ParseFailed("file_too_long", max_chars=limits.chars)
    return replace(parsed, sections=sections)
