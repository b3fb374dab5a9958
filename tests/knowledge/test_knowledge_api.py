"""Knowledge over HTTP: what programs send, and what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import (
    CoccinelleError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from coccinelle.foundation.ids import SourceId, TenantId, uuid7
from coccinelle.knowledge import actions
from coccinelle.knowledge.api import routes
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.tenants.model import Caller
from tests.knowledge.ingest_worker import Services
from tests.knowledge.test_sources import agent

Client = httpx2.AsyncClient
STATUS = {Unauthenticated: 401, Forbidden: 403, NotFound: 404, Invalid: 422}
FAQ = {"kind": "faq", "faqs": [{"question": "Livrez-vous en Belgique ?", "answer": "Oui."}]}


@dataclass(frozen=True)
class Door:
    """The routes, with tenants' ids for keys."""

    services: Services
    app: FastAPI

    @asynccontextmanager
    async def of(self, tenant: TenantId, scopes: str = "knowledge") -> AsyncIterator[Client]:
        transport = httpx2.ASGITransport(app=self.app)
        headers = {"X-Tenant": str(tenant), "X-Scopes": scopes}
        async with Client(transport=transport, base_url="http://test", headers=headers) as client:
            yield client

    async def ingest(self, tenant: TenantId, source: dict[str, Any]) -> None:
        await run_ingest(self.services, tenant, SourceId(UUID(source["id"])), source["generation"])


@pytest.fixture
def door(db: Database) -> Door:
    services = Services(db)
    app = FastAPI()

    async def caller(request: Request) -> Caller:
        if "x-tenant" not in request.headers:
            raise Unauthenticated
        tenant = TenantId(UUID(request.headers["x-tenant"]))
        return Caller(tenant, "api_key", frozenset(request.headers["x-scopes"].split()))

    @app.exception_handler(CoccinelleError)
    async def answer(_: Request, error: CoccinelleError) -> JSONResponse:
        status = next((s for kind, s in STATUS.items() if isinstance(error, kind)), 500)
        fields = [(e.field, e.code) for e in getattr(error, "errors", ())]
        return JSONResponse({"code": error.code, "errors": fields}, status)

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [(str(e["loc"][-1]), e["type"]) for e in error.errors()]
        return JSONResponse({"code": "invalid", "errors": fields}, 422)

    app.include_router(routes(services, caller))
    return Door(services, app)


async def test_a_faq_is_added_ingested_and_found_by_its_own_tenant_only(
    door: Door, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with door.of(rivoli) as client:
        added = await client.post("/api/v1/sources", json=FAQ)
        again = await client.post("/api/v1/sources", json=FAQ)
        await door.ingest(rivoli, added.json()["source"])
        source = (await client.get(f"/api/v1/sources/{added.json()['source']['id']}")).json()
        hits = await client.post(
            "/api/v1/knowledge/search", json={"question": "Vous livrez en Belgique ?"}
        )
    async with door.of(nordlys) as client:
        theirs = await client.post(
            "/api/v1/knowledge/search", json={"question": "Vous livrez en Belgique ?"}
        )

    assert (added.status_code, added.json()["duplicate"]) == (201, False)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert (source["state"], source["chunks_done"], source["chunks_total"]) == ("ready", 1, 1)
    best = hits.json()["passages"][0]
    assert best["question"] == "Livrez-vous en Belgique ?"
    assert best["answer_score"] >= hits.json()["threshold"] > 0
    assert {"score", "dense", "question_dense", "bm25", "coverage"} <= best.keys()
    assert hits.json()["took_ms"] > 0
    assert theirs.json()["passages"] == []


async def test_several_files_are_uploaded_at_once_each_a_source(
    door: Door, rivoli: TenantId, nordlys: TenantId, db: Database
) -> None:
    await agent(db, rivoli, "carole")
    files = [
        ("files", ("tarifs.csv", b"Coupe;25\nBrushing;18\n", "text/csv")),
        ("files", ("copie.csv", b"Coupe;25\nBrushing;18\n", "text/csv")),
        ("files", ("vide.txt", b"", "text/plain")),
    ]
    async with door.of(rivoli) as client:
        sent = await client.post("/api/v1/sources/upload", files=files, data={"agents": ["carole"]})
        for item in sent.json()["items"]:
            await door.ingest(rivoli, item["source"])
        again = await client.post("/api/v1/sources/upload", files=files[:1])
        listed = (await client.get("/api/v1/sources")).json()
    async with door.of(nordlys) as client:
        assert (await client.get("/api/v1/sources")).json() == {"items": [], "next_cursor": None}

    assert sent.status_code == 201
    assert [item["duplicate"] for item in sent.json()["items"]] == [False, True, False]
    assert again.status_code == 200
    assert [(s["title"], s["state"], s["agents"]) for s in listed["items"]] == [
        ("vide.txt", "failed", ["carole"]),
        ("tarifs.csv", "ready", ["carole"]),
    ]


async def test_a_file_that_is_uploaded_again_with_other_content_replaces_its_own(
    door: Door, rivoli: TenantId, nordlys: TenantId
) -> None:
    old = {"files": ("tarifs.csv", b"Coupe;25\n", "text/csv")}
    new = {"files": ("tarifs.csv", b"Coupe;31\n", "text/csv")}
    async with door.of(rivoli) as client, door.of(nordlys) as other:
        first = (await client.post("/api/v1/sources/upload", files=old)).json()["items"][0]
        theirs = (await other.post("/api/v1/sources/upload", files=old)).json()["items"][0]
        sent = await client.post("/api/v1/sources/upload", files=new)
        kept = (await client.get("/api/v1/sources")).json()["items"]
        untouched = (await other.get("/api/v1/sources")).json()["items"]

    again = sent.json()["items"][0]
    assert (sent.status_code, again["replaced"], again["duplicate"]) == (201, True, False)
    assert [source["id"] for source in kept] == [first["source"]["id"]]
    assert untouched == [theirs["source"]]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", "Ce fichier est vide. Vérifiez que c'est le bon, puis renvoyez-le."),
        ("en-GB", "This file is empty. Check that it is the right one, then send it again."),
    ],
)
async def test_a_failure_is_said_in_the_callers_language(
    door: Door, rivoli: TenantId, nordlys: TenantId, language: str, words: str
) -> None:
    async with door.of(rivoli) as client:
        files = {"files": ("vide.txt", b"", "text/plain")}
        source = (await client.post("/api/v1/sources/upload", files=files)).json()["items"][0]
        await door.ingest(rivoli, source["source"])
        seen = await client.get(
            f"/api/v1/sources/{source['source']['id']}", headers={"Accept-Language": language}
        )
    assert seen.json()["failure"] == {"code": "empty_file", "message": words}


async def test_a_source_is_read_anew_tagged_and_deleted(
    door: Door, rivoli: TenantId, nordlys: TenantId, db: Database
) -> None:
    await agent(db, rivoli, "carole")
    async with door.of(rivoli) as client:
        source = (await client.post("/api/v1/sources", json=FAQ)).json()["source"]
        path = f"/api/v1/sources/{source['id']}"
        await door.ingest(rivoli, source)
        again = await client.post(f"{path}/reingest")
        await door.ingest(rivoli, again.json())
        tagged = await client.patch(path, json={"agents": ["carole"]})
        documents = (await client.get(f"{path}/documents")).json()
        gone = await client.delete(path)
        after = await client.get(path)

    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    assert (tagged.json()["agents"], tagged.json()["live_generation"]) == (["carole"], 2)
    assert [(d["title"], d["chunk_count"]) for d in documents["items"]] == [
        ("Livrez-vous en Belgique ?", 1)
    ]
    assert documents["next_cursor"] is None
    assert (gone.status_code, gone.content, after.status_code) == (204, b"", 404)


async def test_lists_are_cut_and_go_on(door: Door, rivoli: TenantId, nordlys: TenantId) -> None:
    async with door.of(rivoli) as client:
        for n in range(3):
            body = {"kind": "text", "title": f"T{n}", "content": f"Texte {n}"}
            assert (await client.post("/api/v1/sources", json=body)).status_code == 201
        first = (await client.get("/api/v1/sources?limit=2")).json()
        rest = (await client.get(f"/api/v1/sources?cursor={first['next_cursor']}")).json()
        too_many = await client.get("/api/v1/sources?limit=201")
    assert [s["title"] for s in first["items"] + rest["items"]] == ["T2", "T1", "T0"]
    assert rest["next_cursor"] is None
    assert too_many.status_code == 422


async def test_gaps_are_listed_for_their_tenant(
    door: Door, rivoli: TenantId, nordlys: TenantId, db: Database
) -> None:
    for question in ("Un ?", "Deux ?", "deux"):
        async with db.tenant(rivoli) as tx:
            await actions.record_gap(tx, question=question, best_score=0.125)
    async with door.of(rivoli) as client:
        first = (await client.get("/api/v1/knowledge/gaps?limit=1")).json()
        rest = (await client.get(f"/api/v1/knowledge/gaps?cursor={first['next_cursor']}")).json()
    async with door.of(nordlys) as client:
        theirs = (await client.get("/api/v1/knowledge/gaps")).json()
    gaps = [(g["question"], g["asked_count"]) for g in first["items"] + rest["items"]]
    assert gaps == [("Deux ?", 2), ("Un ?", 1)]
    assert theirs["items"] == []


async def test_a_gap_is_answered_or_dismissed_by_its_own_tenant_only(
    door: Door, rivoli: TenantId, nordlys: TenantId, db: Database
) -> None:
    for question in ("Un ?", "Deux ?"):
        async with db.tenant(rivoli) as tx:
            await actions.record_gap(tx, question=question, best_score=0.125)
    listing = "/api/v1/knowledge/gaps"
    async with door.of(rivoli) as client:
        two, one = (await client.get(listing)).json()["items"]
        foreign = []
        async with door.of(nordlys) as other:
            for path, body in (
                (f"{one['id']}/answer", {"text": "Oui."}),
                (f"{two['id']}/dismiss", None),
            ):
                foreign.append((await other.post(f"{listing}/{path}", json=body)).status_code)
        answered = await client.post(f"{listing}/{one['id']}/answer", json={"text": " Oui. "})
        dismissed = await client.post(f"{listing}/{two['id']}/dismiss")
        empty = await client.post(f"{listing}/{one['id']}/answer", json={"text": " "})
        left = (await client.get(f"{listing}?order=most_asked")).json()
        (source,) = (await client.get("/api/v1/sources")).json()["items"]
        await door.ingest(rivoli, source)
        found = await client.post("/api/v1/knowledge/search", json={"question": "Un ?"})

    assert foreign == [404, 404]
    assert (answered.status_code, answered.json()["settled_as"]) == (200, "answered")
    assert (dismissed.status_code, dismissed.json()["settled_as"]) == (200, "dismissed")
    assert empty.status_code == 422
    assert left["items"] == []
    assert [passage["question"] for passage in found.json()["passages"]] == ["Un ?"]


async def test_a_document_is_read_passage_by_passage_by_its_own_tenant_only(
    door: Door, rivoli: TenantId, nordlys: TenantId
) -> None:
    table = "\n".join(["Prestation;Prix", *(f"Coupe {n};{n} €" for n in range(20, 26))])
    files = {"files": ("tarifs été.csv", table.encode(), "text/csv")}
    async with door.of(rivoli) as client, door.of(nordlys) as other:
        sent = await client.post("/api/v1/sources/upload", files=files)
        source = sent.json()["items"][0]["source"]
        await door.ingest(rivoli, source)
        listing = f"/api/v1/sources/{source['id']}/documents"
        (document,) = (await client.get(f"{listing}?q=TARIFS ETE")).json()["items"]
        assert (await client.get(f"{listing}?q=50%25")).json()["items"] == []
        path = f"/api/v1/documents/{document['id']}"
        first = (await client.get(f"{path}?limit=4")).json()
        rest = (await client.get(f"{path}?cursor={first['next_cursor']}")).json()
        assert (await other.get(path)).status_code == 404

    assert document["source_id"] == source["id"]
    assert (first["chunk_count"], first["title"]) == (6, document["title"])
    passages = first["passages"] + rest["passages"]
    assert {passage["kind"] for passage in passages} == {"table_row"}
    assert ["Coupe 20" in passages[0]["text"], "Coupe 25" in passages[-1]["text"]] == [True, True]
    assert (len(first["passages"]), len(passages), rest["next_cursor"]) == (4, 6, None)


async def test_the_tester_says_which_words_it_found(door: Door, rivoli: TenantId) -> None:
    text = "Nos délais de livraison sont de trois jours ouvrés."
    body = {"kind": "text", "title": "Livraison", "content": text}
    async with door.of(rivoli) as client:
        await door.ingest(
            rivoli, (await client.post("/api/v1/sources", json=body)).json()["source"]
        )
        asked = {"question": "Quel délai pour les livraisons de canapés ?"}
        found = (await client.post("/api/v1/knowledge/search", json=asked)).json()
    assert [passage["words"] for passage in found["passages"]] == [["délai", "livraisons"]]


async def test_a_source_is_renamed_and_tagged_or_only_one_of_both(
    door: Door, rivoli: TenantId, db: Database
) -> None:
    await agent(db, rivoli, "carole")
    async with door.of(rivoli) as client:
        source = (await client.post("/api/v1/sources", json=FAQ)).json()["source"]
        path = f"/api/v1/sources/{source['id']}"
        await client.patch(path, json={"agents": ["carole"]})
        renamed = (await client.patch(path, json={"title": "Livraison"})).json()
        empty = await client.patch(path, json={"title": " "})
    assert (renamed["title"], renamed["agents"]) == ("Livraison", ["carole"])
    assert empty.status_code == 422


ROUTES: list[tuple[str, str, object]] = [
    ("GET", "/api/v1/sources/{id}", None),
    ("PATCH", "/api/v1/sources/{id}", {"agents": []}),
    ("DELETE", "/api/v1/sources/{id}", None),
    ("GET", "/api/v1/sources/{id}/documents", None),
    ("POST", "/api/v1/sources/{id}/reingest", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_another_tenants_source_is_not_there(
    door: Door, rivoli: TenantId, nordlys: TenantId, method: str, path: str, body: object
) -> None:
    async with door.of(rivoli) as client:
        source = (await client.post("/api/v1/sources", json=FAQ)).json()["source"]
        before = (await client.get(f"/api/v1/sources/{source['id']}")).json()
    async with door.of(nordlys) as client:
        answer = await client.request(method, path.format(id=source["id"]), json=body)
        nobody = await client.request(method, path.format(id=uuid7()), json=body)
    async with door.of(rivoli) as client:
        assert (await client.get(f"/api/v1/sources/{source['id']}")).json() == before

    assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")
    assert nobody.json() == answer.json()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *ROUTES,
        ("GET", "/api/v1/sources", None),
        ("POST", "/api/v1/sources", FAQ),
        ("POST", "/api/v1/sources/upload", None),
        ("POST", "/api/v1/knowledge/search", {"question": "Quoi ?"}),
        ("GET", "/api/v1/knowledge/gaps", None),
    ],
)
async def test_every_route_asks_who_it_is_and_for_the_scope(
    door: Door, rivoli: TenantId, nordlys: TenantId, method: str, path: str, body: object
) -> None:
    address = path.format(id=uuid7())
    async with door.of(rivoli, scopes="chat") as client:
        refused = await client.request(method, address, json=body)
        client.headers.pop("X-Tenant")
        unknown = await client.request(method, address, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert unknown.status_code == 401


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"kind": "page"}, [["url", "required"]]),
        ({"kind": "text", "content": "x"}, [["title", "required"]]),
        (
            {"kind": "faq", "url": "https://a.example"},
            [["faqs", "required"]] + [["url", "not_for_this_kind"]],
        ),
        ({"kind": "page", "url": "ftp://a.example"}, [["url", "bad_address"]]),
        ({**FAQ, "agents": ["personne"]}, [["agents", "unknown_agent"]]),
    ],
)
async def test_what_does_not_fit_together_is_refused_by_field(
    door: Door, rivoli: TenantId, nordlys: TenantId, body: object, errors: object
) -> None:
    async with door.of(rivoli) as client:
        answer = await client.post("/api/v1/sources", json=body)
        assert (answer.status_code, answer.json()["errors"]) == (422, errors)
        assert (await client.get("/api/v1/sources")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "file"},
        {**FAQ, "tenant_id": str(uuid7())},
        {**FAQ, "title": "a\x00b"},
        {**FAQ, "title": ""},
        {**FAQ, "agents": ["a\x00"]},
        {"kind": "faq", "faqs": []},
        {"kind": "faq", "faqs": [{"question": " ", "answer": "x"}]},
        {"kind": "faq", "faqs": [{"question": "q", "answer": "\x00"}]},
        {"kind": "text", "title": "t", "content": "\x00"},
        {"kind": "page", "url": "https://a.example/\x00"},
    ],
)
async def test_what_cannot_be_kept_is_refused_and_nothing_is(
    door: Door, rivoli: TenantId, nordlys: TenantId, body: object
) -> None:
    async with door.of(rivoli) as client:
        assert (await client.post("/api/v1/sources", json=body)).status_code == 422
        assert (await client.get("/api/v1/sources")).json()["items"] == []


@pytest.mark.parametrize("field", ["title", "url", "content", "kind", "agents"])
async def test_half_a_surrogate_pair_is_refused(
    door: Door, rivoli: TenantId, nordlys: TenantId, field: str
) -> None:
    value = '["\\ud800"]' if field == "agents" else '"\\ud800"'
    text = '{"kind": "faq", "faqs": [{"question": "q", "answer": "a"}], "%s": %s}'
    async with door.of(rivoli) as client:
        answer = await client.post(
            "/api/v1/sources",
            content=(text % (field, value)).encode(),
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["a\x00b.txt", "%00.txt"])
async def test_a_file_name_is_kept_or_refused_and_never_an_error_of_ours(
    door: Door, rivoli: TenantId, nordlys: TenantId, name: str
) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="'
        + name.encode()
        + b'"\r\n\r\nbonjour\r\n--x--\r\n'
    )
    async with door.of(rivoli) as client:
        answer = await client.post(
            "/api/v1/sources/upload",
            content=body,
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    assert answer.status_code == (422 if "\x00" in name else 201)


@pytest.mark.parametrize("question", ["", "   ", "x" * 2001, "a\x00"])
async def test_a_question_of_no_use_is_refused(
    door: Door, rivoli: TenantId, nordlys: TenantId, question: str
) -> None:
    async with door.of(rivoli) as client:
        answer = await client.post("/api/v1/knowledge/search", json={"question": question})
    assert answer.status_code == 422


async def test_the_search_goes_on_by_words_while_the_embedder_is_down(
    door: Door, rivoli: TenantId, nordlys: TenantId
) -> None:
    async with door.of(rivoli) as client:
        source = (await client.post("/api/v1/sources", json=FAQ)).json()["source"]
        await door.ingest(rivoli, source)
        door.services.embedder.is_down = True
        hits = (
            await client.post("/api/v1/knowledge/search", json={"question": "la Belgique"})
        ).json()
    assert hits["by_words_only"]
    assert [p["dense"] for p in hits["passages"]] == [None]


async def test_an_agent_searches_what_it_may_use(
    door: Door, rivoli: TenantId, nordlys: TenantId, db: Database
) -> None:
    for key in ("carole", "audrey"):
        await agent(db, rivoli, key)
    async with door.of(rivoli) as client:
        body = {**FAQ, "agents": ["carole"]}
        await door.ingest(
            rivoli, (await client.post("/api/v1/sources", json=body)).json()["source"]
        )
        found = {}
        for key in ("carole", "audrey", "personne"):
            answer = await client.post(
                "/api/v1/knowledge/search", json={"question": "Belgique ?", "agent": key}
            )
            found[key] = answer.json()
    assert [len(found[key]["passages"]) for key in ("carole", "audrey")] == [1, 0]
    assert found["personne"]["errors"] == [["agent", "unknown_agent"]]


def test_every_status_and_every_field_is_described_with_an_example(door: Door) -> None:
    described = door.app.openapi()
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert {"401", "403", "422", "503"} <= route["responses"].keys(), (path, method)
    for name, schema in described["components"]["schemas"].items():
        if name in ("HTTPValidationError", "ValidationError") or name.startswith("Body_"):
            continue
        for field, about in schema["properties"].items():
            assert about.get("description"), f"{name}.{field}"
            is_object = "$ref" in str(about) and "examples" not in about
            assert is_object or about.get("examples"), f"{name}.{field}"
