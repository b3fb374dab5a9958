"""Office files are archives: what they would unpack to is bounded before anything is unpacked."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO

from coccinelle.knowledge.parsing.model import ParseFailed, ParseLimits

_DOCTYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)|<\x00!\x00[DE]\x00", re.IGNORECASE)
_MARKUP_SUFFIXES = (".xml", ".rels", ".vml")
_PROLOGUE_BYTES = 65_536
_ENCRYPTED_FLAG = 0x1


def checked_archive(data: bytes, limits: ParseLimits) -> zipfile.ZipFile:
    """The archive, once its entries are few, small in sum, in clear and free of entities.

    A lying directory does not help: `zipfile` unpacks no more than what the directory says.

    Raises:
        ParseFailed: `file_too_complex`, `encrypted` or `unreadable_file`.
    """
    archive = zipfile.ZipFile(BytesIO(data))
    entries = archive.infolist()
    total_bytes = sum(entry.file_size for entry in entries)
    if len(entries) > limits.zip_entries or total_bytes > limits.unzipped_bytes:
        raise ParseFailed("file_too_complex")
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise ParseFailed("encrypted")
    for entry in entries:
        if entry.filename.lower().endswith(_MARKUP_SUFFIXES):
            _refuse_entities(archive, entry)
    return archive


def member(archive: zipfile.ZipFile, name: str, limits: ParseLimits) -> bytes | None:
    """One part of the archive, if it is there.

    Raises:
        ParseFailed: `file_too_complex` for markup of more than `limits.markup_bytes`.
    """
    try:
        entry = archive.getinfo(name)
    except KeyError:
        return None
    if entry.file_size > limits.markup_bytes:
        raise ParseFailed("file_too_complex")
    return archive.read(entry)


def _refuse_entities(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """No office program writes a document type; one is there to make a parser unfold it."""
    with archive.open(entry) as stream:
        if _DOCTYPE.search(stream.read(_PROLOGUE_BYTES)):
            raise ParseFailed("unreadable_file", cause="doctype")
