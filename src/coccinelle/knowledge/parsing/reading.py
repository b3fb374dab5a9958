"""Bytes to a `Parsed`, by the one parser that the content calls for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from coccinelle.knowledge.parsing.detection import Format, detect
from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits, within

_MODULES: dict[Format, str] = {
    "pdf": "pdf",
    "docx": "docx",
    "xlsx": "xlsx",
    "xls": "xls",
    "csv": "delimited",
    "html": "html",
    "markdown": "markdown",
    "text": "plain",
    "image": "image",
}


def read(data: bytes, filename: str, media_type: str | None, limits: ParseLimits) -> Parsed:
    """`data` as sections, in this process; only that parser's libraries are imported.

    Raises:
        ParseFailed: for anything that is the file's fault.
        MemoryError, ImportError: for what is not.
    """
    parser = _parser(detect(data, filename, media_type))
    try:
        return within(parser(data, filename, limits), limits)
    except (ParseFailed, MemoryError, ImportError):
        raise
    except Exception as error:
        raise ParseFailed("unreadable_file", cause=type(error).__name__) from error


def _parser(format_: Format) -> Callable[[bytes, str, ParseLimits], Parsed]:
    module = import_module(f"coccinelle.knowledge.parsing.{_MODULES[format_]}")
    parser: Callable[[bytes, str, ParseLimits], Parsed] = module.parse
    return parser
