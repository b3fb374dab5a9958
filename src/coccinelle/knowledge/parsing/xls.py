"""Excel workbooks of before 2007."""

from __future__ import annotations

import io
from typing import Any

import xlrd
from xlrd.xldate import XLDateError, xldate_as_datetime

from coccinelle.knowledge.parsing.cells import shown
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_VISIBLE = 0


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """One section a row of each visible sheet, as `xlsx.parse`.

    Raises:
        ParseFailed: `encrypted`, `too_many_rows` or `too_many_columns`.
    """
    book = _open(data)
    sheets = [sheet for sheet in book.sheets() if sheet.visibility == _VISIBLE]
    if sum(sheet.nrows for sheet in sheets) > limits.rows:
        raise ParseFailed("too_many_rows", max_rows=limits.rows)
    outline = Outline()
    for sheet in sheets:
        if sheet.ncols > limits.columns:
            raise ParseFailed("too_many_columns", max_columns=limits.columns)
        rows = _rows(book, sheet)
        if len(sheets) > 1 and any(map(any, rows)):
            outline.heading(2, sheet.name)
        outline.table(rows)
    return outline.done(filename=filename)


def _open(data: bytes) -> Any:
    try:
        return xlrd.open_workbook(
            file_contents=data, formatting_info=True, logfile=io.StringIO(), ragged_rows=False
        )
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise ParseFailed("encrypted") from error
        raise


def _rows(book: Any, sheet: Any) -> list[list[str]]:
    rows = [
        [_text(book, sheet.cell(row, column)) for column in range(sheet.ncols)]
        for row in range(sheet.nrows)
    ]
    for top, bottom, left, right in sheet.merged_cells:
        for row in rows[top:bottom]:
            row[left:right] = [rows[top][left]] * len(row[left:right])
    return rows


def _text(book: Any, cell: Any) -> str:
    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR):
        return ""
    number_format = _number_format(book, cell)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return shown(bool(cell.value), number_format)
    if cell.ctype == xlrd.XL_CELL_DATE:
        return _date(cell.value, number_format, book.datemode)
    return shown(cell.value, number_format)


def _number_format(book: Any, cell: Any) -> str:
    key = book.xf_list[cell.xf_index].format_key
    found = book.format_map.get(key)
    return str(found.format_str) if found else ""


def _date(days: float, number_format: str, datemode: int) -> str:
    try:
        moment = xldate_as_datetime(days, datemode)
    except (XLDateError, OverflowError, ValueError):
        return shown(days, "")
    return shown(moment.time() if days < 1 else moment, number_format)
