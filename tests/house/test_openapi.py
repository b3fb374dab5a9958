"""The routes are those that were reviewed, and OpenAPI says all that there is to say of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jsonschema_rs
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from coccinelle.app import create_app
from coccinelle.foundation.health import Health
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import load
from coccinelle.house import open_house
from coccinelle.tenants import actions as tenants
from tests.accounts import Account, signed_up
from tests.embedder import WordEmbedder
from tests.living import Business, client, living, move_in

REVIEWED = Path(__file__).parent / "routes.txt"
DESCRIBED = {"customers", "programs", "owners", "managers", "newcomers", "people", "teams"}
OF_KNOWLEDGE = ("source_id", "document_id", "gap_id")
DOCS = {"GET /docs", "GET /docs/oauth2-redirect", "GET /openapi.json"}


@dataclass(frozen=True)
class Described:
    """A running server, a business in it with keys that may do one thing each, and its OpenAPI."""

    app: FastAPI
    url: str
    business: Business
    knowledge_key: str
    chat_key: str
    person: Account
    openapi: dict[str, Any]

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, methods in self.openapi["paths"].items():
            for method, operation in methods.items():
                yield f"{method.upper()} {path}", operation


@pytest.fixture(scope="module")
async def described(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Described]:
    data = tmp_path_factory.mktemp("described")
    async with living(addresses, data, environment={"COCCINELLE_DOCS_PAGE": "false"}) as opened:
        house, url = opened
        business = await move_in(house, "rivoli")
        async with house.db.tenant(business.id) as tx:
            reading = await tenants.create_api_key(tx, name="lire", scopes=["knowledge"])
            talking = await tenants.create_api_key(tx, name="parler", scopes=["chat"])
        async with client(url) as anybody:
            person = await signed_up(anybody)
        app = create_app(house, Health({}))
        keys = reading.secret, talking.secret
        yield Described(app, url, business, *keys, person, app.openapi())


def routes(app: FastAPI) -> set[str]:
    """Every method and path that `app` answers; HEAD goes with GET."""
    found = set()
    for context in iter_route_contexts(app.routes):
        for method in (context.methods or set()) - {"HEAD"}:
            found.add(f"{method} {context.path}")
    return found


def reviewed() -> dict[str, str]:
    """The routes of the reviewed file, and who each is for."""
    lines = REVIEWED.read_text("utf-8").splitlines()
    parts = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    return {f"{method} {path}": kind for method, path, kind in parts}


KINDS = {name.replace(":path}", "}"): kind for name, kind in reviewed().items()}


async def test_the_routes_are_those_that_were_reviewed(described: Described) -> None:
    assert sorted(routes(described.app)) == sorted(reviewed())


async def test_every_route_is_described_but_those_that_the_review_says(
    described: Described,
) -> None:
    told = {name.replace(":path}", "}") for name, kind in reviewed().items() if kind in DESCRIBED}

    assert {name for name, _ in described.operations()} == told


async def test_the_api_is_shown_only_where_the_operator_wants_it(
    addresses: Addresses, tmp_path: Path, described: Described
) -> None:
    environment = {"COCCINELLE_DATA": str(tmp_path), "COCCINELLE_DOCS_PAGE": "true"}
    async with open_house(load(environment), addresses, embedder=WordEmbedder()) as house:
        shown = routes(create_app(house, Health({})))
    async with client(described.url, described.business) as anybody:
        hidden = [(await anybody.get(name.split()[1])).status_code for name in DOCS]
        files = ["/.env", "/.git/config", "/debug", "/static/app.js.map", "/redoc"]
        hidden += [(await anybody.get(path)).status_code for path in files]

    assert shown - routes(described.app) == DOCS
    assert set(hidden) == {404}


async def test_metrics_are_for_who_is_near(described: Described) -> None:
    async with httpx2.AsyncClient(base_url=described.url) as anybody:
        near = await anybody.get("/metrics")
        far = await anybody.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})

    assert (near.status_code, far.status_code) == (200, 404)


async def test_every_operation_says_what_it_does_and_what_its_answers_mean(
    described: Described,
) -> None:
    bare = []
    for name, operation in described.operations():
        if not operation.get("summary") or not operation.get("description"):
            bare.append(name)
        for status, response in operation["responses"].items():
            if response.get("description") in (None, "", "Successful Response"):
                bare.append(f"{name}: {status}")
    names = [operation["operationId"] for _, operation in described.operations()]

    assert bare == []
    assert len(names) == len(set(names))


async def test_every_field_and_parameter_has_a_description_and_an_example(
    described: Described,
) -> None:
    bare = []
    for name, operation in described.operations():
        for parameter in operation.get("parameters", []):
            if not parameter.get("description") or not has_example(parameter):
                bare.append(f"{name}: {parameter['name']}")
    for where, schema in schemas(described.openapi):
        for field, value in schema.get("properties", {}).items():
            referred = value.get("$ref") or any("$ref" in one for one in value.get("anyOf", ()))
            listed = "$ref" in value.get("items", {})
            if not value.get("description"):
                bare.append(f"{where}: {field} has no description")
            if not (referred or listed or has_example(value)):
                bare.append(f"{where}: {field} has no example")

    assert bare == []


def has_example(node: dict[str, Any]) -> bool:
    return any("examples" in place for place in (node, node.get("schema", {})))


def schemas(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object schema in a document, and where it is."""
    if isinstance(node, list):
        for item in node:
            yield from schemas(item, where)
    elif isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield where, node
        for key, value in node.items():
            if key not in ("examples", "example"):
                yield from schemas(value, f"{where}/{key}")


async def test_every_example_fits_its_own_schema(described: Described) -> None:
    wrong = []
    components = {"components": described.openapi["components"]}
    for where, schema in schemas(described.openapi):
        for field, value in schema["properties"].items():
            validator = jsonschema_rs.validator_for({**value, **components})
            for example in value.get("examples", ()):
                if not validator.is_valid(example):
                    wrong.append(f"{where}: {field}: {example}")
    for name, operation in described.operations():
        for parameter in operation.get("parameters", []):
            validator = jsonschema_rs.validator_for(parameter["schema"])
            for example in parameter["schema"].get("examples", ()):
                if not validator.is_valid(example):
                    wrong.append(f"{name}: {parameter['name']}: {example}")

    assert wrong == []


async def test_every_operation_tells_the_statuses_that_its_kind_can_give(
    described: Described,
) -> None:
    missing = []
    for name, operation in described.operations():
        invalid = "400" if name.split()[1].startswith(("/v1/", "/webhook/")) else "422"
        expected = {"401", "403", "500", "503", invalid}
        if "requestBody" in operation:
            expected |= {"413"}
        if "{" in name and "/rate-limit/" not in name:
            expected |= {"404"}
        if name.endswith(("/chat", "/completions")):
            expected |= {"404", "409", "429"}
        lacking = expected - set(operation["responses"])
        missing += [f"{name}: {status}" for status in sorted(lacking)]

    assert missing == []


async def test_what_can_be_brought_about_is_told(described: Described) -> None:
    """Nobody's, powerless, too large, unstorable, an unknown id: each gets the status it should."""
    wrong = []
    for name, operation in described.operations():
        method, path = name.split()
        for asked, request, expected in requests(described, name, operation):
            is_form = path.endswith("/upload")
            kind = "multipart/form-data; boundary=x" if is_form else "application/json"
            headers = {"Content-Type": kind, **request.pop("headers", {})}
            async with httpx2.AsyncClient(base_url=described.url) as sender:
                target = written(path) + request.pop("query", "")
                answer = await sender.request(method, target, headers=headers, **request)
            told = str(answer.status_code) in operation["responses"]
            if not told or answer.status_code not in expected:
                wrong.append(f"{name}: {asked}: {answer.status_code}, told: {told}")

    assert wrong == []


def requests(
    described: Described, name: str, operation: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], set[int]]]:
    """What is asked of an operation, and the statuses that may come of it."""
    by_key = {"Authorization": f"Bearer {described.business.api_key}"}
    if KINDS[name] in ("teams", "managers"):
        by_key = described.person.headers
    is_knowledge = name.split()[1].startswith("/api/v1/")
    weak = described.chat_key if is_knowledge else described.knowledge_key
    powerless = {"headers": {"Authorization": f"Bearer {weak}"}}
    elsewhere = {"Host": described.business.host, "Origin": "https://evil.example"}
    body = {} if "requestBody" not in operation else {"content": valid(name)}
    if KINDS[name] in ("newcomers", "people"):
        yield from requests_of_people(described, name, body, elsewhere)
        return
    yield "nobody's", dict(body), {401}
    yield "powerless", {**powerless, **body}, {403}
    yield "of a wrong page", {"headers": elsewhere, **body}, {403}
    yield "unstorable", {"headers": by_key, "query": "?q=%00", **body}, {400, 422}
    if body:
        yield "too large", {"headers": by_key, "content": b"[" * (26 << 20)}, {401, 413}
    if "{" in name:
        yield "unknown", {"headers": by_key, **body}, {200, 401, 404}


def requests_of_people(
    described: Described, name: str, body: dict[str, Any], elsewhere: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any], set[int]]]:
    """Newcomers need no credential, people their session: a key is nobody's here."""
    is_open = KINDS[name] == "newcomers"
    by_key = {"Authorization": f"Bearer {described.business.api_key}"}
    by_session = {"Authorization": f"Bearer {described.person.token}"}
    yield "nobody's", dict(body), {422} if is_open else {401}
    yield "by key", {"headers": by_key, **body}, {422} if is_open else {401}
    cookie = {**elsewhere, "Cookie": f"coccinelle_session={described.person.token}"}
    read = {404} if "{" in name else {200}
    writes = not name.startswith("GET")
    yield "of a wrong page", {"headers": cookie, **body}, {403} if writes else read
    yield "unstorable", {"headers": by_session, "query": "?q=%00", **body}, {422}
    if body:
        yield "too large", {"headers": by_session, "content": b"[" * (26 << 20)}, {401, 413}
    if "{" in name:
        yield "unknown", {"headers": by_session, **body}, {404}


def valid(name: str) -> bytes:
    """A body that is right as far as it goes."""
    if name.endswith("/sources/{source_id}"):
        return b'{"agents":[]}'
    if name.endswith("/upload"):
        return b"--x--\r\n"
    if name.endswith("/business"):
        return b'{"company_name":"Rivoli","sector":"autre"}'
    if name.endswith("/assistant"):
        return b'{"agent_type":"custom","agent_name":"Leyna"}'
    if name.endswith("/suggest"):
        return b'{"website":"a.example"}'
    if name.endswith(("/answer", "/reply")):
        return b'{"text":"Oui."}'
    return b'{"question":"Quels sont vos horaires ?"}' if name.endswith("/search") else b"{}"


def written(path: str) -> str:
    """The address of a path of OpenAPI, with ids that nobody has."""
    ids = ("session_id", "question_id", "invitation_id", "user_id", "key_id", "handoff_id")
    for name in ("id", "conversation_id", "turn_id", *OF_KNOWLEDGE, "model", "number_id", *ids):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    path = path.replace("{number}", "1")
    return path + ("?user_id=u" if path.endswith("/messages") else "")


async def test_every_refusal_has_the_shape_of_its_contract(described: Described) -> None:
    wrong = []
    for name, operation in described.operations():
        path = name.split()[1]
        shape = {"/w": "WebhookErrorOut", "/v": "OpenAiErrorOut"}.get(path[:2], "ProblemOut")
        kind = "application/problem+json" if shape == "ProblemOut" else "application/json"
        expected = {kind: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
        for status, response in operation["responses"].items():
            if status >= "400" and response.get("content") != expected:
                wrong.append(f"{name}: {status}")

    assert wrong == []
