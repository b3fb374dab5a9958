"""Small files that would cost a great deal, each under a name and with the codes it may end in."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from tests.knowledge.parsing import makers

_CONTENT_TYPES = "[Content_Types].xml"
_LAUGHS = "".join(
    f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' if level else '<!ENTITY a0 "ha">'
    for level in range(10)
)


def docx_of_paragraphs() -> bytes:
    """About 400 KB that unpack to hundreds of megabytes of paragraphs."""
    paragraph = b"<w:p><w:r><w:t>Bonjour</w:t></w:r></w:p>"
    return _repacked(
        makers.word(),
        "word/document.xml",
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body>" + paragraph * 2_500_000 + b"</w:body></w:document>",
    )


def docx_of_entries() -> bytes:
    """An archive of very many parts."""
    out = io.BytesIO(makers.word())
    with zipfile.ZipFile(out, "a") as archive:
        for at in range(20_000):
            archive.writestr(f"word/media/{at}", b"")
    return out.getvalue()


def docx_nested() -> bytes:
    """Elements inside elements, a hundred thousand deep."""
    depth = 100_000
    return _repacked(
        makers.word(),
        "word/document.xml",
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        b"<w:body>" + b"<w:sdt>" * depth + b"</w:sdt>" * depth + b"</w:body></w:document>",
    )


def xlsx_of_laughs() -> bytes:
    """Entities that unfold ten billion times."""
    shared = (
        f'<?xml version="1.0"?><!DOCTYPE sst [{_LAUGHS}]>'
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        "<si><t>&a9;</t></si></sst>"
    )
    return _repacked(
        makers.workbook(("A", [["x", "y"], ["z", "t"]])), "xl/sharedStrings.xml", shared.encode()
    )


def xlsx_of_rows() -> bytes:
    """A sheet of two million rows."""
    row = b'<row><c t="inlineStr"><is><t>a</t></is></c></row>'
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + row * 2_000_000
        + b"</sheetData></worksheet>"
    )
    return _repacked(makers.workbook(("A", [["x"]])), "xl/worksheets/sheet1.xml", sheet)


def xlsx_far_away() -> bytes:
    """Merged cells to the last place that there is, and a value there."""
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b'<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        b'<row r="1048576"><c r="B1048576"><v>2</v></c></row></sheetData>'
        b'<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>'
    )
    return _repacked(makers.workbook(("A", [["x"]])), "xl/worksheets/sheet1.xml", sheet)


def html_of_laughs() -> bytes:
    """The same entities in a page."""
    return f"<!DOCTYPE html [{_LAUGHS}]><html><body><p>&a9;</p></body></html>".encode()


def html_nested() -> bytes:
    """Elements inside elements, two hundred thousand deep."""
    return b"<html><body>" + b"<div>" * 200_000 + b"bonjour" + b"</div>" * 200_000


def html_large() -> bytes:
    """Thirty megabytes of small elements."""
    return b"<html><body>" + b"<p>a <b>b</b></p>" * 1_800_000 + b"</body></html>"


def html_of_cells() -> bytes:
    """A table whose cells each claim thousands of places."""
    cell = '<td colspan="1000" rowspan="65000">a</td>'
    return f"<html><table>{f'<tr>{cell * 20}</tr>' * 300}</table></html>".encode()


def pdf_of_zeros() -> bytes:
    """A stream of 700 KB that unpacks to 700 MB."""
    return _pdf_with_stream(packed_zeros(700), "/FlateDecode")


def pdf_of_text() -> bytes:
    """A stream that unpacks to a great deal of text."""
    shown = b"BT /F1 12 Tf 10 10 Td (Bonjour) Tj ET\n"
    return _pdf_with_stream(zlib.compress(shown * 2_000_000, 9), "/FlateDecode")


def pdf_of_nested_streams() -> bytes:
    """Zeros, packed twice."""
    twice = zlib.compress(packed_zeros(500), 9)
    return _pdf_with_stream(twice, "[/FlateDecode /FlateDecode]")


def pdf_that_is_its_own_page() -> bytes:
    """A tree of pages that contains itself."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1000000>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )


def png_flood() -> bytes:
    """A picture of 50,000 by 50,000 pixels."""

    def part(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", packed) + part(b"IEND", b"")


def pdf_of_flooding_picture() -> bytes:
    """A page that is a picture of 50,000 by 50,000 pixels."""
    return _pdf_with_stream(
        zlib.compress(b"q 500 0 0 500 0 0 cm /I Do Q"),
        "/FlateDecode",
        zlib.compress(bytes(50_000_000), 9),
    )


def csv_of_columns() -> bytes:
    """A million columns."""
    return b";".join(b"%d" % n for n in range(1_000_000)) + b"\n" + b";".join([b"x"] * 1_000_000)


def csv_of_rows() -> bytes:
    """Many rows."""
    return b"Nom;Prix\n" + b"Pneu;25\n" * 300_000


def text_of_megabytes() -> bytes:
    """Long, and without a single line break."""
    return "bonjour à tous ".encode() * 2_000_000


def markdown_of_marks() -> bytes:
    """Marks that a careless pattern tries in every combination."""
    return b"[" * 50_000 + b"*" * 50_000 + b"](" * 20_000 + b"_a" * 50_000 + b"<!--" * 20_000


BOMBS: dict[str, tuple[Callable[[], bytes], str, frozenset[str]]] = {
    name: (make, filename, frozenset(codes.split()))
    for name, make, filename, codes in (
        ("docx of paragraphs", docx_of_paragraphs, "a.docx", "file_too_complex"),
        ("docx of entries", docx_of_entries, "a.docx", "file_too_complex"),
        ("docx nested", docx_nested, "a.docx", "no_text unreadable_file"),
        ("xlsx of laughs", xlsx_of_laughs, "a.xlsx", "unreadable_file"),
        ("xlsx of rows", xlsx_of_rows, "a.xlsx", "too_many_rows"),
        ("xlsx far away", xlsx_far_away, "a.xlsx", "parsed too_many_rows"),
        ("html of laughs", html_of_laughs, "a.html", "parsed no_text"),
        ("html nested", html_nested, "a.html", "parsed no_text unreadable_file"),
        ("html large", html_large, "a.html", "file_too_complex"),
        (
            "html of cells",
            html_of_cells,
            "a.html",
            "parsed too_many_rows file_too_complex file_too_long",
        ),
        ("pdf of zeros", pdf_of_zeros, "a.pdf", "no_text file_too_complex unreadable_file"),
        (
            "pdf of text",
            pdf_of_text,
            "a.pdf",
            "no_text file_too_complex unreadable_file file_too_long",
        ),
        (
            "pdf packed twice",
            pdf_of_nested_streams,
            "a.pdf",
            "no_text file_too_complex unreadable_file",
        ),
        (
            "pdf in itself",
            pdf_that_is_its_own_page,
            "a.pdf",
            "unreadable_file file_too_complex no_text too_many_pages",
        ),
        ("pdf of a flooding picture", pdf_of_flooding_picture, "a.pdf", "no_text image_too_large"),
        ("png flood", png_flood, "a.png", "image_too_large"),
        ("csv of columns", csv_of_columns, "a.csv", "too_many_columns file_too_long"),
        ("csv of rows", csv_of_rows, "a.csv", "too_many_rows"),
        ("text of megabytes", text_of_megabytes, "a.txt", "file_too_long"),
        ("markdown of marks", markdown_of_marks, "a.md", "parsed no_text"),
    )
}


def packed_zeros(megabytes: int) -> bytes:
    """What so many megabytes of zeros are packed to, without making them all."""
    packer = zlib.compressobj(9)
    million = bytes(1_000_000)
    return b"".join(packer.compress(million) for _ in range(megabytes)) + packer.flush()


def _repacked(archive: bytes, name: str, content: bytes) -> bytes:
    """`archive` with one part replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
        new.writestr(name, content)
    return out.getvalue()


def _pdf_with_stream(packed: bytes, filters: str, picture: bytes = b"") -> bytes:
    """A PDF of one page with this content, and a picture that claims to be a flood."""
    out = bytearray(b"%PDF-1.4\n")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>/XObject<</I 6 0 R>>>>>>",
        b"<</Length %d/Filter %s>>stream\n" % (len(packed), filters.encode())
        + packed
        + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Type/XObject/Subtype/Image/Width 50000/Height 50000/BitsPerComponent 8"
        b"/ColorSpace/DeviceRGB/Filter/FlateDecode/Length %d>>stream\n"
        % len(picture)
        + picture
        + b"\nendstream",
    ]
    places = []
    for at, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj" % at + content + b"endobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    return bytes(out)
