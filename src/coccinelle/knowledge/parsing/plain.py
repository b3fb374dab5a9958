"""Text files: paragraphs, with their headings where a line is clearly one."""

from __future__ import annotations

import re

from coccinelle.knowledge.parsing.cleaning import decode, visible
from coccinelle.knowledge.parsing.model import Parsed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_UNDERLINE = re.compile(r"\s*(={3,}|-{3,}|_{3,}|~{3,}|\*{3,})\s*")
_CAPITALS = re.compile(r"[^a-zà-ÿ]*[A-ZÀ-Ý]{3}[^a-zà-ÿ]*")
_LONGEST_HEADING_CHARS = 80


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """Paragraphs are what blank lines separate; underlined or capital lines are headings."""
    outline = Outline()
    text = visible(decode(data))[: limits.chars + 1]
    for block in re.split(r"\n\s*\n", text):
        _take(outline, [line for line in block.split("\n") if line.strip()])
    return outline.done(filename=filename)


def _take(outline: Outline, lines: list[str]) -> None:
    if len(lines) >= 2 and _UNDERLINE.fullmatch(lines[1]) and not _UNDERLINE.fullmatch(lines[0]):
        outline.heading(1 if "=" in lines[1] else 2, lines[0])
        lines = lines[2:]
    elif lines and _is_heading(lines[0]):
        outline.heading(2, lines[0])
        lines = lines[1:]
    outline.paragraph("\n".join(line for line in lines if not _UNDERLINE.fullmatch(line)))


def _is_heading(line: str) -> bool:
    """A line in capitals, short and without the end of a sentence."""
    stripped = line.strip()
    return (
        len(stripped) <= _LONGEST_HEADING_CHARS
        and not stripped.endswith((".", ",", ";", "€"))
        and _CAPITALS.fullmatch(stripped) is not None
    )
