"""Whatever the bytes: sections or a reason, never another exception."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coccinelle.knowledge.parsing import ParseFailed, ParseLimits
from coccinelle.knowledge.parsing.reading import read
from tests.knowledge.parsing import makers

SMALL = ParseLimits(chars=200_000, pages=20, rows=2_000, pixels=100_000, ocr_seconds=0.0)
SEEDS: dict[str, Callable[[], bytes]] = {
    "a.docx": makers.word,
    "a.pdf": makers.pdf,
    "a.xls": makers.old_workbook,
    "a.xlsx": lambda: makers.workbook(("A", [["Nom", "Prix"], ["Pneu", (25, '0.00 "€"')]])),
    "a.html": lambda: (
        b"<html><body><h1>A</h1><table><tr><td colspan=2>a<td>b</table><ul><li>c</ul><p>d</p>"
        b"<details><summary>e</summary>f</details></body></html>"
    ),
    "a.md": lambda: b"# A\n\n| a | b |\n|---|---|\n| c | d |\n\n[e](f) **g** `h`\n\n```\ni\n```\n",
    "a.csv": lambda: 'Libellé;Prix\n"a ""b""";25\n;\n\nc;d;e'.encode("cp1252"),
    "a.png": lambda: makers.picture("PNG", "Bonjour"),
}
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
edits = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=0, max_size=12)), max_size=8)


@cache
def seed(filename: str) -> bytes:
    return SEEDS[filename]()


@given(st.binary(max_size=3_000), st.sampled_from(("a.csv", "a.html", "a.md", "a.txt", "")))
@settings(fuzz, max_examples=200)
def test_random_bytes_end_well(data: bytes, filename: str) -> None:
    ends_well(data, filename)


@given(st.text(max_size=2_000), st.sampled_from(("a.csv", "a.html", "a.md", "a.txt")))
@settings(fuzz, max_examples=200)
def test_random_text_ends_well(text: str, filename: str) -> None:
    ends_well(text.encode("utf-8", "surrogatepass"), filename)


@pytest.mark.parametrize("filename", SEEDS)
@given(edits=edits, cut=st.floats(0.3, 1))
@fuzz
def test_a_damaged_file_ends_well(
    filename: str, edits: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray(seed(filename))
    for place, replacement in edits:
        at = int(place * len(data))
        data[at : at + len(replacement)] = replacement
    ends_well(bytes(data[: int(cut * len(data)) if cut < 0.9 else len(data)]), filename)


def ends_well(data: bytes, filename: str) -> None:
    try:
        found = read(data, filename, None, SMALL)
    except ParseFailed:
        return
    assert found.title
    for section in found.sections:
        assert section.text.strip()
        assert not any(0xD800 <= ord(char) <= 0xDFFF or char == "\0" for char in section.text)
