"""How parsing processes are asked, and how they answer, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from coccinelle.knowledge.parsing.model import Parsed, ParseFailed, ParseLimits, Section

ORDER_BYTES = 16


@dataclass(frozen=True)
class Order:
    """With a connection: have a new process read a file there. Without: end the one of `number`.

    `is_page` tells that it is probably a web page, which is worth getting ready for.
    """

    number: int
    is_page: bool = False


@dataclass(frozen=True)
class Request:
    """What who reads a file must know beside its bytes."""

    filename: str
    media_type: str | None
    limits: ParseLimits


def encode_order(order: Order) -> bytes:
    """`ORDER_BYTES` bytes: orders follow each other without anything between them."""
    return b"%15d%1d" % (order.number, order.is_page)


def decode_order(said: bytes) -> Order:
    """The inverse of `encode_order`."""
    return Order(int(said[:-1]), said.endswith(b"1"))


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
