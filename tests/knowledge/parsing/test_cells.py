"""A value is shown as its cell shows it, in French."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coccinelle.knowledge.parsing.cells import shown


@pytest.mark.parametrize(
    ("value", "number_format", "wanted"),
    [
        (None, "General", ""),
        ("Vidange", "General", "Vidange"),
        (True, "General", "Oui"),
        (89, "General", "89"),
        (89.0, "General", "89"),
        (0.1 + 0.2, "General", "0,3"),
        (1e-7, "General", "0,0000001"),
        (12345678901234.0, "General", "12345678901234"),
        (123456789012, "0.00E+00", "123456789012"),
        (89, '#,##0.00\\ "€"', "89,00 €"),
        (1234.5, "#,##0.00\\ [$€-40C]", "1 234,50 €"),
        (1234.5, "[$€-2] #,##0.00", "1 234,50 €"),
        (1234567.891, "#,##0", "1 234 568"),
        (-12.5, "0.00", "-12,50"),
        (-12.5, '#,##0.00 "€";[Red]-#,##0.00 "€"', "-12,50 €"),
        (0, '0.00;-0.00;"gratuit"', "0,00"),
        (0.055, "0.0%", "5,5 %"),
        (0.2, "0%", "20 %"),
        (45, '0" min"', "45 min"),
        (2.5, "0.##", "2,5"),
        (7500, "00000", "07500"),
        (199001234, '0#" "##" "##" "##" "##', "01 99 00 12 34"),
        (dt.datetime(2025, 1, 31), "dd/mm/yyyy", "31/01/2025"),
        (dt.datetime(2025, 1, 31), "mm-dd-yy", "31/01/2025"),
        (dt.datetime(2025, 1, 1), "d mmmm yyyy", "1er janvier 2025"),
        (dt.datetime(2025, 8, 1), "mmmm yyyy", "août 2025"),
        (dt.datetime(2025, 1, 31, 14, 5), "dd/mm/yyyy hh:mm", "31/01/2025 14:05"),
        (dt.time(9, 30), "h:mm", "09:30"),
        (dt.timedelta(hours=26, minutes=30), "[h]:mm", "26:30"),
        (1.5, "[h]:mm", "36:00"),
        (float("nan"), "0.00", ""),
    ],
)
def test_a_cell_reads_as_on_the_screen(value: object, number_format: str, wanted: str) -> None:
    assert shown(value, number_format) == wanted


@given(
    st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)),
    st.one_of(st.none(), st.text('0#?,.%;E+-[]$€"\\ _*dmyh', max_size=14)),
)
def test_no_number_is_ever_scientific(value: float, number_format: str | None) -> None:
    if abs(value) < 1e15:
        assert not re.search(r"\de[+-]?\d", shown(value, number_format).lower())
