"""Every route and job of one business, driven with another's ids, changes nothing there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from coccinelle.agents import store as agents
from coccinelle.agents.actions import create as hire
from coccinelle.conversations.model import Arrival
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.ids import HandoffId
from coccinelle.foundation.jobs import jobs, queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.handoffs import actions as handoffs
from coccinelle.house import House
from coccinelle.numbers import actions as numbers
from tests.accounts import PASSWORD, Account, joined
from tests.examined import Examined, examined
from tests.house.test_openapi import KINDS
from tests.living import Business, client, configuration, living, move_in
from tests.wondered import Wondered, wondered

QUESTION = "Comment automatiser mes emails de bienvenue ?"
OWN_KEY = "a-rivoli"


@dataclass(frozen=True)
class Street:
    """Two businesses in one house; the first one has had a customer, who asked for a person."""

    house: House
    url: str
    rivoli: Business
    nordlys: Business
    turn_id: str
    conversation_id: str
    visitor_token: str
    handoff_id: HandoffId
    owner: Account
    member: Account
    invitation_id: UUID
    key_ids: dict[str, UUID]
    session_id: UUID
    onboarding_id: UUID
    examined: Examined
    number_id: UUID
    wondered: Wondered


@pytest.fixture(scope="module")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    async with living(addresses, tmp_path_factory.mktemp("street")) as (house, url):
        rivoli, nordlys = await move_in(house, "rivoli"), await move_in(house, "nordlys")
        conversation = f"c-{uuid4().hex}"
        async with client(url, rivoli) as customer:
            body = {"user_id": "u", "conversation_id": conversation, "message": QUESTION}
            answer = await customer.post("/api/chat", json=body)
            assert answer.status_code == 200, answer.text
            assert rivoli.canary in answer.json()["message"]
        async with house.db.tenant(rivoli.id) as tx:
            await hire(tx, key=OWN_KEY, position=9, configuration=configuration("Ada", "rien"))
            row = await tx.value("SELECT id FROM conversations WHERE tenant_id = %s", [rivoli.id])
            handoff_id = await handoffs.open(tx, conversation_id=row, reason="asked")
            called = f"+3361{uuid4().int % 10**7:07}"
            (first, *_) = await agents.live_agents(tx)
            await numbers.declare(tx, e164=called, agent_id=first.id)
            (number,), _ = await numbers.listed(tx, limit=1)
        token = answer.headers["X-Visitor-Token"]
        ids = answer.json()["turn_id"], conversation, token, handoff_id
        people = await joined(house, rivoli.id), await joined(house, rivoli.id, role="member")
        invitation_id, key_ids, session_id = await lent(url, people[0])
        theirs = invitation_id, key_ids, session_id, await begun(url, people[0])
        known = await examined(house.db, rivoli.id)
        unknown = await wondered(house.db, rivoli.id, rivoli.source_id)
        yield Street(
            house,
            url,
            rivoli,
            nordlys,
            *ids,
            people[0],
            people[1],
            *theirs,
            known,
            number.id,
            unknown,
        )


async def lent(url: str, owner: Account) -> tuple[UUID, dict[str, UUID], UUID]:
    """An invitation and the keys of a business, and the session of its owner."""
    async with client(url, None, Authorization=f"Bearer {owner.token}") as admin:
        body = {"email": f"{uuid4().hex}@example.com", "role": "admin"}
        invited = (await admin.post("/api/v1/auth/invitations", json=body)).json()
        sessions = (await admin.get("/api/v1/auth/sessions")).json()["items"]
        kinds = ("api-keys", "public-keys")
        found = {kind: (await admin.get(f"/api/v1/{kind}")).json()["items"] for kind in kinds}
    key_ids = {kind: UUID(found[kind][0]["id"]) for kind in kinds}
    return UUID(invited["id"]), key_ids, UUID(sessions[0]["id"])


async def begun(url: str, owner: Account) -> UUID:
    """The onboarding session of a business."""
    async with client(url, None, Authorization=f"Bearer {owner.token}") as admin:
        return UUID((await admin.post("/api/v1/onboarding/session")).json()["id"])


async def credential(street: Street, business: Business, name: str) -> dict[str, str]:
    """What opens a route to a business: its key, or the session of one of its people."""
    if KINDS.get(name) not in ("people", "managers", "teams"):
        return {"Authorization": f"Bearer {business.api_key}"}
    if business is street.rivoli and name not in ENDING:
        return street.owner.headers
    return (await joined(street.house, business.id)).headers


def fingerprint(server: EmbeddedPostgres, tenant_id: UUID) -> dict[str, str]:
    """A digest of all that a tenant has, table by table, read by the superuser."""
    tables = (
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public'"
        " AND column_name = 'tenant_id' AND table_type = 'BASE TABLE'"
    )
    found = {}
    with psycopg.connect(server.dsn(database="coccinelle")) as connection:
        names = ["tenants", *(row[0] for row in connection.execute(tables.encode()).fetchall())]
        for name in names:
            column = "id" if name == "tenants" else "tenant_id"
            query = f"SELECT t::text FROM {name} t WHERE {column} = %s ORDER BY 1"
            rows = connection.execute(query.encode(), [tenant_id]).fetchall()
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def foreign(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """For each route: its address with the first business's ids, and a body that names them."""
    source, turn = street.rivoli.source_id, street.turn_id
    conversation = street.conversation_id
    routes: dict[str, tuple[str, dict[str, Any]]] = {
        "POST /webhook/chat": (
            "/webhook/chat",
            {
                "json": {
                    "conversationId": conversation,
                    "userId": "u",
                    "message": QUESTION,
                    "timestamp": "2026-11-03T12:00:00Z",
                }
            },
        ),
        "POST /v1/chat/completions": (
            "/v1/chat/completions",
            {
                "json": {
                    "model": "auto",
                    "user": "u",
                    "messages": [{"role": "user", "content": QUESTION}],
                    "metadata": {"conversation_id": conversation},
                }
            },
        ),
        "GET /api/widget/config": ("/api/widget/config", {}),
        "GET /v1/models": ("/v1/models", {}),
        "GET /v1/models/{model}": ("/v1/models/audrey", {}),
        "GET /api/v1/sources": ("/api/v1/sources", {}),
        "POST /api/v1/sources": (
            "/api/v1/sources",
            {"json": {"kind": "text", "title": "t", "content": f"texte {uuid4()}"}},
        ),
        "POST /api/v1/sources/upload": (
            "/api/v1/sources/upload",
            {"files": {"files": ("a.txt", f"bonjour {uuid4()}".encode(), "text/plain")}},
        ),
        "GET /api/v1/sources/{source_id}": (f"/api/v1/sources/{source}", {}),
        "PATCH /api/v1/sources/{source_id}": (
            f"/api/v1/sources/{source}",
            {"json": {"agents": []}},
        ),
        "GET /api/v1/sources/{source_id}/documents": (f"/api/v1/sources/{source}/documents", {}),
        "POST /api/v1/sources/{source_id}/reingest": (f"/api/v1/sources/{source}/reingest", {}),
        "DELETE /api/v1/sources/{source_id}": (f"/api/v1/sources/{source}", {}),
        "POST /api/v1/knowledge/search": (
            "/api/v1/knowledge/search",
            {"json": {"question": QUESTION}},
        ),
        "GET /api/v1/knowledge/gaps": ("/api/v1/knowledge/gaps", {}),
        "GET /api/v1/documents/{document_id}": (
            f"/api/v1/documents/{street.wondered.document_id}",
            {},
        ),
        "POST /api/v1/knowledge/gaps/{gap_id}/answer": (
            f"/api/v1/knowledge/gaps/{street.wondered.gap_id}/answer",
            {"json": {"text": "Sous quatorze jours."}},
        ),
        "POST /api/v1/knowledge/gaps/{gap_id}/dismiss": (
            f"/api/v1/knowledge/gaps/{street.wondered.gap_id}/dismiss",
            {},
        ),
    }
    routes |= of_people(street) | of_onboarding(street)
    routes |= of_agents(street) | of_conversations(street) | of_handoffs(street)
    for prefix in ("/api", "/api/v2"):
        shown = {"headers": {"X-Visitor-Token": street.visitor_token}}
        named = prefix + "/conversations/{conversation_id}"
        at = f"{prefix}/conversations/{conversation}"
        routes |= {
            f"POST {prefix}/chat": (
                f"{prefix}/chat",
                {"json": {"user_id": "u", "conversation_id": conversation, "message": QUESTION}},
            ),
            f"GET {named}/messages": (f"{at}/messages?user_id=u", shown),
            f"POST {named}/handoff": (f"{at}/handoff", {"json": {}, **shown}),
            f"POST {named}/identity": (
                f"{at}/identity",
                {"json": {"id": "client-4812", "hmac": "0" * 64}, **shown},
            ),
            f"POST {prefix}/turns/{{turn_id}}/feedback": (
                f"{prefix}/turns/{turn}/feedback",
                {"json": {"score": 1}, **shown},
            ),
            f"GET {prefix}/rate-limit/{{conversation_id}}": (
                f"{prefix}/rate-limit/{conversation}",
                {},
            ),
        }
    return routes


def of_people(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same of the routes of accounts."""
    auth = "/api/v1/auth"
    linked = {"token": "x" * 43, "password": PASSWORD}
    known = {"email": street.owner.email, "password": "not the password"}
    newcomer = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "name": "Ida"}
    changed = {"current_password": PASSWORD, "password": PASSWORD}
    bodies: dict[str, dict[str, Any]] = {
        f"POST {auth}/signup": newcomer,
        f"POST {auth}/login": known,
        f"POST {auth}/password/forgot": {"email": street.owner.email},
        f"POST {auth}/password/reset": linked,
        f"POST {auth}/password/change": changed,
        f"POST {auth}/switch": {"tenant": street.rivoli.slug},
        f"POST {auth}/invitations/accept": linked,
        f"POST {auth}/invitations": {"email": f"{uuid4().hex}@example.com"},
        "PATCH /api/v1/members/{user_id}": {"role": "member"},
        "POST /api/v1/api-keys": {"name": "site", "scopes": ["chat"]},
        "POST /api/v1/public-keys": {"name": "site"},
    }
    bare = [f"POST {auth}/logout", f"GET {auth}/me", f"DELETE {auth}/sessions/{{session_id}}"]
    bare += [f"{method} {auth}/sessions" for method in ("GET", "DELETE")]
    bare += [f"GET {auth}/invitations", f"DELETE {auth}/invitations/{{invitation_id}}"]
    bare += ["GET /api/v1/members", "DELETE /api/v1/members/{user_id}", "GET /api/v1/audit"]
    for kind in street.key_ids:
        bare += [f"GET /api/v1/{kind}", f"DELETE /api/v1/{kind}/{{key_id}}"]

    def at(name: str) -> str:
        path = name.split()[1]
        ids = {
            "{session_id}": street.session_id,
            "{invitation_id}": street.invitation_id,
            "{user_id}": street.member.user_id,
            "{key_id}": street.key_ids.get(path.split("/")[3]),
        }
        for parameter, value in ids.items():
            path = path.replace(parameter, str(value))
        return path

    return {
        **{name: (at(name), {"json": body}) for name, body in bodies.items()},
        **{name: (at(name), {}) for name in bare},
    }


def of_onboarding(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same of onboarding and what it writes, in the order of its steps."""
    base = "/api/v1/onboarding"
    session = f"{base}/session/{street.onboarding_id}"
    named = f"POST {base}/session/{{session_id}}"
    agent = {"agent_type": "custom", "agent_name": "Leyna"}
    return {
        f"POST {base}/session": (f"{base}/session", {}),
        f"GET {base}/session/{{session_id}}": (session, {}),
        f"{named}/business": (
            f"{session}/business",
            {"json": {"company_name": "Intruse", "sector": "autre"}},
        ),
        f"{named}/staff": (f"{session}/staff", {"json": {}}),
        f"{named}/assistant": (f"{session}/assistant", {"json": agent}),
        f"{named}/knowledge": (f"{session}/knowledge", {"json": {}}),
        f"{named}/exam": (f"{session}/exam", {}),
        f"GET {base}/session/{{session_id}}/exam": (f"{session}/exam", {}),
        f"{named}/exam/questions/{{question_id}}/answer": (
            f"{session}/exam/questions/{street.examined.gap_id}/answer",
            {"json": {"text": "Sous quatorze jours."}},
        ),
        f"{named}/exam/questions/{{question_id}}/dismiss": (
            f"{session}/exam/questions/{street.examined.gap_id}/dismiss",
            {},
        ),
        f"{named}/suggest": (f"{session}/suggest", {"json": {"website": "a.example"}}),
        f"GET {base}/session/{{session_id}}/suggest": (f"{session}/suggest", {}),
        f"{named}/complete": (f"{session}/complete", {}),
        f"GET {base}/agent-types": (f"{base}/agent-types", {}),
        f"GET {base}/sectors": (f"{base}/sectors", {}),
        "GET /api/v1/numbers": ("/api/v1/numbers", {}),
        **{
            f"GET /api/v1/insights/{name}": (f"/api/v1/insights/{name}", {})
            for name in ("overview", "series", "agents")
        },
        "DELETE /api/v1/numbers/{number_id}": (f"/api/v1/numbers/{street.number_id}", {}),
    }


def of_agents(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same of agents: only the first business has one of this key."""
    base = f"/api/v1/agents/{OWN_KEY}"
    named = "/api/v1/agents/{key}"
    voice = "/api/v1/voices/elevenlabs/x"
    return {
        "GET /api/v1/agents": ("/api/v1/agents", {}),
        "POST /api/v1/agents": ("/api/v1/agents", {"json": {"name": "Intruse"}}),
        "PUT /api/v1/agents": ("/api/v1/agents", {"json": {"keys": [OWN_KEY]}}),
        f"GET {named}": (base, {}),
        f"PATCH {named}": (base, {"json": {"name": "Intruse"}}),
        f"DELETE {named}/draft": (f"{base}/draft", {}),
        f"POST {named}/publish": (f"{base}/publish", {}),
        f"POST {named}/retire": (f"{base}/retire", {}),
        f"GET {named}/versions": (f"{base}/versions", {}),
        f"POST {named}/versions/{{number}}/publish": (f"{base}/versions/1/publish", {}),
        "GET /api/v1/voices": ("/api/v1/voices", {}),
        "GET /api/v1/voices/{provider}/{voice_id}/preview": (f"{voice}/preview", {}),
    }


def of_conversations(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same of what was said, read by the business's own people."""
    said_in = Arrival(
        street.rivoli.id, "chat_v2", "u", street.conversation_id, ""
    ).conversation_uuid
    asked = "emails bienvenue"
    return {
        "GET /api/v1/conversations": (f"/api/v1/conversations?q={asked}", {}),
        "GET /api/v1/conversations/{id}": (f"/api/v1/conversations/{said_in}", {}),
        "GET /api/v1/turns/{turn_id}": (f"/api/v1/turns/{street.turn_id}", {}),
    }


def of_handoffs(street: Street) -> dict[str, tuple[str, dict[str, Any]]]:
    """The same of hand-offs, in the order of their life."""
    base, named = "/api/v1/handoffs", "/api/v1/handoffs/{handoff_id}"
    one = f"{base}/{street.handoff_id}"
    said = {"json": {"text": "Bonjour, je m'en occupe.", "message_id": uuid4().hex}}
    return {
        f"GET {base}": (base, {}),
        f"GET {named}": (one, {}),
        f"POST {named}/claim": (f"{one}/claim", {}),
        f"POST {named}/reply": (f"{one}/reply", said),
        f"POST {named}/close": (f"{one}/close", {}),
    }


# They are about the session that asks, and end it or others of its owner.
OF_ONESELF = {
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password/change",
    "DELETE /api/v1/auth/sessions",
}

# They end the session that makes them.
ENDING = OF_ONESELF | {"POST /api/v1/auth/switch"}

# What belongs to whoever asks: another business's id there is an id of one's own making.
OWN = OF_ONESELF | {
    "POST /api/v1/onboarding/session",
    "GET /api/v1/onboarding/agent-types",
    "GET /api/v1/onboarding/sectors",
    "GET /api/v1/agents",
    "POST /api/v1/agents",
    "GET /api/v1/voices",
    "GET /api/v1/numbers",
    "GET /api/v1/insights/overview",
    "GET /api/v1/insights/series",
    "GET /api/v1/insights/agents",
    "GET /api/v1/conversations",
    "GET /api/v1/handoffs",
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/password/forgot",
    "GET /api/v1/auth/me",
    "GET /api/v1/auth/sessions",
    "POST /api/v1/auth/invitations",
    "GET /api/v1/auth/invitations",
    "GET /api/v1/members",
    "GET /api/v1/audit",
    "GET /api/v1/api-keys",
    "POST /api/v1/api-keys",
    "GET /api/v1/public-keys",
    "POST /api/v1/public-keys",
    "POST /webhook/chat",
    "POST /v1/chat/completions",
    "GET /api/widget/config",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /api/v1/sources",
    "POST /api/v1/sources",
    "POST /api/v1/sources/upload",
    "POST /api/v1/knowledge/search",
    "GET /api/v1/knowledge/gaps",
    "POST /api/chat",
    "POST /api/v2/chat",
    "GET /api/rate-limit/{conversation_id}",
    "GET /api/v2/rate-limit/{conversation_id}",
}


async def test_every_route_is_driven(street: Street) -> None:
    async with httpx2.AsyncClient(base_url=street.url) as anybody:
        described = (await anybody.get("/openapi.json")).json()

    routes = {
        f"{method.upper()} {path}"
        for path, methods in described["paths"].items()
        for method in methods
        if method.upper() != "OPTIONS"
    }
    assert routes == set(foreign(street))


async def test_no_route_reaches_another_business(street: Street, server: EmbeddedPostgres) -> None:
    before = fingerprint(server, street.rivoli.id)
    leaks = []

    for name, (path, request) in foreign(street).items():
        by_nordlys = await credential(street, street.nordlys, name)
        headers = {**by_nordlys, **request.get("headers", {})}
        async with client(street.url, street.rivoli) as program:
            answer = await program.request(name.split()[0], path, **{**request, "headers": headers})
        expected = (200, 201, 202, 204) if name in OWN else (401, 404)
        if answer.status_code not in expected or street.rivoli.canary in answer.text:
            leaks.append((name, answer.status_code, answer.text[:200]))

    assert leaks == []
    assert fingerprint(server, street.rivoli.id) == before


async def test_the_owner_of_the_ids_is_answered(street: Street) -> None:
    """The routes above refuse because the ids are foreign, and not because the requests are bad."""
    refused = []

    for name, (path, request) in foreign(street).items():
        # An identity is proven through a public key: tests/channels/widget/test_identity.py.
        if name.startswith(("DELETE", "POST /api/v1/sources")) or name.endswith("/identity"):
            continue
        # Without a provider of voices there is none to be heard: tests/providers/test_voices.py.
        if name.endswith("/preview"):
            continue
        if KINDS.get(name) == "newcomers":
            continue
        by_rivoli = await credential(street, street.rivoli, name)
        headers = {**by_rivoli, **request.get("headers", {})}
        async with client(street.url, street.rivoli) as program:
            answer = await program.request(name.split()[0], path, **{**request, "headers": headers})
        if answer.status_code not in (200, 201, 202, 204):
            refused.append((name, answer.status_code, answer.text[:200]))

    assert refused == []


def job_arguments(street: Street) -> dict[str, dict[str, Any]]:
    """For each job of a tenant: arguments that name the first business's rows."""
    return {
        "ingest_source": {"source_id": str(street.rivoli.source_id), "generation": 99},
        "hold_exam": {"exam_id": str(street.examined.exam_id)},
        "suggest_business": {
            "session_id": str(street.onboarding_id),
            "reading_id": str(street.onboarding_id),
        },
        "mail_handoff": {"handoff_id": str(street.handoff_id)},
        "mail_replies": {"handoff_id": str(street.handoff_id)},
        "mail_invitation": {
            "invitation_id": str(street.invitation_id),
            "locale": "fr",
            "base_url": "https://a.example",
        },
    }


# Jobs that are about no tenant: each finds the tenants that need it and opens their transactions.
HOUSEKEEPING = {
    "rescue_stalled_jobs",
    "end_dead_turns",
    "reembed_sources",
    "forget_hits",
    "keep_words",
    "forget_attempts",
    "tell_hours",
    "forget_suggestions",
}
# Jobs that are about a user: of whichever tenants, she is no tenant's.
OF_USERS = {"mail_password_reset"}


async def test_no_job_reaches_another_business(
    street: Street, server: EmbeddedPostgres, addresses: Addresses
) -> None:
    async with queue(addresses.login) as running:  # What the tests before asked for.
        await work(running, street.house, concurrency=1, until_idle=True)
        for waiting in await running.job_manager.list_jobs_async(status="todo"):
            await running.job_manager.cancel_job_by_id_async(int(waiting.id or 0))
    before = fingerprint(server, street.rivoli.id)
    ours = {name for name in jobs.tasks if not name.startswith(("builtin", "procrastinate"))}
    assert ours == set(job_arguments(street)) | HOUSEKEEPING | OF_USERS

    async with queue(addresses.login) as running:
        for name, arguments in job_arguments(street).items():
            await jobs.tasks[name].defer_async(tenant_id=str(street.nordlys.id), **arguments)
        await work(running, street.house, concurrency=1, until_idle=True)

    assert fingerprint(server, street.rivoli.id) == before
