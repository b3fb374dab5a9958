"""Lines of text laid out in columns, as a PDF page or a picture gives them, to an outline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from coccinelle.knowledge.parsing.outline import Outline

_GAP = re.compile(r"\s{2,}")
_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}|_{4,}")
_HAS_DIGIT = re.compile(r"\d")
_SENTENCE_END = (".", "!", "?", ":", ";", "»", "…")
_BULLET = re.compile(r"\s*[•▪●○◦‣*–-]\s+|\s*\d{1,2}[.)]\s+")
_COMPOUND_ENDINGS = re.compile(
    r"(vous|nous|moi|toi|lui|leur|ce|ci|là|je|tu|il|elle|on|ils|elles|même|mêmes|être|à|t|y|en"
    r"|dessus|dessous|midi|vous)\b",
    re.IGNORECASE,
)
_FEWEST_TABLE_LINES = 3
_ALIGNMENT_CHARS = 4
_FULL_LINE_SHARE = 0.7

HeadingLevel = Callable[[str], int]


@dataclass(frozen=True)
class _Line:
    """A line, and its cells with the columns of text that they begin and end at."""

    text: str
    cells: tuple[tuple[int, int, str], ...]


def take_lines(outline: Outline, text: str, heading_level: HeadingLevel) -> None:
    """Feed `outline` with the headings, tables and paragraphs of one page.

    `heading_level` says which level a line is a heading of, 0 for none. A table is believed in
    only where three lines or more have two or more aligned cells, and one column has figures.
    """
    lines = [_line(line) for line in text.split("\n")]
    width = max((len(line.text.strip()) for line in lines), default=0)
    index = 0
    paragraph: list[str] = []
    while index < len(lines):
        line = lines[index]
        level = heading_level(line.text) if line.text.strip() else 0
        if level:
            _end(outline, paragraph, width)
            index, heading = _whole_heading(lines, index, heading_level)
            outline.heading(level, heading)
        elif rows := _table(lines, index):
            _end(outline, paragraph, width)
            outline.table(rows[0])
            index = rows[1] - 1
        elif not line.text.strip():
            _end(outline, paragraph, width)
        else:
            paragraph.append(_GAP.sub("  ", line.text.strip()))
        index += 1
    _end(outline, paragraph, width)


def _whole_heading(lines: list[_Line], index: int, heading_level: HeadingLevel) -> tuple[int, str]:
    """A heading that may be wrapped, and its last line."""
    level, texts = heading_level(lines[index].text), [lines[index].text]
    while index + 1 < len(lines) and lines[index + 1].text.strip():
        if heading_level(lines[index + 1].text) != level or texts[-1].rstrip().endswith("?"):
            break
        index += 1
        texts.append(lines[index].text)
    return index, " ".join(_GAP.sub(" ", text).strip() for text in texts)


def joined_lines(lines: list[str], width: int) -> str:
    """Wrapped lines as running text: a full line goes on in the next, a hyphenated word too."""
    text = ""
    for before, line in pairwise(["", *lines]):
        stripped = line.strip()
        if not text:
            text = stripped
        elif text.endswith("-") and len(text) > 1 and text[-2].isalpha() and stripped[:1].islower():
            text = (text if _COMPOUND_ENDINGS.match(stripped) else text[:-1]) + stripped
        elif _goes_on(before.strip(), stripped, width):
            text += " " + stripped
        else:
            text += "\n" + stripped
    return text


def _goes_on(before: str, after: str, width: int) -> bool:
    if _BULLET.match(after):
        return False
    full = len(before) >= width * _FULL_LINE_SHARE
    return full or (after[:1].islower() and not before.endswith(_SENTENCE_END))


def _end(outline: Outline, paragraph: list[str], width: int) -> None:
    outline.paragraph(joined_lines(paragraph, width))
    paragraph.clear()


def _line(raw: str) -> _Line:
    text = _LEADERS.sub(lambda found: " " * max(3, len(found[0])), raw.rstrip())
    cells, start = [], 0
    for gap in [*_GAP.finditer(text), None]:
        end = gap.start() if gap else len(text)
        if cell := text[start:end].strip():
            cells.append((start, end, cell))
        start = gap.end() if gap else end
    return _Line(raw, tuple(cells))


def _table(lines: list[_Line], index: int) -> tuple[list[list[str]], int] | None:
    """The grid that begins at `index`, and the line after it."""
    if len(lines[index].cells) < 2:
        return None
    found = list(_until_break(lines, index))
    block = [line for _, line in found]
    rows = [line for line in block if len(line.cells) >= 2]
    if len(rows) < _FEWEST_TABLE_LINES or len(rows) < len(block) * 0.75:
        return None
    columns = _columns(rows)
    if len(columns) < 2 or not _has_figures(rows, columns):
        return None
    return [_in_columns(line, columns) for line in block], found[-1][0] + 1


def _until_break(lines: list[_Line], index: int) -> Iterator[tuple[int, _Line]]:
    """Lines of one table: single empty lines do not end it, a line of prose does."""
    empty = 0
    for at in range(index, len(lines)):
        line = lines[at]
        if not line.cells:
            empty += 1
            if empty > 1:
                return
            continue
        follows = at + 1 < len(lines) and len(lines[at + 1].cells) >= 2
        if len(line.cells) < 2 and (len(line.text.strip()) > 60 or empty or not follows):
            return
        empty = 0
        yield at, line


def _columns(rows: list[_Line]) -> list[tuple[int, int]]:
    """Column extents: cells that overlap in most rows belong together."""
    typical = sorted(len(line.cells) for line in rows)[len(rows) // 2]
    full = [line for line in rows if len(line.cells) == typical]
    if len(full) < len(rows) * 0.6:
        return []
    columns = [
        (min(line.cells[at][0] for line in full), max(line.cells[at][1] for line in full))
        for at in range(typical)
    ]
    overlapping = any(a[1] > b[0] + _ALIGNMENT_CHARS for a, b in pairwise(columns))
    return [] if overlapping else columns


def _has_figures(rows: list[_Line], columns: list[tuple[int, int]]) -> bool:
    """Short cells with figures in at least one column after the first, in most rows."""
    for at in range(1, len(columns)):
        cells = [line.cells[at][2] for line in rows if len(line.cells) == len(columns)]
        figures = [cell for cell in cells if _HAS_DIGIT.search(cell) and len(cell) <= 25]
        if len(figures) >= max(2, len(cells) * 0.5):
            return True
    return False


def _in_columns(line: _Line, columns: list[tuple[int, int]]) -> list[str]:
    """The line's cells, each in the column that it is nearest to."""
    if len(line.cells) == len(columns):
        return [cell for _, _, cell in line.cells]
    row = [""] * len(columns)
    for start, end, cell in line.cells:
        middle = (start + end) / 2
        at = min(range(len(columns)), key=lambda i: _distance(middle, columns[i]))
        row[at] = f"{row[at]} {cell}".strip()
    return row


def _distance(middle: float, column: tuple[int, int]) -> float:
    return max(column[0] - middle, 0, middle - column[1])
