"""Word documents: headings, paragraphs, lists and tables in their order (ECMA-376 part 1, 17)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from coccinelle.knowledge.parsing.archives import checked_archive, member
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOT_CONTENT = frozenset((f"{_W}del", f"{_W}moveFrom", f"{_W}sectPr", f"{_W}pPr", _FALLBACK))
_HEADING_NAME = re.compile(r"(?:heading|titre|überschrift|título) ?([1-9])", re.IGNORECASE)
_LONGEST_BOLD_HEADING_CHARS = 100
_BOLD_HEADING_LEVEL = 8
_TITLE_LEVEL = 0


@dataclass(frozen=True)
class _Style:
    """A paragraph style: its name, what it is based on, its outline level, whether it is bold."""

    name: str
    based_on: str | None
    level: int | None


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """Headings by style or outline level; a short bold paragraph heads what follows it.

    Text that tracked changes delete and hidden text are left out; content controls are walked.

    Raises:
        ParseFailed: those of `checked_archive` and `member`.
    """
    archive = checked_archive(data, limits)
    document = member(archive, "word/document.xml", limits)
    if document is None:
        raise ParseFailed("unreadable_file", cause="document")
    styles = _styles(member(archive, "word/styles.xml", limits))
    core = member(archive, "docProps/core.xml", limits)
    outline = Outline()
    body = _tree(document).find(f"{_W}body")
    title = _walk(outline, body, styles) if body is not None else None
    core_title = _tree(core).findtext(f".//{_DC_TITLE}") if core else None
    return outline.done(title, outline.only_top(), core_title, filename=filename)


def _tree(xml: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, recover=True
    )
    tree = etree.fromstring(xml, parser)
    if tree is None:
        raise ParseFailed("unreadable_file", cause="xml")
    return tree


def _styles(xml: bytes | None) -> dict[str, _Style]:
    styles = {}
    for style in _tree(xml).iterfind(f"{_W}style") if xml else ():
        name = _value(style.find(f"{_W}name")) or ""
        level = _value(style.find(f"{_W}pPr/{_W}outlineLvl"))
        styles[style.get(f"{_W}styleId", "")] = _Style(
            name, _value(style.find(f"{_W}basedOn")), _outline_level(level)
        )
    return styles


def _value(element: Any) -> str | None:
    value: str | None = None if element is None else element.get(f"{_W}val")
    return value


def _outline_level(value: str | None) -> int | None:
    """`outlineLvl` counts from 0; 9 is body text."""
    return int(value) + 1 if value and value.isdigit() and int(value) < 9 else None


def _walk(outline: Outline, body: Any, styles: dict[str, _Style]) -> str | None:
    """Feed the outline; the text of the style "Title", if one is used."""
    title = None
    listed: list[str] = []
    for block in _blocks(body):
        is_paragraph = block.tag == f"{_W}p"
        text = _text(block).strip() if is_paragraph else ""
        if text and _is_listed(block, styles):
            listed.append(f"- {text}")
            continue
        outline.paragraph("\n".join(listed))
        listed = []
        if not is_paragraph:
            outline.table(_grid(block))
        elif (level := _heading_level(block, text, styles)) is None:
            outline.paragraph(text)
        elif level == _TITLE_LEVEL and title is None:
            title = text
        else:
            outline.heading(max(level, 1), text)
    outline.paragraph("\n".join(listed))
    return title


def _is_listed(paragraph: Any, styles: dict[str, _Style]) -> bool:
    numbered = paragraph.find(f"{_W}pPr/{_W}numPr") is not None
    style = styles.get(_value(paragraph.find(f"{_W}pPr/{_W}pStyle")) or "")
    named = style is not None and style.name.lower().startswith(("list ", "liste "))
    return (numbered or named) and _level(paragraph, styles) is None


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables in order, also inside content controls and tracked insertions."""
    waiting = [iter(parent)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
        elif element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif isinstance(element.tag, str) and element.tag not in _NOT_CONTENT:
            waiting.append(iter(element))


def _text(paragraph: Any) -> str:
    """What a reader sees of a paragraph."""
    parts: list[str] = []
    waiting = [iter(paragraph)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
        elif element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag in (f"{_W}tab", f"{_W}br", f"{_W}cr"):
            parts.append("\n" if element.tag != f"{_W}tab" else "\t")
        elif element.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif _is_seen(element):
            waiting.append(iter(element))
            if element.tag == f"{_W}p" and parts:
                parts.append("\n")  # A text box inside the paragraph.
    return "".join(parts)


def _is_seen(element: Any) -> bool:
    if not isinstance(element.tag, str) or element.tag in _NOT_CONTENT:
        return False
    hidden = element.find(f"{_W}rPr/{_W}vanish") if element.tag == f"{_W}r" else None
    return hidden is None or _value(hidden) in ("0", "false")


def _heading_level(paragraph: Any, text: str, styles: dict[str, _Style]) -> int | None:
    if not text:
        return None
    level = _level(paragraph, styles)
    if level is None and _is_bold_heading(paragraph, text):
        return _BOLD_HEADING_LEVEL
    return level


def _level(paragraph: Any, styles: dict[str, _Style]) -> int | None:
    own = _outline_level(_value(paragraph.find(f"{_W}pPr/{_W}outlineLvl")))
    if own is not None:
        return own
    style_id = _value(paragraph.find(f"{_W}pPr/{_W}pStyle"))
    seen: set[str] = set()
    while style_id and style_id not in seen:
        seen.add(style_id)
        style = styles.get(style_id) or _Style(style_id, None, None)
        if style.name.lower() in ("title", "titre"):
            return _TITLE_LEVEL
        if named := _HEADING_NAME.fullmatch(style.name):
            return int(named[1])
        if style.level is not None:
            return style.level
        style_id = style.based_on
    return None


def _is_bold_heading(paragraph: Any, text: str) -> bool:
    """A short paragraph all in bold that does not end as a sentence does."""
    if len(text) > _LONGEST_BOLD_HEADING_CHARS or text.endswith((".", ",", ";")) or "\n" in text:
        return False
    runs = [run for run in paragraph.iter(f"{_W}r") if (run.findtext(f"{_W}t") or "").strip()]
    bold = (run.find(f"{_W}rPr/{_W}b") for run in runs)
    return bool(runs) and all(b is not None and _value(b) not in ("0", "false") for b in bold)


def _grid(table: Any) -> list[list[str]]:
    """The table's cells, those that span columns or rows given to each place."""
    grid: list[list[str]] = []
    for row in table.iterchildren(f"{_W}tr", f"{_W}sdt"):
        cells: list[str] = []
        for cell in _cells(row):
            properties = cell.find(f"{_W}tcPr")
            text = "\n".join(_cell_texts(cell)).strip()
            if _continues(properties) and grid and len(cells) < len(grid[-1]):
                text = grid[-1][len(cells)]
            cells += [text] * _span(properties)
        grid.append(cells)
    return grid


def _cells(row: Any) -> Iterator[Any]:
    for element in row.iter(f"{_W}tc"):
        owner = element.getparent()
        while owner is not None and owner is not row and owner.tag != f"{_W}tc":
            owner = owner.getparent()
        if owner is row:
            yield element


def _cell_texts(cell: Any) -> Iterator[str]:
    for block in _blocks(cell):
        if block.tag == f"{_W}p":
            yield _text(block)
        else:
            yield from (_text(paragraph) for paragraph in block.iter(f"{_W}p"))


def _continues(properties: Any) -> bool:
    """Whether a cell goes on from the one above."""
    merge = None if properties is None else properties.find(f"{_W}vMerge")
    return merge is not None and _value(merge) != "restart"


def _span(properties: Any) -> int:
    span = None if properties is None else _value(properties.find(f"{_W}gridSpan"))
    return min(int(span), 64) if span and span.isdigit() else 1
