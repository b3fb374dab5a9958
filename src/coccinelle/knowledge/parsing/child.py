"""The process that reads one file: limits itself, then reads standard input and answers."""

from __future__ import annotations

import os
import resource
import sys

from coccinelle.knowledge.parsing.limiting import confine
from coccinelle.knowledge.parsing.model import ParseFailed
from coccinelle.knowledge.parsing.reading import read
from coccinelle.knowledge.parsing.wire import (
    Request,
    decode_request,
    encode_crash,
    encode_failure,
    encode_parsed,
)

_NICENESS = 10


def main() -> None:
    """Answer on the standard output that we were started with; nothing else may write there."""
    answer_to = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = decode_request(sys.stdin.buffer.readline())
    confine(request.limits)
    with answer_to:
        answer_to.write(_answer(request, sys.stdin.buffer.read()))


def _answer(request: Request, data: bytes) -> bytes:
    try:
        parsed = read(data, request.filename, request.media_type, request.limits)
        return encode_parsed(parsed)
    except ParseFailed as failure:
        return encode_failure(failure)
    except MemoryError:
        return encode_failure(ParseFailed("file_too_complex"))
    except ImportError as error:
        return encode_crash(error)


if __name__ == "__main__":
    main()
