"""From a file's bytes to titled sections of clean text.

`parse` reads a file in a child process under limits, so that a hostile file costs a reason code
and nothing else. Every format is one module that turns bytes into a `Parsed`: prose under its
headings, one section a table row with its headers, one section a question and its answer.
"""

from __future__ import annotations

from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits, Section
from coccinelle.knowledge.parsing.process import parse

__all__ = ["ParseFailed", "ParseLimits", "Parsed", "Section", "parse"]
