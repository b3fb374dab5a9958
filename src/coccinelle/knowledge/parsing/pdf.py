"""PDF: text by page with its columns, headings by size and weight, scanned pages by OCR."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import (
    DependencyError,
    FileNotDecryptedError,
    LimitReachedError,
    PyPdfError,
)

from coccinelle.knowledge.parsing.cleaning import visible
from coccinelle.knowledge.parsing.layout import take_lines
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_PAGE_NUMBER = re.compile(
    r"\W*(page|p\.)?\s*\d{1,4}\s*((/|sur|of|de)\s*\d{1,4})?\W*", re.IGNORECASE
)
_GUTTER = re.compile(r"\s{3,}")
_FEWEST_CHARS_OF_PROSE = 25
_LONGEST_PAGE_NUMBER_CHARS = 30
_DIGITS = re.compile(r"\d+")
_HEADING_RATIO = 1.12
_BOLD_LEVEL = 6
_MOST_SIZES = 5
_LONGEST_HEADING_CHARS = 120
_FEWEST_LETTERS_OF_TEXT = 8
_EDGE_LINES = 2
_FEWEST_PAGES_WITH_EDGES = 3
_FEWEST_PIXELS_OF_SCAN = 60_000
_MOST_PICTURES_A_PAGE = 4


@dataclass(frozen=True)
class _Page:
    """A page's text as laid out, its typography, and itself where it is only a picture."""

    text: str
    runs: tuple[tuple[str, float, bool], ...]
    scan: PageObject | None


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """Sections in reading order; lines that repeat at the edges of pages are left out.

    Scanned pages are read while `limits.ocr_seconds` last; the rest are `unread_pages`.

    Raises:
        ParseFailed: `encrypted`, `too_many_pages` or `file_too_long`.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = _open(data)
    if len(reader.pages) > limits.pages:
        raise ParseFailed("too_many_pages", max_pages=limits.pages)
    pages = list(_pages(reader, limits))
    edges = _repeated_edges(pages)
    heading_level = _heading_levels(pages)
    outline = Outline()
    unread, deadline = 0, time.monotonic() + limits.ocr_seconds
    for page in pages:
        if page.scan is None:
            take_lines(outline, _without(page.text, edges), heading_level)
        elif time.monotonic() >= deadline or not _take_scan(outline, page.scan, limits):
            unread += 1
    parsed = outline.done(outline.only_top(), _metadata_title(reader), filename=filename)
    return replace(parsed, unread_pages=unread)


def _open(data: bytes) -> PdfReader:
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ParseFailed("encrypted")
    except (DependencyError, FileNotDecryptedError) as error:
        raise ParseFailed("encrypted") from error
    return reader


def _metadata_title(reader: PdfReader) -> str | None:
    try:
        title = reader.metadata.title if reader.metadata else None
    except (PyPdfError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return title if isinstance(title, str) else None


def _pages(reader: PdfReader, limits: ParseLimits) -> Iterator[_Page]:
    chars = 0
    for page in reader.pages:
        read = _page(page)
        chars += len(read.text)
        if chars > limits.chars * 4:  # Columns are kept by spaces, which do not count.
            raise ParseFailed("file_too_long", max_chars=limits.chars)
        yield read


def _page(page: PageObject) -> _Page:
    runs: list[tuple[str, float, bool]] = []

    def see(text: str, cm: list[float], tm: list[float], font: Any, size: float | None) -> None:
        scale = abs(tm[3] * cm[3]) or abs(tm[1] * cm[1]) or 1.0
        name = str(font.get("/BaseFont", "")).lower() if font else ""
        bold = any(word in name for word in ("bold", "black", "heavy", "semibold"))
        runs.append((text, round((size or 0) * scale, 1), bold))

    try:
        plain = visible(page.extract_text(visitor_text=see))
    except LimitReachedError as error:
        raise ParseFailed("file_too_complex") from error
    if _letters(plain) < _FEWEST_LETTERS_OF_TEXT:
        return _Page(plain, (), page)
    return _Page(_best_text(page, plain), tuple(runs), None)


def _best_text(page: PageObject, plain: str) -> str:
    """The text in its columns, unless that loses some, or interleaves two columns of prose."""
    try:
        columns = visible(page.extract_text(extraction_mode="layout"))
    except (PyPdfError, ValueError, KeyError, ZeroDivisionError, AttributeError, TypeError):
        return plain
    if _letters(columns) < _letters(plain) * 0.95:
        return plain
    lines = [line for line in columns.split("\n") if line.strip()]
    abreast = sum(map(_is_abreast, lines))
    return plain if abreast >= max(4, len(lines) * 0.4) else columns


def _is_abreast(line: str) -> bool:
    """Whether a line has two cells or more that are long enough to be prose."""
    cells = _GUTTER.split(line.strip())
    return len(cells) > 1 and all(len(cell) >= _FEWEST_CHARS_OF_PROSE for cell in cells)


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _key(line: str) -> str:
    return "".join(char for char in line.lower() if char.isalnum())


def _edge_key(line: str) -> str:
    return _DIGITS.sub("#", _key(line))


def _repeated_edges(pages: list[_Page]) -> frozenset[str]:
    """Running headers and footers: the same line at the top or bottom of most pages."""
    seen: Counter[str] = Counter()
    for page in pages:
        lines = [line for line in page.text.split("\n") if line.strip()]
        seen.update({_edge_key(line) for line in (*lines[:_EDGE_LINES], *lines[-_EDGE_LINES:])})
    fewest = max(_FEWEST_PAGES_WITH_EDGES, len(pages) * 0.6)
    return frozenset(key for key, count in seen.items() if key and count >= fewest)


def _without(text: str, edges: frozenset[str]) -> str:
    lines = text.split("\n")
    filled = [at for at, line in enumerate(lines) if line.strip()]
    for at in {*filled[:_EDGE_LINES], *filled[-_EDGE_LINES:]}:
        if _edge_key(lines[at]) in edges or _is_page_number(lines[at].strip()):
            lines[at] = ""
    return "\n".join(lines)


def _is_page_number(line: str) -> bool:
    return len(line) <= _LONGEST_PAGE_NUMBER_CHARS and _PAGE_NUMBER.fullmatch(line) is not None


def _heading_levels(pages: list[_Page]) -> Callable[[str], int]:
    """The level of a line: by how much larger than the body it is set, or by its weight."""
    sizes: Counter[float] = Counter()
    bolds: Counter[bool] = Counter()
    for text, size, bold in (run for page in pages for run in page.runs):
        sizes[size] += _letters(text)
        bolds[bold] += _letters(text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((size for size in sizes if size > body * _HEADING_RATIO), reverse=True)
    levels = {size: min(at, _MOST_SIZES) for at, size in enumerate(larger, start=1)}
    body_is_light = bolds[False] > bolds[True]
    found: dict[str, int] = {}
    for line, size, bold in (line for page in pages for line in _typeset_lines(page.runs)):
        if size in levels:
            found[_key(line)] = levels[size]
        elif bold and body_is_light and size >= body and not line.rstrip().endswith((".", ",")):
            found.setdefault(_key(line), _BOLD_LEVEL)
    return lambda line: _level_of(line, found)


def _level_of(line: str, found: dict[str, int]) -> int:
    stripped = line.strip()
    level = found.get(_key(stripped), 0)
    if not level or len(stripped) > _LONGEST_HEADING_CHARS or sum(map(str.isalpha, stripped)) < 3:
        return 0
    # Bold cells side by side are the header of a table.
    return 0 if level == _BOLD_LEVEL and re.search(r"\S\s{3,}\S", stripped) else level


def _typeset_lines(runs: tuple[tuple[str, float, bool], ...]) -> Iterator[tuple[str, float, bool]]:
    """Lines with their smallest size, and whether all of them is bold."""
    line, size, bold = "", 0.0, True
    for text, run_size, run_bold in runs:
        for at, part in enumerate(text.split("\n")):
            if at and line.strip():
                yield line, size, bold
            if at:
                line, size, bold = "", 0.0, True
            if part.strip():
                size = run_size if not line.strip() else min(size, run_size)
                bold = bold and run_bold
            line += part
    if line.strip():
        yield line, size, bold


def _take_scan(outline: Outline, page: PageObject, limits: ParseLimits) -> bool:
    """Read the pictures of a page; whether there was none or one could be read."""
    names = [name for pixels, name in _pictures(page, limits) if pixels >= _FEWEST_PIXELS_OF_SCAN]
    if not names:
        return True
    from coccinelle.knowledge.parsing.image import take_picture  # noqa: PLC0415 (loads models)

    one_was_read = False
    for name in names[:_MOST_PICTURES_A_PAGE]:
        try:
            picture = page.images[name].image
        # pypdf raises the last two for pictures whose coding it does not know.
        except (PyPdfError, OSError, ValueError, KeyError, NotImplementedError, ImportError):
            continue
        if picture is not None:
            take_picture(outline, picture, limits)
            one_was_read = True
    return one_was_read


def _pictures(page: PageObject, limits: ParseLimits) -> list[tuple[int, str]]:
    """Pixels and names of the page's pictures that are not a flood, without unpacking them."""
    resources = page.get("/Resources", {}).get_object()
    objects = resources.get("/XObject", {}).get_object()
    found = []
    for name in objects:
        entry = objects[name].get_object()
        if entry.get("/Subtype") == "/Image":
            pixels = int(entry.get("/Width", 0)) * int(entry.get("/Height", 0))
            if pixels <= limits.pixels:
                found.append((pixels, str(name)))
    return found
