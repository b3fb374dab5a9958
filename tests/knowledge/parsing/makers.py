"""Real files, made by the programs' own libraries, and the ways in which the tests read them."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

import docx
import font_lato
import openpyxl
import xlwt
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

from coccinelle.knowledge.parsing import Parsed, ParseFailed, ParseLimits, Section
from coccinelle.knowledge.parsing.reading import read

LIMITS = ParseLimits()
PRICES = [
    ["Prestation", "Véhicule", "Prix TTC", "Durée"],
    ["Vidange diesel", "citadine", "89 €", "45 min"],
    ["Vidange diesel", "SUV", "109 €", "50 min"],
    ["Permutation des pneus", "tous", "25 €", "20 min"],
]
PRICE_ROWS = [
    "Prestation : Vidange diesel ; Véhicule : citadine ; Prix TTC : 89 € ; Durée : 45 min",
    "Prestation : Vidange diesel ; Véhicule : SUV ; Prix TTC : 109 € ; Durée : 50 min",
    "Prestation : Permutation des pneus ; Véhicule : tous ; Prix TTC : 25 € ; Durée : 20 min",
]
HOURS = (
    "Le garage est ouvert du lundi au vendredi de 8 h à 18 h, et le samedi matin sur rendez-vous. "
    "Nous fermons la première quinzaine d'août pour les congés de l'équipe."
)


def parsed(data: bytes, filename: str = "fichier", media_type: str | None = None) -> Parsed:
    """What the parser gives, in this process."""
    return read(data, filename, media_type, LIMITS)


def failure(data: bytes, filename: str = "fichier", limits: ParseLimits = LIMITS) -> str:
    """The code of the reason why it gives nothing."""
    try:
        read(data, filename, None, limits)
    except ParseFailed as failed:
        return failed.code
    return "parsed"


def texts(found: Parsed, kind: str = "text") -> list[str]:
    """The texts of the sections of one kind."""
    return [section.text for section in found.sections if section.kind == kind]


def headed(found: Parsed) -> dict[tuple[str, ...], Section]:
    """The sections by their headings."""
    return {section.heading_path: section for section in found.sections}


def word(*, bold_headings: bool = False) -> bytes:
    """A Word document with a title, headings, a list, a question and a table."""
    document = docx.Document()
    document.add_heading("Guide d'accueil", 0)
    if bold_headings:
        document.add_paragraph().add_run("Nos horaires").bold = True
    else:
        document.add_heading("Nos horaires", 1)
    document.add_paragraph(HOURS)
    document.add_heading("Êtes-vous ouverts le dimanche ?", 2)
    document.add_paragraph("Non, sauf dépannage.")
    document.add_paragraph("Appelez le 01 99 00 12 34", style="List Bullet")
    document.add_paragraph("Ou écrivez-nous", style="List Bullet")
    document.add_heading("Tarifs", 1)
    _fill(document.add_table(len(PRICES), 4), PRICES)
    return _saved(document)


def word_with_table(rows: Sequence[Sequence[str]], merges: Sequence[tuple[int, ...]] = ()) -> bytes:
    """A Word document of one table; `merges` are (top, left, bottom, right)."""
    document = docx.Document()
    table = document.add_table(len(rows), len(rows[0]))
    _fill(table, rows)
    for top, left, bottom, right in merges:
        table.cell(top, left).merge(table.cell(bottom, right))
    return _saved(document)


def workbook(*sheets: tuple[str, Sequence[Sequence[Any]]], merged: Sequence[str] = ()) -> bytes:
    """An Excel workbook; a cell is a value, or a value and its number format."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for at, row in enumerate(rows, start=1):
            for column, cell in enumerate(row, start=1):
                value, number_format = cell if isinstance(cell, tuple) else (cell, None)
                made = sheet.cell(at, column, value)
                if number_format:
                    made.number_format = number_format
        for area in merged:
            sheet.merge_cells(area)
    return _saved(book)


def old_workbook() -> bytes:
    """An Excel workbook of before 2007, with a merged title above its header."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Prix")
    sheet.write_merge(0, 0, 0, 2, "Nos prix au comptoir")
    for column, label in enumerate(("Article", "Prix", "Depuis")):
        sheet.write(2, column, label)
    euros = xlwt.easyxf(num_format_str='#,##0.00 "€"')
    day = xlwt.easyxf(num_format_str="DD/MM/YYYY")
    sheet.write(3, 0, "Café crème")
    sheet.write(3, 1, 1.5, euros)
    sheet.write(3, 2, dt.date(2025, 5, 4), day)
    sheet.write(4, 0, "Abonnement")
    sheet.write(4, 1, 1234.5, euros)
    sheet.write(4, 2, 12345678901234)
    return _saved(book)


def pdf() -> bytes:
    """A PDF with headings by size and weight, prose, and a table."""
    page = _pdf_page()
    _line(page, "Livret d'accueil", size=22)
    _line(page, "Nos horaires d'été", size=15)
    _prose(page, HOURS)
    _line(page, "Tarifs", size=15)
    with page.table() as table:
        for cells in PRICES:
            row = table.row()
            for cell in cells:
                row.cell(cell)
    page.ln(5)
    _line(page, "Faut-il prendre rendez-vous ?", style="B")
    _prose(page, "Oui, par téléphone ou sur le site, la veille au plus tard.")
    return bytes(page.output())


def pdf_of(*pages: str) -> bytes:
    """A PDF of prose, one text a page."""
    document = FPDF()
    document.add_font("Sans", "", _FONT)
    document.set_font("Sans", size=11)
    for text in pages:
        document.add_page()
        _prose(document, text)
    return bytes(document.output())


def locked_pdf(password: str = "secret") -> bytes:
    """A PDF that opens with a password."""
    document = _pdf_page()
    document.set_font("Sans", size=11)
    _prose(document, HOURS)
    document.set_encryption(owner_password="proprietaire", user_password=password)
    return bytes(document.output())


def scanned_pdf(pages: int = 1) -> bytes:
    """A PDF whose pages are pictures."""
    document = FPDF()
    for _ in range(pages):
        document.add_page()
        document.image(io.BytesIO(picture()), x=0, y=0, w=210)
    return bytes(document.output())


def picture(image_format: str = "PNG", *lines: str, scale: int = 1) -> bytes:
    """A picture of text, enlarged by `scale` on each side."""
    shown = lines or ("Horaires d'été : fermé à Noël.", "Où êtes-vous situés ? À côté du théâtre.")
    image = Image.new("RGB", (900, 70 * len(shown) + 60), "white")
    font = ImageFont.truetype(_FONT, 30)
    for at, line in enumerate(shown):
        ImageDraw.Draw(image).text((40, 40 + 70 * at), line, fill="black", font=font)
    image = image.resize((image.width * scale, image.height * scale))
    out = io.BytesIO()
    image.save(out, image_format)
    return out.getvalue()


_FONT = font_lato.font_files["Lato"]
_BOLD = font_lato.font_files["LatoBold"]


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _fill(table: Any, rows: Sequence[Sequence[str]]) -> None:
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            if cell:
                table.cell(at, column).text = cell


def _pdf_page() -> FPDF:
    document = FPDF()
    document.add_font("Sans", "", _FONT)
    document.add_font("Sans", "B", _BOLD)
    document.add_page()
    return document


def _line(document: FPDF, text: str, *, size: int = 11, style: str = "") -> None:
    document.set_font("Sans", style, size)
    document.cell(0, 12, text, new_x="LMARGIN", new_y="NEXT")
    document.set_font("Sans", "", 11)


def _prose(document: FPDF, text: str) -> None:
    document.multi_cell(0, 6, text, new_x="LMARGIN", new_y="NEXT")
    document.ln(5)
