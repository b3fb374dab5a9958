"""The headers of every kind of answer are those that were reviewed: `headers.txt`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from coccinelle.foundation.postgres import Addresses
from tests.cli.conftest import Cli
from tests.living import Business, client, living, move_in

REVIEWED = Path(__file__).parent / "headers.txt"
KEY_PAGE = "https://a.example"
WHEN = "2026-11-03"
VARYING = {
    "x-request-id": "[0-9a-f]{32}",
    "x-visitor-token": r"\S{60,}",
    "retry-after": r"\d{1,2}",
    "etag": '"[0-9a-f]{16}(-gzip)?"',
}
NOT_OURS = {"date", "content-length", "connection", "transfer-encoding", "server"}


@dataclass(frozen=True)
class Street:
    """A server, and a business in it that lists the page of its host name's origins."""

    url: str
    business: Business

    @property
    def page(self) -> str:
        """The page that its host name allows."""
        return f"https://{self.business.slug}.example"


@pytest.fixture(scope="module")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    data = tmp_path_factory.mktemp("street")
    async with living(addresses, data, environment={"COCCINELLE_DOCS_PAGE": "true"}) as opened:
        house, url = opened
        yield Street(url, await move_in(house, "rivoli"))


@dataclass(frozen=True)
class Kind:
    """A kind of request, the last of `times`.

    `headers` may name `{page}`, `{host}`, `{api_key}` and `{public_key}`.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    times: int = 1


def chat(**headers: str) -> Kind:
    return Kind("POST", "/api/chat", headers, "chat")


def webhook(**headers: str) -> Kind:
    return Kind("POST", "/webhook/chat", headers, "webhook")


BY_KEY = {"Authorization": "Bearer {api_key}"}
BY_PAGE = {"X-Coccinelle-Key": "{public_key}"}
ASKING = {"Access-Control-Request-Method": "POST"}
ASKING_WITH_KEY = {**ASKING, "Access-Control-Request-Headers": "content-type, x-coccinelle-key"}
STREAM = {"Accept": "text/event-stream"}
ANY_PAGE = {"Origin": "https://evil.example", "Accept-Encoding": "identity"}
CONFIG = "/api/widget/config"

KINDS = {
    "chat, no page": chat(),
    "chat, its page": chat(Origin="{page}"),
    "chat, our own page": chat(Origin="http://{host}"),
    "chat, another page": chat(Origin="https://evil.example"),
    "chat, a page without an origin": chat(Origin="null"),
    "chat, public key, its page": chat(Origin=KEY_PAGE, **BY_PAGE),
    "chat, public key, another page": chat(Origin="{page}", **BY_PAGE),
    "chat, public key, no page": chat(**BY_PAGE),
    "chat, API key": chat(**BY_KEY),
    "chat, unknown key": chat(Authorization="Bearer ck_unknown"),
    "chat, invalid, its page": Kind("POST", "/api/chat", {"Origin": "{page}"}, {}),
    "chat, too large": Kind("POST", "/api/chat", {"Origin": "{page}"}, "x" * 70_000),
    "chat, too many, its page": Kind("POST", "/api/chat", {"Origin": "{page}"}, "chat", times=11),
    "chat, streamed, its page": chat(Origin="{page}", **STREAM),
    "chat, wrong method": Kind("DELETE", "/api/chat", {"Origin": "{page}"}),
    "preflight of chat, its page": Kind("OPTIONS", "/api/chat", {"Origin": "{page}", **ASKING}),
    "preflight of chat, another page": Kind(
        "OPTIONS", "/api/chat", {"Origin": "https://evil.example", **ASKING}
    ),
    "preflight of chat, public key, its page": Kind(
        "OPTIONS", "/api/chat", {"Origin": KEY_PAGE, **ASKING_WITH_KEY}
    ),
    "preflight of chat, public key, another page": Kind(
        "OPTIONS", "/api/chat", {"Origin": "https://evil.example", **ASKING_WITH_KEY}
    ),
    "preflight of chat, no page": Kind("OPTIONS", "/api/chat"),
    "rate limit, its page": Kind("GET", "/api/rate-limit/c", {"Origin": "{page}"}),
    "history, no token, its page": Kind(
        "GET", "/api/conversations/c/messages?user_id=u", {"Origin": "{page}"}
    ),
    "launcher, any page": Kind("GET", "/widget.js", ANY_PAGE),
    "launcher, compressed": Kind("GET", "/widget.js", {"Accept-Encoding": "gzip"}),
    "module, its own name": Kind("GET", "/widget/transport.js", ANY_PAGE),
    "module, of another version": Kind("GET", "/widget/transport.0123456789abcdef.js", ANY_PAGE),
    "module, none": Kind("GET", "/widget/nobody.js", ANY_PAGE),
    "widget's types": Kind("GET", "/widget/coccinelle.d.ts", ANY_PAGE),
    "widget, no page": Kind("GET", CONFIG),
    "widget, its page": Kind("GET", CONFIG, {"Origin": "{page}"}),
    "widget, public key, its page": Kind("GET", CONFIG, {"Origin": KEY_PAGE, **BY_PAGE}),
    "widget, another page": Kind("GET", CONFIG, {"Origin": "https://evil.example"}),
    "widget, unknown key": Kind("GET", CONFIG + "?key=pk_nobody", {"Origin": "{page}"}),
    "preflight of widget, public key, its page": Kind(
        "OPTIONS", CONFIG, {"Origin": KEY_PAGE, **ASKING_WITH_KEY}
    ),
    "demo page, of no demo business": Kind("GET", "/demo"),
    "screen, no session": Kind("GET", "/dashboard/settings"),
    "door": Kind("GET", "/login"),
    "door, in English": Kind("GET", "/login", {"Accept-Language": "en"}),
    "file of the screens": Kind("GET", "/dashboard/static/style.css"),
    "webhook, no page": webhook(),
    "webhook, its page": webhook(Origin="{page}"),
    "webhook, another page": webhook(Origin="https://evil.example"),
    "webhook, invalid, its page": Kind("POST", "/webhook/chat", {"Origin": "{page}"}, {}),
    "webhook, too many, its page": Kind(
        "POST", "/webhook/chat", {"Origin": "{page}"}, "webhook", times=11
    ),
    "preflight of webhook, its page": Kind(
        "OPTIONS", "/webhook/chat", {"Origin": "{page}", **ASKING}
    ),
    "preflight of webhook, another page": Kind(
        "OPTIONS", "/webhook/chat", {"Origin": "https://evil.example", **ASKING}
    ),
    "management, API key": Kind("GET", "/api/v1/sources", BY_KEY),
    "management, API key, any page": Kind(
        "GET", "/api/v1/sources", {"Origin": "https://evil.example", **BY_KEY}
    ),
    "management, no key, its page": Kind("GET", "/api/v1/sources", {"Origin": "{page}"}),
    "preflight of management": Kind("OPTIONS", "/api/v1/sources", {"Origin": "{page}", **ASKING}),
    "models, API key": Kind("GET", "/v1/models", BY_KEY),
    "models, no key": Kind("GET", "/v1/models"),
    "health": Kind("GET", "/health"),
    "live": Kind("GET", "/live"),
    "ready": Kind("GET", "/ready"),
    "metrics": Kind("GET", "/metrics"),
    "documentation": Kind("GET", "/docs"),
    "description": Kind("GET", "/openapi.json"),
    "log-in, nobody's account": Kind(
        "POST",
        "/api/v1/auth/login",
        body={"email": "nobody@example.com", "password": "not a password"},
    ),
    "log-in, another page": Kind(
        "POST", "/api/v1/auth/login", {"Origin": "https://evil.example"}, {}
    ),
    "people, no session": Kind("GET", "/api/v1/auth/me"),
    "people, another page with the cookie": Kind(
        "POST",
        "/api/v1/auth/logout",
        {"Origin": "https://evil.example", "Cookie": "coccinelle_session=cs_x"},
    ),
    "preflight of people": Kind(
        "OPTIONS", "/api/v1/auth/login", {"Origin": "https://evil.example", **ASKING}
    ),
    "nothing": Kind("GET", "/nothing", {"Origin": "{page}"}),
}


async def told(street: Street, kind: Kind) -> httpx2.Response:
    """The answer to a kind of request."""
    name = uuid4().hex
    bodies = {
        "chat": {"user_id": name, "conversation_id": name, "message": "Bonjour"},
        "webhook": {"userId": name, "conversationId": name, "message": "Bonjour"},
    }
    body: Any = bodies.get(kind.body, kind.body) if isinstance(kind.body, str) else kind.body
    values = {
        "page": street.page,
        "host": street.business.host,
        "api_key": street.business.api_key,
        "public_key": street.business.public_key,
    }
    headers = {name: value.format_map(values) for name, value in kind.headers.items()}
    async with client(street.url, street.business) as sender:
        for number in range(kind.times):
            if kind.body == "webhook":
                body["timestamp"] = f"{WHEN} {number}"  # Or it would be the same message again.
            answer = await sender.request(kind.method, kind.path, headers=headers, json=body)
    return answer


def written(street: Street, name: str, answer: httpx2.Response) -> str:
    """An answer's status and headers, as the reviewed file has them."""
    lines = [f"{name}: {answer.status_code}"]
    for header, value in sorted(answer.headers.multi_items()):
        varying = VARYING.get(header)
        shown = "…" if varying and re.fullmatch(varying, value) else value
        shown = re.sub(r"'nonce-[\w-]{22}'", "'nonce-…'", shown)
        shown = shown.replace(street.page, "(its page)").replace(street.business.host, "(its host)")
        if header not in NOT_OURS:
            lines.append(f"  {header}: {shown}")
    return "\n".join(lines)


async def test_the_headers_of_every_kind_of_answer_are_those_that_were_reviewed(
    street: Street,
) -> None:
    found = [written(street, name, await told(street, kind)) for name, kind in KINDS.items()]

    assert "\n\n".join(found) + "\n" == REVIEWED.read_text("utf-8")


async def test_what_a_page_may_not_read_it_is_not_told_that_it_may(street: Street) -> None:
    """Exact scheme, host and port: nothing that only looks like a page on the list is."""
    slug = street.business.slug
    pages = [
        "null",
        "",
        "*",
        f"http://{slug}.example",
        f"https://{slug}.example:444",
        f"https://{slug}.example.",
        f"https://{slug}.example.evil.example",
        f"https://evil{slug}.example",
        f"https://www.{slug}.example",
        f"https://{slug.upper()}.example",
        f"https://{slug}.example/",
        f"https://{slug}.example/path",
        f"https://user@{slug}.example",
        f"https://{slug}.example, https://evil.example",
        f"https://{slug}.example\thttps://evil.example",
        KEY_PAGE,
        "file://",
        "chrome-extension://abc",
    ]
    wrong = []
    for page in pages:
        for kind in (
            chat(Origin=page),
            webhook(Origin=page),
            Kind("OPTIONS", "/api/chat", {"Origin": page, **ASKING}),
            Kind("OPTIONS", "/webhook/chat", {"Origin": page, **ASKING}),
            Kind("GET", "/api/rate-limit/c", {"Origin": page}),
        ):
            answer = await told(street, kind)
            allowed = [name for name in answer.headers if name.startswith("access-control")]
            if answer.status_code != 403 or allowed:
                wrong.append(f"{kind.method} {kind.path} {page!r}: {answer.status_code} {allowed}")

    assert wrong == []


async def test_every_refusal_carries_the_number_of_its_request(street: Street) -> None:
    seen = set()
    for name, kind in KINDS.items():
        answer = await told(street, kind)
        number = answer.headers["x-request-id"]
        assert number not in seen
        seen.add(number)
        if answer.status_code >= 400 and kind.path.startswith("/v1/"):
            assert answer.json()["error"]["request_id"] == number, name
        elif answer.status_code >= 400 and not kind.path.startswith("/webhook/"):
            assert answer.headers["content-type"] == "application/problem+json", name
            assert answer.json()["request_id"] == number, name


async def test_a_refused_page_is_told_which_origin_to_add(street: Street) -> None:
    answer = await told(street, chat(Origin="https://boutique.example:8443"))

    assert answer.json()["code"] == "origin_not_allowed"
    assert "https://boutique.example:8443" in answer.json()["detail"]


def test_the_real_server_does_not_say_what_it_is_made_of(tmp_path: Path) -> None:
    with Cli(tmp_path).serving() as served:
        answers = [served.until("/live"), served.get("/nothing"), served.get("/%00")]

    for answer in answers:
        assert not {"server", "x-powered-by", "via"} & set(answer.headers)
        assert "uvicorn" not in str(answer.headers).lower()
