"""Whatever is sent, in every field: a clear refusal, nothing kept by half, never an error of ours.

What a field accepts is read from OpenAPI, so that a new route or field is driven here by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import httpx2
import jsonschema_rs
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coccinelle.agents.actions import create as hire
from coccinelle.app import create_app
from coccinelle.conversations.model import Arrival
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.health import Health
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.accounts import PASSWORD, Account, joined
from tests.examined import examined
from tests.house.hostile import (
    CANARY,
    NOT_JSON,
    ODD,
    UNSTORABLE,
    Fault,
    Raw,
    encoded,
    faults,
    places,
    replaced,
)
from tests.house.test_tenants_apart import fingerprint
from tests.living import Business, client, configuration, living, move_in
from tests.onboarding.setting import number
from tests.scripted_llm import Say, ScriptedLLM
from tests.wondered import wondered

QUESTION = "Comment automatiser mes emails de bienvenue ?"
OWN_KEY = "zelie"
SLOW_QUESTION = "Comment automatiser mes emails sans me presser ?"
WHEN = "2026-11-03T12:00:00Z"
LOCALES: tuple[Locale, Locale] = ("fr", "en")
AT_ONCE = 8
NUMBER = number()
IDENTITY = "client-4812"
IDENTITY_SECRET = "is_" + uuid4().hex
By = Literal["host", "api_key", "public_key", "session", "cookie"]


@dataclass(frozen=True)
class Page:
    """A page that may use a public key: what it sends, and a conversation on it."""

    headers: dict[str, str]
    conversation_id: str


@dataclass(frozen=True)
class Street:
    """A server, a business of which a customer has asked something, and what OpenAPI says."""

    url: str
    rivoli: Business
    conversation_id: str
    turn_id: str
    token: str
    page: Page
    owner: Account
    member: Account
    onboarding_id: str
    question_id: str
    handoff_id: str
    gap_id: str
    described: dict[str, Any]

    def client(self, *, by: By) -> httpx2.AsyncClient:
        if by == "api_key":
            return client(self.url, Authorization=f"Bearer {self.rivoli.api_key}")
        if by == "session":
            return client(self.url, None, Authorization=f"Bearer {self.owner.token}")
        if by == "cookie":
            return client(self.url, None, Cookie=cookie(self.member), Origin=self.url)
        if by == "public_key":
            return client(self.url, None, **self.page.headers)
        return client(self.url, self.rivoli, **{"X-Visitor-Token": self.token})

    @property
    def said_in(self) -> str:
        """Our own id of the conversation."""
        asked = Arrival(self.rivoli.id, "chat_v2", "", self.conversation_id, "")
        return str(asked.conversation_uuid)

    def written(self, path: str) -> str:
        """The address of a path of OpenAPI, with ids that exist."""
        values = {
            "{conversation_id}": (
                self.page.conversation_id if path.endswith("/identity") else self.conversation_id
            ),
            "{id}": self.said_in,
            "{turn_id}": self.turn_id,
            "{source_id}": str(self.rivoli.source_id),
            "{user_id}": str(self.member.user_id),
            "{session_id}": self.onboarding_id,
            "{question_id}": self.question_id,
            "{handoff_id}": self.handoff_id,
            "{gap_id}": self.gap_id,
            "{model}": "audrey",
            "{key}": OWN_KEY,
            "{number}": "1",
        }
        for name, value in values.items():
            path = path.replace(name, value)
        return path


@pytest.fixture(scope="module")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    async with living(addresses, tmp_path_factory.mktemp("street")) as (house, url):
        rivoli = await move_in(house, "rivoli")
        async with client(url, rivoli) as customer:
            answer = await customer.post("/api/chat", json=_chat())
        async with house.db.tenant(rivoli.id) as tx:
            await hire(tx, key=OWN_KEY, position=9, configuration=configuration("Zélie", "rien"))
        described = create_app(house, Health({})).openapi()
        told = answer.json()
        token = answer.headers["X-Visitor-Token"]
        ids = told["conversation_id"], told["turn_id"]
        page = await visited(house, url, rivoli)
        people = await joined(house, rivoli.id), await joined(house, rivoli.id, role="member")
        onboarding_id = await begun(url, people[0])
        asked = str((await examined(house.db, rivoli.id)).gap_id)
        wanted = await asked_for(url, people[0], rivoli, token, ids[0])
        gap_id = (await wondered(house.db, rivoli.id, rivoli.source_id)).gap_id
        begun_ids = onboarding_id, asked, wanted, str(gap_id)
        yield Street(url, rivoli, *ids, token, page, *people, *begun_ids, described)


async def asked_for(
    url: str, owner: Account, business: Business, token: str, conversation_id: str
) -> str:
    """A hand-off of the business, which its owner has claimed."""
    async with client(url, business, **{"X-Visitor-Token": token}) as customer:
        path = f"/api/conversations/{conversation_id}/handoff"
        handoff_id = (await customer.post(path)).json()["id"]
    async with client(url, None, Authorization=f"Bearer {owner.token}") as admin:
        assert (await admin.post(f"/api/v1/handoffs/{handoff_id}/claim")).status_code == 200
    return str(handoff_id)


async def begun(url: str, owner: Account) -> str:
    """An onboarding session whose every step may be done."""
    async with client(url, None, Authorization=f"Bearer {owner.token}") as admin:
        found = str((await admin.post("/api/v1/onboarding/session")).json()["id"])
        for step, bodies in ONBOARDING.items():
            path = f"/api/v1/onboarding/session/{found}/{step}"
            assert (await admin.post(path, json=bodies()[0])).status_code == 200
    return found


def cookie(account: Account) -> str:
    """As a browser on this machine keeps it."""
    return f"coccinelle_session={account.token}"


async def visited(house: House, url: str, business: Business) -> Page:
    """A page on which somebody has asked something."""
    async with house.db.tenant(business.id) as tx:
        await tx.run(
            "UPDATE public_keys SET identity_secret = %s WHERE tenant_id = %s",
            [IDENTITY_SECRET, business.id],
        )
    headers = {"Origin": "https://a.example", "X-Coccinelle-Key": business.public_key}
    async with client(url, None, **headers) as customer:
        answer = await customer.post("/api/chat", json=_chat())
    headers["X-Visitor-Token"] = answer.headers["X-Visitor-Token"]
    return Page(headers, answer.json()["conversation_id"])


@dataclass(frozen=True)
class Crowd:
    """A street whose language model keeps `SLOW_QUESTION` waiting, and its slow senders.

    They began before this file's first test, so that its last one need not wait for them.
    """

    street: Street
    slow: list[asyncio.Task[bytes]]


@pytest.fixture(scope="module", autouse=True)
async def crowd(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Crowd]:
    def answer(body: Any) -> Say:
        return Say(first_seconds=7 if SLOW_QUESTION in str(body) else 0)

    data = tmp_path_factory.mktemp("crowd")
    async with ScriptedLLM(answer) as llm:
        environment = {
            "COCCINELLE_LLM_BASE_URL": llm.base_url,
            "COCCINELLE_LLM_ANSWER_MODELS": "one",
            "COCCINELLE_DISCONNECT_GRACE_SECONDS": "0",
        }
        async with living(addresses, data, environment=environment) as (house, url):
            nordlys = await move_in(house, "nordlys")
            owner = await joined(house, nordlys.id)
            street = Street(
                url, nordlys, "", "", "", Page({}, ""), owner, owner, "", "", "", "", {}
            )
            slow = [asyncio.create_task(dripping(street)) for _ in range(20)]
            yield Crowd(street, slow)
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)


async def dripping(street: Street) -> bytes:
    """What the server says, until it closes the connection, to a body that comes byte by byte."""
    reader, writer = await spoken(street, head(street, "Content-Length: 9999") + b"{")
    answer = asyncio.create_task(all_said(reader))
    try:
        while not answer.done():
            await asyncio.wait({answer}, timeout=1)
            writer.write(b" ")
        return await answer
    finally:
        answer.cancel()
        writer.close()


async def all_said(reader: asyncio.StreamReader) -> bytes:
    """What arrives until the end; to write to who has hung up resets the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while block := await reader.read(4096):
            said += block
    return said


async def test_slow_senders_and_idle_streams_keep_nobody_waiting(crowd: Crowd) -> None:
    """Twenty send a body byte by byte, fifty wait for their answer: the next customer gets hers."""
    limits = httpx2.Limits(max_connections=100)
    headers = {"Host": crowd.street.rivoli.host, "Accept": "text/event-stream"}
    begun = asyncio.Semaphore(0)

    async def wait(many: httpx2.AsyncClient) -> None:
        body = {**_chat(), "message": SLOW_QUESTION}
        async with many.stream("POST", "/api/chat", json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: agent"):
                    begun.release()

    async with httpx2.AsyncClient(
        base_url=crowd.street.url, headers=headers, limits=limits, timeout=60
    ) as many:
        waiting = [asyncio.create_task(wait(many)) for _ in range(50)]
        async with asyncio.timeout(60):
            for _ in waiting:
                await begun.acquire()
        async with asyncio.timeout(10), client(crowd.street.url, crowd.street.rivoli) as customer:
            answer = await customer.post("/api/chat", json=_chat())
        idle = [one for one in waiting if not one.done()]
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert answer.status_code == 200
    assert len(idle) == 50
    assert not any(one.done() for one in crowd.slow)


@dataclass(frozen=True)
class Door:
    """A route that reads JSON.

    Args:
        bodies: accepted bodies, fresh at each call, which have every field between them.
        by: what says whose it is: programs bring an API key, some routes want a public key.
    """

    bodies: Callable[[], list[dict[str, Any]]]
    shape: str = "problem"
    by: By = "host"
    status: int = 200
    needs_body: bool = True
    takes_odd_values: bool = True


def _id(kind: str) -> str:
    return f"{kind}-{uuid4().hex[:12]}"


def _chat() -> dict[str, Any]:
    return {
        "user_id": _id("u"),
        "conversation_id": _id("c"),
        "message": QUESTION,
        "timestamp": WHEN,
        "message_id": _id("m"),
    }


def _proof() -> str:
    return hmac.new(IDENTITY_SECRET.encode(), IDENTITY.encode(), hashlib.sha256).hexdigest()


def _webhook() -> dict[str, Any]:
    names = {"conversationId": _id("c"), "userId": _id("u")}
    return {**names, "message": QUESTION, "timestamp": WHEN}


def _completion() -> dict[str, Any]:
    parts = [{"type": "text", "text": QUESTION}]
    return {
        "model": "auto",
        "messages": [{"role": "system", "content": "Sois brève."}, _user(parts)],
        "stream": False,
        "stream_options": {"include_usage": False},
        "user": _id("u"),
        "metadata": {"conversation_id": _id("c")},
        "n": 1,
    }


def _user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _sources() -> list[dict[str, Any]]:
    mark = uuid4().hex
    pair = {"question": f"Livrez-vous {mark} ?", "answer": "Oui."}
    return [
        {"kind": "faq", "title": "Livraison", "faqs": [pair], "agents": ["audrey"]},
        {"kind": "text", "title": "Livraison", "content": f"Nous livrons. {mark}"},
        {"kind": "page", "title": "Livraison", "url": f"https://a.example/{mark}"},
    ]


def _signup() -> dict[str, Any]:
    return {
        "email": f"{_id('lea')}@example.com",
        "password": PASSWORD,
        "name": "Léa Martin",
        "company_name": "Garage du Port",
    }


def _business() -> list[dict[str, Any]]:
    facts = {"phone": "01 99 00 45 67", "website": "www.a.example", "timezone": "Europe/Paris"}
    return [{"company_name": "Rivoli", "sector": "garage", **facts}]


def _staff() -> list[dict[str, Any]]:
    member = {"name": "Ana", "email": "ana@example.com", "phone": "06 39 98 12 34"}
    opening = {"weekday": 1, "opens": "09:00", "closes": "12:00"}
    closure = {"starts_on": "2027-08-02", "ends_on": "2027-08-23", "reason": "congés"}
    return [
        {
            "members": [member],
            "hours": [opening],
            "closures": [closure],
            "closes_on_public_holidays": True,
        }
    ]


def _assistant() -> list[dict[str, Any]]:
    return [
        {
            "agent_type": "multi_purpose",
            "agent_name": "Leyna",
            "voice": {"provider": "elevenlabs", "voice_id": "pNInz6", "settings": {}},
            "voice_language": "fr-FR",
            "greeting": "Bonjour !",
            "system_prompt": "Sois brève.",
            "phone_number": NUMBER,
            "enable_appointments": True,
            "enable_products": False,
        }
    ]


def _knowledge() -> list[dict[str, Any]]:
    pair = {"question": "Livrez-vous ?", "answer": "Oui."}
    text = {"title": "Garantie", "content": f"Un an. {uuid4().hex}"}
    return [{"website": "https://a.example", "documents": [text], "faqs": [pair]}]


ONBOARDING: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "business": _business,
    "staff": _staff,
    "assistant": _assistant,
    "knowledge": _knowledge,
}


def _draft() -> list[dict[str, Any]]:
    voice = {
        "provider": "elevenlabs",
        "voice_id": "pNInz6",
        "language": "fr-FR",
        "settings": {},
    }
    texts = ("greeting", "persona", "description", "fallback_message", "composer_intro")
    lists = {"examples": ["Livrez-vous ?"], "keywords": ["livraison"], "models": ["m"]}
    said = {**dict.fromkeys(texts, "Bonjour."), **lists, "voice": voice}
    return [
        {"name": "Zélie", "language": "en", "temperature": 0.5, **said},
        {"revision": None},
    ]


AGENTS = {
    f"POST /api/v1/agents/{{key}}/{verb}": Door(
        lambda: [{"revision": 2**31 - 1}],
        by="session",
        status=409,
        needs_body=False,
        takes_odd_values=False,
    )
    for verb in ("publish", "retire", "versions/{number}/publish")
} | {
    "POST /api/v1/agents": Door(
        lambda: [{"name": "Zoé", "type": "custom", "language": "fr"}],
        by="session",
        status=201,
    ),
    "PUT /api/v1/agents": Door(lambda: [{"keys": [OWN_KEY]}], by="session"),
    "PATCH /api/v1/agents/{key}": Door(_draft, by="session"),
}

DOORS = {
    f"POST /api/v1/onboarding/session/{{session_id}}/{step}": Door(bodies, by="session")
    for step, bodies in ONBOARDING.items()
} | {
    "POST /api/v1/onboarding/session/{session_id}/suggest": Door(
        lambda: [{"website": "a.example"}], by="session", status=202
    ),
    "POST /api/v1/onboarding/session/{session_id}/exam/questions/{question_id}/answer": Door(
        lambda: [{"text": "Sous quatorze jours."}], by="session"
    ),
    "POST /api/v1/auth/signup": Door(lambda: [_signup()], status=201),
    "POST /api/v1/auth/login": Door(
        lambda: [{"email": "nobody@example.com", "password": PASSWORD, "tenant": "rivoli"}],
        status=401,
        takes_odd_values=False,
    ),
    "POST /api/v1/auth/password/forgot": Door(
        lambda: [{"email": "nobody@example.com"}],
        status=202,
        takes_odd_values=False,
    ),
    "POST /api/v1/auth/password/reset": Door(
        lambda: [{"token": "x" * 43, "password": PASSWORD}],
        status=404,
        takes_odd_values=False,
    ),
    "POST /api/v1/auth/invitations/accept": Door(
        lambda: [{"token": "x" * 43, "password": PASSWORD, "name": "Léa"}],
        status=404,
        takes_odd_values=False,
    ),
    "POST /api/v1/auth/password/change": Door(
        lambda: [{"current_password": "not hers", "password": PASSWORD}],
        by="cookie",
        status=403,
        takes_odd_values=False,
    ),
    "POST /api/v1/auth/switch": Door(
        lambda: [{"tenant": "nobodys"}], by="cookie", status=404, takes_odd_values=False
    ),
    "POST /api/v1/auth/invitations": Door(
        lambda: [{"email": f"{_id('paul')}@example.com", "role": "admin"}],
        by="session",
        status=201,
        takes_odd_values=False,
    ),
    "PATCH /api/v1/members/{user_id}": Door(
        lambda: [{"role": "member", "disabled": False}], by="session"
    ),
    "POST /api/v1/api-keys": Door(
        lambda: [{"name": "Site", "scopes": ["chat", "manage"]}], by="session", status=201
    ),
    "POST /api/v1/public-keys": Door(
        lambda: [{"name": "Site", "allowed_origins": ["https://a.example"]}],
        by="session",
        status=201,
    ),
    "POST /api/v1/handoffs/{handoff_id}/claim": Door(
        lambda: [{"take_over": True}], by="session", needs_body=False
    ),
    "POST /api/v1/handoffs/{handoff_id}/reply": Door(
        lambda: [{"text": "Bonjour.", "message_id": _id("m")}], by="session", status=201
    ),
    "POST /api/chat": Door(lambda: [_chat()]),
    "POST /api/conversations/{conversation_id}/handoff": Door(
        lambda: [{"email": "lea@example.com", "phone": "06 12 34 56 78", "note": "Le matin."}],
        status=201,
        needs_body=False,
    ),
    "POST /api/conversations/{conversation_id}/identity": Door(
        lambda: [{"id": IDENTITY, "email": "lea@example.com", "hmac": _proof()}],
        by="public_key",
    ),
    "POST /api/turns/{turn_id}/feedback": Door(lambda: [{"score": 1, "comment": "Merci."}]),
    "POST /webhook/chat": Door(lambda: [_webhook()], shape="v1"),
    "POST /v1/chat/completions": Door(lambda: [_completion()], shape="openai", by="api_key"),
    "POST /api/v1/sources": Door(_sources, by="api_key", status=201),
    "PATCH /api/v1/sources/{source_id}": Door(
        lambda: [{"agents": ["audrey"], "title": "Questions"}], by="api_key"
    ),
    "POST /api/v1/knowledge/gaps/{gap_id}/answer": Door(
        lambda: [{"text": "Sous quatorze jours."}], by="api_key"
    ),
    "POST /api/v1/knowledge/search": Door(
        lambda: [{"question": QUESTION, "agent": "audrey", "limit": 3}], by="api_key"
    ),
}
DOORS |= AGENTS


def body_schemas(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each operation's body, by name; v2's second prefix is left out."""
    found = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content and not path.startswith("/api/v2/"):
                schema = content["application/json"]["schema"]
                whole = {**schema, "components": described["components"]}
                found[f"{method.upper()} {path}"] = whole
    return found


def fields(schema: Any, described: dict[str, Any]) -> set[str]:
    """The names of all fields of a schema, however deep."""
    if isinstance(schema, list):
        return {name for item in schema for name in fields(item, described)}
    if not isinstance(schema, dict):
        return set()
    if "$ref" in schema:
        target = schema["$ref"].rsplit("/", 1)[-1]
        return fields(described["components"]["schemas"][target], described)
    inner = {key: value for key, value in schema.items() if key not in ("components", "examples")}
    return set(schema.get("properties", {})) | fields(list(inner.values()), described)


async def test_every_route_and_field_is_driven(street: Street) -> None:
    schemas = body_schemas(street.described)
    assert set(schemas) == set(DOORS)

    for name, door in DOORS.items():
        bodies = door.bodies()
        driven = {step for body in bodies for place in places(body) for step in place}
        assert fields(schemas[name], street.described) == {s for s in driven if isinstance(s, str)}
        async with street.client(by=door.by) as sender:
            method, path = name.split()
            for body in bodies:
                answer = await sender.request(method, street.written(path), json=body)
                assert answer.status_code == door.status, (name, answer.text)


@dataclass(frozen=True)
class Attempt:
    """One body to send, and whether it may be accepted."""

    label: str
    body: bytes
    is_refused: bool


def attempts(name: str, schema: dict[str, Any]) -> list[Attempt]:
    """Every hostile value at every place of the bodies of a door."""
    validator = jsonschema_rs.validator_for(schema)
    found = []
    for sample, body in enumerate(DOORS[name].bodies()):
        for place in places(body):
            for label, value in {**UNSTORABLE, **NOT_JSON, **ODD}.items():
                fresh = DOORS[name].bodies()[sample]
                sent = encoded(replaced(fresh, place, value))
                refused = label in UNSTORABLE or not _fits(sent, validator)
                if sent or DOORS[name].needs_body:
                    found.append(Attempt(f"{label} at {place}", sent, refused))
    return found


def _fits(body: bytes, validator: Any) -> bool:
    """Whether a body is JSON that its schema accepts; of a number beyond floats, nobody knows."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    try:
        return bool(validator.is_valid(value))
    except ValueError:
        return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


@pytest.mark.parametrize("name", sorted(DOORS))
async def test_every_hostile_value_in_every_field_is_refused_and_nothing_is_kept(
    name: str, street: Street, server: EmbeddedPostgres
) -> None:
    trying = attempts(name, body_schemas(street.described)[name])
    refused = [attempt for attempt in trying if attempt.is_refused]
    before = kept(server, street.rivoli)

    found, accepted = await sent_all(street, name, refused)

    assert "\n".join(accepted) == ""
    assert "\n".join(map(str, found)) == ""
    assert kept(server, street.rivoli) == before

    found, accepted = await sent_all(street, name, [a for a in trying if not a.is_refused])

    assert accepted or not DOORS[name].takes_odd_values
    assert "\n".join(map(str, found)) == ""
    assert halves(server, street.rivoli) == []


async def sent_all(
    street: Street, name: str, trying: list[Attempt]
) -> tuple[list[Fault], list[str]]:
    """What is wrong with the answers, and which attempts were accepted."""
    door = DOORS[name]
    method, path = name.split()
    found: list[Fault] = []
    accepted: list[str] = []
    gate = asyncio.Semaphore(AT_ONCE)
    async with street.client(by=door.by) as sender:

        async def send(attempt: Attempt, locale: Locale) -> None:
            headers = {"Content-Type": "application/json"}
            if locale != "fr":
                headers["Accept-Language"] = "en-GB, fr;q=0.5"
            async with gate:
                answer = await sender.request(
                    method, street.written(path), content=attempt.body, headers=headers
                )
            if answer.status_code < 400:
                accepted.append(f"{attempt.label}: {answer.status_code}")
            found.extend(faults(answer, shape=door.shape, sent=attempt.label, locale=locale))

        await asyncio.gather(*(send(one, LOCALES[n % 2]) for n, one in enumerate(trying)))
        assert (await sender.get("/health")).status_code == 200
    return found, accepted


def kept(server: EmbeddedPostgres, business: Business) -> dict[str, str]:
    """All that a business has, but for how often its addresses and devices were seen, and for
    the tries of onboarding that were refused."""
    found = fingerprint(server, business.id)
    del found["rate_limits"], found["sessions"], found["onboarding_events"]
    return found


_HALVES = {
    "a conversation without a message": "SELECT count(*) FROM conversations c WHERE tenant_id = %s"
    " AND NOT EXISTS (SELECT FROM messages WHERE conversation_id = c.id)",
    "a turn without its message": "SELECT count(*) FROM turns t WHERE tenant_id = %s"
    " AND NOT EXISTS (SELECT FROM messages WHERE turn_id = t.id AND author = 'customer')",
    "a turn that never ended": "SELECT count(*) FROM turns WHERE tenant_id = %s"
    " AND state IN ('accepted', 'answering')",
    "a source that nobody reads": "SELECT count(*) FROM sources s WHERE tenant_id = %s"
    " AND state = 'waiting' AND NOT EXISTS (SELECT FROM procrastinate.procrastinate_jobs"
    " WHERE args ->> 'source_id' = s.id::text)",
}


def halves(server: EmbeddedPostgres, business: Business) -> list[str]:
    """What was kept without what belongs to it."""
    found = []
    with psycopg.connect(server.dsn(database="coccinelle")) as connection:
        for what, query in _HALVES.items():
            row = connection.execute(query.encode(), [business.id]).fetchone()
            if row is None or row[0]:
                found.append(f"{what}: {row}")
    return found


async def test_two_thousand_characters_of_any_script_are_kept_whole(street: Street) -> None:
    scripts = {
        "right to left": "שלום עולם مرحبا ",
        "joined": "👩‍👩‍👧‍👦👨🏽‍🚀🏳️‍🌈",
        "astral": "𝒜𝓃𝓃𝒶𠜎𠜱🐞",
        "combining": "é̂̃ñ̀ż",
        "directions": "\u202eabc\u202c\u2066d\u2069\u200b\ufeff",
    }
    for label, text in scripts.items():
        said = ("Bonjour " + text * 2_000)[:1_999] + "."
        body = {**_chat(), "message": said}
        async with client(street.url, street.rivoli) as customer:
            answer = await customer.post("/api/chat", json=body)
            assert answer.status_code == 200, (label, answer.text)
            told = await customer.get(
                f"/api/conversations/{body['conversation_id']}/messages",
                params={"user_id": body["user_id"]},
                headers={"X-Visitor-Token": answer.headers["X-Visitor-Token"]},
            )
            over = await customer.post("/api/chat", json={**_chat(), "message": said + "x"})
        async with street.client(by="api_key") as program:
            searched = await program.post("/api/v1/knowledge/search", json={"question": said})
            asked = {**_completion(), "messages": [_user(said)]}
            completed = await program.post("/v1/chat/completions", json=asked)
        async with client(street.url, street.rivoli) as customer:
            v1 = await customer.post("/webhook/chat", json={**_webhook(), "message": said})
        statuses = [one.status_code for one in (over, searched, completed, v1)]

        assert told.json()["items"][0]["text"] == said, label
        assert statuses == [422, 200, 200, 200], label


_TEXT = st.text(st.characters(), max_size=30).map(lambda text: text + CANARY)
# A refusal names the field that it is about; what cannot be a field's name it does not repeat.
_KEY = _TEXT.map(lambda text: text + "<>")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEY, inner, max_size=3),
    max_leaves=6,
)
_TYPES = st.lists(
    st.sampled_from(
        [
            "application/json",
            "application/json; charset=utf-16",
            "application/vnd.api+json",
            "text/plain",
            "text/json",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "",
            "é",
        ]
    ),
    max_size=2,
)


@st.composite
def _bodies(draw: st.DrawFn, name: str) -> bytes:
    """A body of a door with something else in some places; or cut, or stained, or none at all."""
    body: Any = draw(st.sampled_from(DOORS[name].bodies()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(body))))
        value = draw(_JSON | st.sampled_from(list({**UNSTORABLE, **NOT_JSON}.values())))
        body = replaced(body, place, value)
        if isinstance(body, Raw) or not isinstance(body, dict | list):
            break
    whole = encoded_or_escaped(body)
    at = draw(st.integers(0, len(whole)))
    stain = draw(st.binary(max_size=4))
    doubled = b'{"message":1,' + whole[1:]
    return draw(
        st.sampled_from([whole, whole, whole[:at], whole[:at] + stain + whole[at:], stain, doubled])
    )


def encoded_or_escaped(body: object) -> bytes:
    """`body` as JSON; halves of surrogate pairs as escapes."""
    try:
        return encoded(body)
    except UnicodeEncodeError:
        return json.dumps(body, default=str).encode()


@pytest.mark.parametrize("name", sorted(DOORS))
async def test_whatever_is_made_of_a_body_gets_an_answer_in_its_shape(
    name: str, street: Street, server: EmbeddedPostgres
) -> None:
    door = DOORS[name]
    method, path = name.split()

    @_repeatable(examples=25)
    @given(body=_bodies(name), kinds=_TYPES)
    def drive(body: bytes, kinds: list[str]) -> None:
        headers = [(b"Content-Type", kind.encode("latin-1")) for kind in kinds]
        answer = sender.request(method, street.written(path), content=body, headers=headers)
        assert faults(answer, shape=door.shape, sent=f"{kinds} {body!r}") == []

    with plain_client(street, by=door.by) as sender:
        await asyncio.to_thread(drive)
    assert halves(server, street.rivoli) == []
    await assert_well(street)


def plain_client(street: Street, *, by: By) -> httpx2.Client:
    """A client for a thread of its own."""
    return httpx2.Client(base_url=street.url, headers=street.client(by=by).headers, timeout=30)


def _repeatable(*, examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


async def assert_well(street: Street) -> None:
    """The server still says that it is well, and still answers."""
    async with client(street.url, street.rivoli) as customer:
        assert (await customer.get("/health")).json()["status"] == "ok"
        assert (await customer.post("/api/chat", json=_chat())).status_code == 200


def refuses_what_is_wrong(context: Any, answer: Any, case: Any) -> bool | None:
    """Too large is a refusal too, whatever else is wrong."""
    return None if answer.status_code == 413 else negative_data_rejection(context, answer, case)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    refuses_what_is_wrong,
]


@pytest.mark.parametrize("mode", list(GenerationMode))
async def test_whatever_openapi_allows_or_forbids_is_answered_as_it_says(
    mode: GenerationMode, street: Street
) -> None:
    schema = schemathesis.openapi.from_dict(street.described)

    def drive() -> None:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok)
            operation = result.ok()
            # A header, or an id in a path, can hardly be wrong.
            if mode is GenerationMode.POSITIVE or len(operation.body) or len(operation.query):
                drive_operation(operation, mode, street)

    await asyncio.to_thread(drive)
    await assert_well(street)


def drive_operation(operation: Any, mode: GenerationMode, street: Street) -> None:
    """Send what schemathesis makes up, to things that exist where it is to be accepted."""
    known = {
        "id": street.said_in,
        "conversation_id": street.conversation_id,
        "turn_id": street.turn_id,
        "source_id": str(street.rivoli.source_id),
    }
    headers = {
        "Authorization": f"Bearer {street.rivoli.api_key}",
        "Host": street.rivoli.host,
        "X-Visitor-Token": street.token,
    }

    @_repeatable(examples=8)
    @given(case=operation.as_strategy(mode))
    def send(case: Any) -> None:
        if mode is GenerationMode.POSITIVE and case.method != "DELETE":
            for name in case.path_parameters or {}:
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
        case.call_and_validate(base_url=street.url, headers=headers, checks=CHECKS)

    send()


NAMES_OF_HEADERS = (
    "Authorization",
    "X-Coccinelle-Key",
    "Accept-Language",
    "Origin",
    "X-Visitor-Token",
    "Last-Event-ID",
    "Idempotency-Key",
    "X-Forwarded-For",
    "Forwarded",
    "Cookie",
    "Accept",
    "Content-Type",
    "Content-Encoding",
    "Access-Control-Request-Headers",
)
HEADER_VALUES = {
    "bytes over 127": CANARY.encode() + b"\xff\xfe\xe9",
    "half a surrogate pair": CANARY.encode() + b"\xed\xa0\x80",
    "a bearer over 127": b"Bearer ck_\xe9" + CANARY.encode(),
    "long": CANARY.encode() * 400,
    "nothing": b"",
    "numbers": b"-1e999",
    "separators": b",;=:\"'\\" + CANARY.encode() + b"[::",
}


@pytest.mark.parametrize("name", ["POST /api/chat", "POST /webhook/chat", "OPTIONS /api/chat"])
async def test_hostile_headers_are_refused_or_harmless(
    name: str, street: Street, server: EmbeddedPostgres
) -> None:
    method, path = name.split()
    shape = "v1" if "webhook" in path else "problem"
    found: list[Fault] = []
    gate = asyncio.Semaphore(AT_ONCE)
    async with client(street.url, street.rivoli) as sender:

        async def send(header: str, label: str, value: bytes) -> None:
            # One of the two goes as far as a turn.
            body = _chat() if shape == "problem" else {**_webhook(), "message": ""}
            headers = {b"Content-Type": b"application/json", header.encode(): value}
            async with gate:
                answer = await sender.request(method, path, content=encoded(body), headers=headers)
            sent = f"{header}: {label}"
            if b"\xed\xa0\x80" in value and answer.status_code < 400:
                found.append(Fault("accepted", sent, answer.status_code, ""))
            found.extend(faults(answer, shape=shape, sent=sent))

        sending = [
            send(header, label, value)
            for header in NAMES_OF_HEADERS
            for label, value in HEADER_VALUES.items()
        ]
        await asyncio.gather(*sending)

    assert "\n".join(map(str, found)) == ""
    assert halves(server, street.rivoli) == []


@pytest.mark.parametrize("first", ["application/json", "text/plain"])
async def test_a_body_of_two_types_is_checked_as_whatever_reads_it(
    street: Street, first: str
) -> None:
    kinds = [first, *({"application/json", "text/plain"} - {first})]
    body = encoded({**_chat(), "message": UNSTORABLE["NUL"]})
    headers = [("Host", street.rivoli.host), *(("Content-Type", kind) for kind in kinds)]
    async with httpx2.AsyncClient(base_url=street.url) as sender:
        answer = await sender.post("/api/chat", content=body, headers=headers)

    assert answer.status_code == 422
    assert faults(answer, shape="problem", sent=str(kinds)) == []


ODD_NAMES = {
    "%00": True,
    f"{CANARY}%00": True,
    "%ff%fe": True,
    "%ed%a0%80": True,
    "%c0%af": True,
    "..%2f..%2fetc": False,
    "%zz": False,
    "%0d%0a": False,
    "x" * 3_000: False,
    "%F0%9F%90%9E%E2%80%AE": False,
    "-1": False,
    str(2**70): False,
    "%25n%25s'--": False,
}
"""What to write in an address, and whether it must be refused wherever it stands."""


async def test_hostile_addresses_are_refused_or_harmless(street: Street) -> None:
    found: list[Fault] = []
    gate = asyncio.Semaphore(AT_ONCE)
    async with street.client(by="api_key") as sender:

        async def send(method: str, target: str, *, is_refused: bool) -> None:
            async with gate:
                answer = await sender.request(method, target)
            shape = {"/w": "v1", "/v": "openai"}.get(target[:2], "problem")
            found.extend(faults(answer, shape=shape, sent=f"{method} {target[:99]}"))
            if is_refused and answer.status_code < 400:
                found.append(Fault("accepted", f"{method} {target}", answer.status_code, ""))

        sending = [
            send(name.split()[0], target, is_refused=is_refused)
            for name, operation in operations(street.described)
            for target, is_refused in targets(name.split()[1], operation, street)
        ]
        await asyncio.gather(*sending)

    assert len(sending) > 200
    assert "\n".join(map(str, found)) == ""
    await assert_well(street)


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation by name; those under v2's second prefix are the same."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if not path.startswith("/api/v2/")
    ]


def targets(path: str, operation: dict[str, Any], street: Street) -> list[tuple[str, bool]]:
    """A route's address with an odd name in each of its parameters, and in one that it has not."""
    parameters = operation.get("parameters", [])
    found = [(f"{street.written(path)}?q=%00", True)]
    for odd, is_refused in ODD_NAMES.items():
        for one in parameters:
            if one["in"] == "query":
                found.append((f"{street.written(path)}?{one['name']}={odd}", is_refused))
            if one["in"] == "path":
                pieces = path.split(f"{{{one['name']}}}")
                found.append((odd.join(map(street.written, pieces)), is_refused))
    return found


FILE_NAMES = {
    "NUL": b"a\x00b.txt",
    "half a surrogate pair": b"\xed\xa0\x80.txt",
    "not UTF-8": b"\xff\xfe.txt",
    "a path": b"../../etc/passwd",
    "of another system": b"C:\\x\\y.txt",
    "long": b"n" * 5_000 + b".txt",
    "right to left": "\u202etxt.exe".encode(),
    "blank": b" ",
}


async def test_hostile_uploads_are_refused_whole_or_kept_whole(
    street: Street, server: EmbeddedPostgres
) -> None:
    found: list[Fault] = []
    async with street.client(by="api_key") as sender:
        for label, name in FILE_NAMES.items():
            before = kept(server, street.rivoli)
            answer = await sender.post("/api/v1/sources/upload", **multipart(name))
            assert answer.status_code in (201, 422), (label, answer.text)
            found += faults(answer, shape="problem", sent=label)
            if answer.status_code == 422:
                assert kept(server, street.rivoli) == before, label
        before = kept(server, street.rivoli)
        for label, request in uploads().items():
            answer = await sender.post("/api/v1/sources/upload", **request)
            assert answer.status_code in (413, 422), (label, answer.text)
            found += faults(answer, shape="problem", sent=label)

    assert "\n".join(map(str, found)) == ""
    assert kept(server, street.rivoli) == before
    assert halves(server, street.rivoli) == []


def multipart(name: bytes, *, field: bytes = b"files", agents: bytes = b"") -> dict[str, Any]:
    """An upload of a good file under its own name, then of one called `name`."""
    texts = [(b"good.txt", uuid4().hex.encode()), (name, uuid4().hex.encode())]
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n'
        b"Content-Type: text/plain\r\n\r\n%b\r\n" % (field, called, text)
        for called, text in texts
    )
    if agents:
        body += b'--x\r\nContent-Disposition: form-data; name="agents"\r\n\r\n%b\r\n' % agents
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return {"content": body + b"--x--\r\n", "headers": headers}


def uploads() -> dict[str, dict[str, Any]]:
    """Uploads of which nothing is to be kept."""
    whole = multipart(b"a.txt")
    kind = whole["headers"]
    return {
        "an agent that there is not": multipart(b"a.txt", agents=CANARY.encode()),
        "an agent with NUL": multipart(b"a.txt", agents=b"aud\x00rey"),
        "an agent that is not UTF-8": multipart(b"a.txt", agents=b"\xff\xed\xa0\x80"),
        "another field": multipart(b"a.txt", field=CANARY.encode()),
        "no files": {"content": b"--x--\r\n", "headers": kind},
        "nothing": {"content": b"", "headers": kind},
        "cut": {"content": whole["content"][:-30], "headers": kind},
        "no boundary": {**whole, "headers": {"Content-Type": "multipart/form-data"}},
        "JSON": {"json": {"files": [CANARY]}},
        "too many": {"files": [("files", (f"{n}.txt", b"a")) for n in range(101)]},
        "too large": {"files": [("files", ("a.txt", bytes(26 * 1024 * 1024)))]},
    }


MALFORMED = {
    "a length that is negative": ("Content-Length: -1", b"{}"),
    "a length that is no number": ("Content-Length: abc", b"{}"),
    "a length beyond all numbers": (f"Content-Length: {'9' * 30}", b"{}"),
    "two lengths": ("Content-Length: 2\r\nContent-Length: 3", b"{}"),
    "a length and chunks": ("Content-Length: 2\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    "chunks that are none": ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n"),
    "too short a length": ("Content-Length: 1", b"{}"),
    "NUL in a header": ("X-A: a\x00b\r\nContent-Length: 2", b"{}"),
    "another host first": ("Host: other.example\r\nContent-Length: 2", b"{}"),
    "a body that is compressed": ("Content-Encoding: gzip\r\nContent-Length: 2", b"\x1f\x8b"),
    "too large a length": ("Content-Length: 99999999", b"{"),
    "too large a length that waits": ("Expect: 100-continue\r\nContent-Length: 99999999", b""),
    "too much in chunks": (
        "Transfer-Encoding: chunked",
        b"8000\r\n" + b"x" * 0x8000 + b"\r\n8001\r\n" + b"x" * 0x8001 + b"\r\n",
    ),
}
TOO_LARGE = {name for name in MALFORMED if name.startswith("too") and "short" not in name}


async def spoken(street: Street, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which something has been said."""
    host, port = street.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    await writer.drain()
    return reader, writer


def head(street: Street, *lines: str, path: str = "/api/chat") -> bytes:
    """The first lines of a post."""
    first = (f"POST {path} HTTP/1.1", f"Host: {street.rivoli.host}", *lines)
    return "\r\n".join(first).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("label", sorted(MALFORMED))
async def test_a_request_that_lies_about_itself_is_refused_before_it_is_whole(
    label: str, street: Street, server: EmbeddedPostgres
) -> None:
    before = kept(server, street.rivoli)
    lines, body = MALFORMED[label]
    reader, writer = await spoken(street, head(street, lines) + body)
    async with asyncio.timeout(10):
        told = (await reader.readline()).split()[1]
    writer.close()

    assert told == b"413" if label in TOO_LARGE else told in (b"400", b"422", b"429")
    assert kept(server, street.rivoli) == before


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/api/chat", 64),
        ("/webhook/chat", 64),
        ("/v1/chat/completions", 1024),
        ("/api/v1/sources", 1024),
        ("/api/v1/knowledge/search", 1024),
    ],
)
async def test_one_byte_over_the_limit_is_too_large(street: Street, path: str, size: int) -> None:
    shape = DOORS[f"POST {path}"].shape
    for over in (0, 1):
        body = b'{"a":"' + b"x" * (size * 1024 - 8 + over) + b'"}'
        async with street.client(by="api_key") as sender:
            answer = await sender.post(
                path, content=body, headers={"Content-Type": "application/json"}
            )
        assert (answer.status_code == 413) is bool(over), answer.text
        assert faults(answer, shape=shape, sent=path) == []


async def test_who_sends_slowly_is_told_so_and_let_go(crowd: Crowd) -> None:
    async with asyncio.timeout(60):
        told = await asyncio.gather(*crowd.slow)

    assert {answer.split()[1] for answer in told} == {b"422"}
    assert all(b"body_too_slow" in answer for answer in told)
