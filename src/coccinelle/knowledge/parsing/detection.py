"""What a file is: by its content first, then by its name, then by what its sender called it."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from pathlib import PurePosixPath
from typing import Literal

from coccinelle.knowledge.parsing.cleaning import decode, utf16_without_bom
from coccinelle.knowledge.parsing.model import ParseFailed

Format = Literal["pdf", "docx", "xlsx", "xls", "csv", "html", "markdown", "text", "image"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_CONTENT = re.compile(rb"[^\x00\t\n\r \xef\xbb\xbf]")
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_UTF_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_XLS_STREAMS = tuple(name.encode("utf-16-le") for name in ("Workbook", "Book"))
_HTML = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S
)
_BY_EXTENSION: dict[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "xls": "csv",  # Text under this name: exports that call a table so.
    "htm": "html",
    "html": "html",
    "xhtml": "html",
    "md": "markdown",
    "markdown": "markdown",
    "txt": "text",
    "text": "text",
}
_BY_MEDIA_TYPE: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/plain": "text",
}
_NOT_PROSE = frozenset(("rtf", "json", "xml", "svg", "js", "css", "eml", "ics", "sql", "ps"))
_HEAD_BYTES = 8_192
_NOT_TEXT_SHARE = 0.1


def detect(data: bytes, filename: str, media_type: str | None) -> Format:
    """Which parser reads `data`.

    Raises:
        ParseFailed: `empty_file`, `unsupported_format`, `encrypted`, or `unreadable_file` for a
            truncated archive.
    """
    if is_empty(data):
        raise ParseFailed("empty_file")
    if b"%PDF-" in data[:1_024]:
        return "pdf"
    if data.startswith(_IMAGES):
        return "image"
    if data.startswith(_ZIP):
        return _in_zip(data)
    if data.startswith(_OLE):
        return _in_ole(data)
    return _text_format(data, filename, media_type)


def is_empty(data: bytes) -> bool:
    """Whether there is nothing but blanks and a byte-order mark."""
    return _CONTENT.search(data) is None


def is_named_page(filename: str, media_type: str | None) -> bool:
    """Whether its sender or its name calls it a web page, whatever is in it."""
    return "html" in (_sent_as(media_type), _BY_EXTENSION.get(_extension(filename)))


def _extension(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).suffix.lower().lstrip(".")


def _sent_as(media_type: str | None) -> Format | None:
    return _BY_MEDIA_TYPE.get((media_type or "").split(";")[0].strip().lower())


def _in_zip(data: bytes) -> Format:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = {name.lower() for name in archive.namelist()}
    # zipfile raises NotImplementedError for a kind of archive that it cannot read.
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise ParseFailed("unreadable_file", cause=type(error).__name__) from error
    if "word/document.xml" in names:
        return "docx"
    if "xl/workbook.xml" in names:
        return "xlsx"
    raise ParseFailed("unsupported_format")


def _in_ole(data: bytes) -> Format:
    """An old Excel file, or a newer one inside the envelope of its encryption."""
    if _ENCRYPTED_STREAM in data:
        raise ParseFailed("encrypted")
    if any(name in data for name in _XLS_STREAMS):
        return "xls"
    raise ParseFailed("unsupported_format")


def _text_format(data: bytes, filename: str, media_type: str | None) -> Format:
    head = data[:_HEAD_BYTES]
    extension = _extension(filename)
    if head.lstrip().startswith(b"{\\rtf") or extension in _NOT_PROSE or _is_binary(data, head):
        raise ParseFailed("unsupported_format")
    if _HTML.match(decode(head)):
        return "html"
    return _BY_EXTENSION.get(extension) or _sent_as(media_type) or "text"


def _is_binary(data: bytes, head: bytes) -> bool:
    if head.startswith(_UTF_BOMS) or utf16_without_bom(data):
        return False
    controls = sum(byte < 9 or 13 < byte < 32 for byte in head)
    return 0 in head or controls > len(head) * _NOT_TEXT_SHARE
