"""Markdown: headings, paragraphs, lists, code and pipe tables (CommonMark's block structure)."""

from __future__ import annotations

import re
from html import unescape

from coccinelle.knowledge.parsing.cleaning import decode, visible
from coccinelle.knowledge.parsing.model import Parsed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title\s*:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_UNSEEN = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_ATX = re.compile(r" {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})\s*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r" {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})")
_DELIMITER_ROW = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_CELL_END = re.compile(r"(?<!\\)\|")
# Every repetition is bounded, so that no line of marks takes time that grows with its square.
_INLINE = (
    (re.compile(r"!\[([^\]\n]{0,300})\]\([^)\n]{0,1000}\)"), r"\1"),
    (
        re.compile(r"\[([^\[\]\n]{1,300})\]\((?:mailto:|tel:)?([^)\s]{1,1000})[^)\n]{0,300}\)"),
        r"\1 (\2)",
    ),
    (re.compile(r"\[([^\[\]\n]{1,300})\]\[[^\]\n]{0,300}\]"), r"\1"),
    (re.compile(r"<((?:https?://|mailto:)[^>\s]{1,1000})>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>\n]{0,300}>"), " "),
    (re.compile(r"(\*{1,3}|~~)(?=\S)([^*~\n]{1,2000}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)(_{1,3})(?=\S)([^_\n]{1,2000}?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"`([^`\n]{1,2000})`"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])"), r"\1"),
)


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """Sections under their headings; a table's rows one by one; HTML comments left out."""
    text = visible(decode(data))[: limits.chars + 1]
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    body = text[front.end() :] if front else text
    outline = Outline()
    _walk(outline, _UNSEEN.sub("", _COMMENT.sub("", body)).split("\n"))
    return outline.done(title[1] if title else None, filename=filename)


def _walk(outline: Outline, lines: list[str]) -> None:
    paragraph: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if fence := _FENCE.match(line):
            end = _end_of_fence(lines, index, fence[1])
            paragraph += lines[index + 1 : end]
            index = end
        elif taken := _table_at(lines, index):
            _end_paragraph(outline, paragraph)
            outline.table([_cells(row) for row in (lines[index], *lines[index + 2 : taken])])
            index = taken - 1
        elif heading := _ATX.fullmatch(line):
            _end_paragraph(outline, paragraph)
            outline.heading(len(heading[1]), _inline(heading[2] or ""))
        elif len(paragraph) == 1 and (under := _SETEXT.fullmatch(line)):
            outline.heading(1 if "=" in under[1] else 2, _inline(paragraph.pop()))
        elif not line.strip() or _RULE.fullmatch(line):
            _end_paragraph(outline, paragraph)
        else:
            paragraph.append(line)
        index += 1
    _end_paragraph(outline, paragraph)


def _end_of_fence(lines: list[str], start: int, fence: str) -> int:
    for index in range(start + 1, len(lines)):
        if lines[index].strip().startswith(fence):
            return index
    return len(lines)


def _table_at(lines: list[str], index: int) -> int:
    """The line after the table that begins at `index`; 0 when none does."""
    if index + 1 >= len(lines) or "|" not in lines[index]:
        return 0
    below = lines[index + 1]
    if "-" not in below or "|" not in below or not _DELIMITER_ROW.fullmatch(below[:2_000]):
        return 0
    end = index + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return end


def _cells(row: str) -> list[str]:
    cells = _CELL_END.split(row.strip())
    inner = cells[1 if not cells[0].strip() else 0 :]
    if inner and not inner[-1].strip():
        inner = inner[:-1]
    return [_inline(cell).strip() for cell in inner]


def _end_paragraph(outline: Outline, paragraph: list[str]) -> None:
    outline.paragraph("\n".join(_inline(line.lstrip("> ")) for line in paragraph))
    paragraph.clear()


def _inline(text: str) -> str:
    """What a reader of the rendered page sees."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return unescape(text)
