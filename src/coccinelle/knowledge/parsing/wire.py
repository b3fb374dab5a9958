"""How the parsing child is asked, and how it answers, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits, Section


@dataclass(frozen=True)
class Request:
    """What the child must know beside the bytes of the file."""

    filename: str
    media_type: str | None
    limits: ParseLimits


def encode_request(request: Request) -> bytes:
    """One line; the file's bytes follow it."""
    return json.dumps(asdict(request)).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """The inverse of `encode_request`."""
    fields = json.loads(line)
    return Request(fields["filename"], fields["media_type"], ParseLimits(**fields["limits"]))


def encode_parsed(parsed: Parsed) -> bytes:
    """A result."""
    sections = [[s.heading_path, s.kind, s.text, s.question] for s in parsed.sections]
    answer = {"title": parsed.title, "sections": sections, "unread_pages": parsed.unread_pages}
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def encode_failure(failure: ParseFailed) -> bytes:
    """A reason why there is none."""
    return json.dumps({"code": failure.code, "values": failure.values}).encode()


def encode_crash(error: BaseException) -> bytes:
    """A fault of ours, such as a library that is not installed."""
    return json.dumps({"crash": f"{type(error).__name__}: {error}"}).encode()


def decode_answer(answer: bytes) -> Parsed:
    """The inverse of the three above.

    Raises:
        ParseFailed: the child gave a reason.
        RuntimeError: the child could not do its work, whatever the file.
    """
    fields: dict[str, Any] = json.loads(answer)
    if "crash" in fields:
        raise RuntimeError(f"the parsing child failed: {fields['crash']}")
    if "code" in fields:
        raise ParseFailed(fields["code"], **fields["values"])
    sections = tuple(
        Section(tuple(path), kind, text, question)
        for path, kind, text, question in fields["sections"]
    )
    return Parsed(fields["title"], sections, fields["unread_pages"])
