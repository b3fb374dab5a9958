"""CSV and its cousins, in any common encoding and with any common separator."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from io import StringIO

from coccinelle.knowledge.parsing.cleaning import decode, visible
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.outline import Outline

_SEPARATORS = ";\t,|"
_SEP_LINE = re.compile(r"\A\"?sep=(.)\"?\n", re.IGNORECASE)
_SAMPLE_CHARS = 60_000
_SAMPLE_ROWS = 200
_LONGEST_CELL_CHARS = 200_000


def parse(data: bytes, filename: str, limits: ParseLimits) -> Parsed:
    """One section a row.

    Raises:
        ParseFailed: `file_too_long`, `too_many_rows` or `too_many_columns`.
    """
    text = visible(decode(data))
    if len(text) > limits.chars:
        raise ParseFailed("file_too_long", max_chars=limits.chars)
    declared = _SEP_LINE.match(text)
    separator = declared[1] if declared else _separator(text[:_SAMPLE_CHARS])
    outline = Outline()
    outline.table(_rows(text[declared.end() :] if declared else text, separator, limits))
    return outline.done(filename=filename)


def _rows(text: str, separator: str, limits: ParseLimits) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in _read(text, separator):
        if len(row) > limits.columns and sum(map(bool, row)) > limits.columns:
            raise ParseFailed("too_many_columns", max_columns=limits.columns)
        if len(rows) >= limits.rows:
            raise ParseFailed("too_many_rows", max_rows=limits.rows)
        rows.append(row[: limits.columns])
    return rows


def _read(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(_LONGEST_CELL_CHARS)
    return csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)


def _separator(sample: str) -> str:
    """The separator that gives the same number of columns, above one, to the most rows."""
    return max(_SEPARATORS, key=lambda separator: _evenness(sample, separator))


def _evenness(sample: str, separator: str) -> float:
    widths: Counter[int] = Counter()
    try:
        for row, _ in zip(_read(sample, separator), range(_SAMPLE_ROWS), strict=False):
            if any(cell.strip() for cell in row):
                widths[len(row)] += 1
    except csv.Error:
        return 0.0
    wide = {width: count for width, count in widths.items() if width > 1}
    if not wide:
        return 0.0
    return max(wide.values()) / widths.total()
