"""Values that nobody should send, and what every refusal must look like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from coccinelle.foundation import i18n
from coccinelle.foundation.i18n import Locale

CANARY = "canari7f3a91"
NUMBER = 918273645546372819


@dataclass(frozen=True)
class Raw:
    """A piece of JSON as it is written, valid or not."""

    text: bytes


# What no field may hold, whatever its type and even where it is ignored.
UNSTORABLE = {
    "NUL": Raw(b'"%b\\u0000b"' % CANARY.encode()),
    "NUL alone": Raw(b'"\\u0000"'),
    "raw NUL": Raw(b'"%b\x00"' % CANARY.encode()),
    "high surrogate": Raw(b'"\\ud83d%b"' % CANARY.encode()),
    "low surrogate": Raw(b'"%b\\ude00"' % CANARY.encode()),
    "swapped surrogates": Raw(b'"\\ude00\\ud83d"'),
    "raw surrogate": Raw(b'"\xed\xa0\xbd"'),
    "NUL as a key": Raw(b'{"%b\\u0000": 1}' % CANARY.encode()),
    "surrogate in a list": Raw(b'["\\ud800"]'),
}
NOT_JSON = {
    "not UTF-8": Raw(b'"%b\xff\xfe"' % CANARY.encode()),
    "half of UTF-8": Raw(b'"\xc3"'),
    "overlong UTF-8": Raw(b'"\xc0\xaf"'),
    "raw line break": Raw(b'"a\nb"'),
    "bad escape": Raw(b'"\\x41"'),
    "no value": Raw(b""),
    "a word": Raw(CANARY.encode()),
    "unclosed": Raw(b'"' + CANARY.encode()),
    "comment": Raw(b"1 /* one */"),
    "leading zero": Raw(b"007"),
    "very deep": Raw(b"[" * 20_000 + b"]" * 20_000),
}
# What a field may hold or not: its schema says.
ODD: dict[str, object] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "two": 2,
    "negative": -NUMBER,
    "large": NUMBER,
    "enormous": Raw(b"9" * 400),
    "beyond numbers": Raw(b"1e400"),
    "fraction": 1.5,
    "number as text": "1",
    "yes": "yes",
    "empty": "",
    "blank": " \t\n\u3000",
    "long": CANARY + "x" * 3_000,
    "empty list": [],
    "list": [CANARY],
    "list of lists": [[CANARY]],
    "list of numbers": [NUMBER, 1.5],
    "empty object": {},
    "object": {f"{CANARY} <b>": CANARY},
    "deep": json.loads("[" * 60 + "]" * 60),
    "controls": CANARY + "\x01\x1b[31m\x7f\r\n",
    "not a number": Raw(b"NaN"),
    "infinite": Raw(b"-Infinity"),
    "SQL": f"{CANARY}'; DROP TABLE messages; --",
    "template": "{{7*7}} ${7*7} %s %(tenant)s {0} {detail}",
    "right to left": "\u202e" + CANARY + "שלום مرحبا",
}


def encoded(body: object) -> bytes:
    """`body` as JSON, with every `Raw` in it as it is."""
    if isinstance(body, Raw):
        return body.text
    if isinstance(body, dict):
        pairs = (encoded(key) + b":" + encoded(value) for key, value in body.items())
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(body, list):
        return b"[" + b",".join(map(encoded, body)) + b"]"
    return json.dumps(body, ensure_ascii=False).encode()


Place = tuple[str | int, ...]


def places(body: object, under: Place = ()) -> Iterator[Place]:
    """Where in `body` there is a value, itself included."""
    yield under
    items: Any = ()
    if isinstance(body, dict):
        items = body.items()
    elif isinstance(body, list):
        items = enumerate(body)
    for key, value in items:
        yield from places(value, (*under, key))


def replaced(body: Any, place: Place, value: object) -> Any:
    """`body` with `value` at `place`."""
    if not place:
        return value
    copy: Any = list(body) if isinstance(body, list) else dict(body)
    copy[place[0]] = replaced(body[place[0]], place[1:], value)
    return copy


@dataclass(frozen=True)
class Fault:
    """An answer that is not as it should be."""

    what: str
    sent: str
    status: int
    answer: str = field(repr=True)


def faults(
    answer: httpx2.Response, *, shape: str, sent: str, locale: Locale = "fr", canary: str = CANARY
) -> list[Fault]:
    """What is wrong with a refusal (or, of another answer, that it is an error of ours)."""
    if answer.status_code < 400:
        return []
    found = []
    if answer.status_code >= 500:
        found.append("an error of ours")
    if canary.lower() in answer.text.lower() or str(NUMBER) in answer.text:
        found.append("echoes the input")
    if any(word in answer.text for word in ("Traceback", "psycopg", "SELECT ", "/src/", ".py")):
        found.append("tells of the inside")
    try:
        body = answer.json()
    except ValueError:
        body = None
    told = isinstance(body, dict) and _SHAPES[shape](answer, body, locale)
    if not told:
        found.append(f"not in the shape of {shape}, in {locale}")
    return [Fault(what, sent, answer.status_code, answer.text[:300]) for what in found]


def _is_problem(answer: httpx2.Response, body: dict[str, Any], locale: Locale) -> bool:
    members = {"type", "title", "status", "detail", "code", "request_id"}
    listed = body.get("errors", [])
    return (
        answer.headers["content-type"] == "application/problem+json"
        and members <= set(body) <= members | {"errors"}
        and body["status"] == answer.status_code
        and body["type"] == f"urn:coccinelle:problem:{body['code']}"
        and body["title"] == i18n.title(answer.status_code, locale)
        and _is_sentence(body["code"], body["detail"], locale)
        and all(set(one) == {"field", "code", "message"} for one in listed)
        and all(_is_sentence(one["code"], one["message"], locale) for one in listed)
        and body["request_id"] == answer.headers["x-request-id"]
    )


def _is_openai(answer: httpx2.Response, body: dict[str, Any], locale: Locale) -> bool:
    error = body.get("error", {})
    return (
        set(body) == {"error"}
        and set(error) == {"message", "type", "param", "code", "request_id"}
        and answer.status_code != 422
        and answer.headers["content-type"] == "application/json"
        and _is_sentence(error["code"], error["message"], locale)
        and error["request_id"] == answer.headers["x-request-id"]
    )


_V1 = {
    ("Missing required fields", "VALIDATION_ERROR"),
    ("Empty message", "INVALID_MESSAGE"),
    ("Message too long", "MESSAGE_TOO_LONG"),
}


def _is_v1(answer: httpx2.Response, body: dict[str, Any], locale: Locale) -> bool:
    if set(body) != {"error", "type", "timestamp"} or answer.status_code == 422:
        return False
    return answer.status_code != 400 or (body["error"], body["type"]) in _V1


def _is_sentence(code: str, text: str, locale: Locale) -> bool:
    """Whether `text` is the sentence of `code`, whatever values it mentions."""
    code = "agent_not_found" if code == "model_not_found" else code
    pieces = _pieces(i18n.template(code, locale))
    return code in i18n.codes() and all(piece in text for piece in pieces)


def _pieces(template: str) -> list[str]:
    parts = template.replace("}", "{").split("{")
    return parts[::2]


_SHAPES = {"problem": _is_problem, "openai": _is_openai, "v1": _is_v1}
