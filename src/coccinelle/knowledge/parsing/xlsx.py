"""Excel workbooks: each sheet's rows as displayed, merged cells given to each place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from openpyxl import load_workbook
from openpyxl.utils.cell import range_boundaries

from coccinelle.knowledge.parsing.archives import checked_archive
from coccinelle.knowledge.parsing.cells import shown
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_MERGE = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})[\"']"
)
_TAIL_BYTES = 4 * 1024 * 1024
_SHEET_PART = re.compile(r"/?xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_PART_BYTES = 1024 * 1024
# Rows that are only formatted are not rows to us, but a workbook may have many.
_BLANK_ROWS = 4
_MOST_MERGED_CELLS = 20_000

Bounds = tuple[int, int, int, int]


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """One section a row of each visible sheet, under the sheet's name where there are several.

    Formulas count with the value that Excel last stored.

    Raises:
        ParseFailed: `too_many_rows`, `too_many_columns`, and those of `checked_archive`.
    """
    archive = checked_archive(data, limits)
    for name in archive.namelist():
        if _SHEET_PART.fullmatch(name) and _row_count(archive, name) > limits.rows * _BLANK_ROWS:
            raise ParseFailed("too_many_rows", max_rows=limits.rows)
    book = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    outline = Outline()
    budget = limits.rows
    for sheet in sheets:
        rows = _rows(sheet, limits, budget)
        budget -= len(rows)
        _spread_merged(rows, _merged(archive, sheet))
        if len(sheets) > 1 and any(map(any, rows)):
            outline.heading(2, sheet.title)
        outline.table(rows)
    return outline.done(book.properties.title, filename=filename)


def _row_count(archive: ZipFile, name: str) -> int:
    """How many rows a sheet has, counted before parsing, which takes far longer."""
    count, kept = 0, b""
    with archive.open(name) as stream:
        while part := stream.read(_PART_BYTES):
            text = kept + part
            count += text.count(b"<row")
            kept = text[-3:]
    return count


def _rows(sheet: Any, limits: ParseLimits, budget: int) -> list[list[str]]:
    rows: list[list[str]] = []
    chars = blank = 0
    sheet.reset_dimensions()  # What a file claims as its size is not to be believed.
    for cells in sheet.rows:
        row = _texts(cells, limits)
        blank = 0 if row else blank + 1
        chars += sum(map(len, row))
        if len(rows) - blank >= budget:
            raise ParseFailed("too_many_rows", max_rows=limits.rows)
        if chars > limits.chars:
            raise ParseFailed("file_too_long", max_chars=limits.chars)
        if blank <= 1 or len(rows) < budget:
            rows.append(row)
    return rows


def _texts(cells: tuple[Any, ...], limits: ParseLimits) -> list[str]:
    row = [
        shown(cell.value, cell.number_format) if cell.value is not None else "" for cell in cells
    ]
    while row and not row[-1]:
        row.pop()
    if len(row) > limits.columns:
        raise ParseFailed("too_many_columns", max_columns=limits.columns)
    return row


def _merged(archive: ZipFile, sheet: Any) -> Iterator[Bounds]:
    """The merged ranges, which follow the rows; the reader of large files leaves them out."""
    tail = b""
    with archive.open(sheet._worksheet_path) as stream:
        while part := stream.read(_TAIL_BYTES):
            tail = (tail + part)[-2 * _TAIL_BYTES :]
    for found in _MERGE.finditer(tail):
        left, top, right, bottom = range_boundaries(found[1].decode())
        if left and top and right and bottom:
            yield left, top, right, bottom


def _spread_merged(rows: list[list[str]], merged: Iterator[Bounds]) -> None:
    """Give the value of a merged range to each of its cells, within the rows that there are."""
    budget = _MOST_MERGED_CELLS
    for left, top, right, bottom in merged:
        if top > len(rows) or left > len(rows[top - 1]):
            continue
        value = rows[top - 1][left - 1]
        budget -= (right - left + 1) * (min(bottom, len(rows)) - top + 1)
        if budget < 0:
            return
        for row in rows[top - 1 : bottom]:
            row.extend([""] * (right - len(row)))
            row[left - 1 : right] = [value] * (right - left + 1)
