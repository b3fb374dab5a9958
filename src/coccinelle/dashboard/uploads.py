"""Forms that bring files, as browsers send them (multipart/form-data)."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from coccinelle.dashboard.pages import Form
from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.knowledge.model import NewSource, file_source, is_storable


async def read_upload(
    request: Request, *, max_files: int, max_fields: int = 100
) -> tuple[Form, list[NewSource]]:
    """The fields of a form and its files, those that nobody chose left out.

    Raises:
        Invalid: it is no such form, has too many parts, or a character that cannot be kept.
    """
    pairs, files = [], []
    try:
        async with request.form(max_files=max_files, max_fields=max_fields) as parts:
            for name, part in parts.multi_items():
                if not isinstance(part, UploadFile):
                    pairs.append((name, part))
                elif part.filename:
                    files.append(await _file(part))
    except HTTPException as error:
        raise Invalid("bad_form") from error
    if not all(is_storable(text) for pair in pairs for text in pair):
        raise Invalid("unstorable_characters")
    return Form(pairs), files


async def _file(part: UploadFile) -> NewSource:
    name, kind = part.filename or "document", part.content_type or ""
    if not (is_storable(name) and is_storable(kind)):
        raise Invalid(errors=(FieldError("files", "unstorable_characters"),))
    return file_source(await part.read(), filename=name, media_type=kind or None)
