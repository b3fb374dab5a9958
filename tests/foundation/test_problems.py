"""Every refusal: its status, its words, and nothing from the inside of the program."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from coccinelle.foundation import problems, web
from coccinelle.foundation.errors import (
    CoccinelleError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from coccinelle.foundation.problems import Refusals, problem_of
from coccinelle.foundation.web import BodyLimits

SECRETS = ("ck_live_secret", "SELECT password FROM users", "/srv/app/db.py", "10.1.2.3:5432")


class Order(BaseModel):
    """A body with every kind of field."""

    name: str = Field(min_length=2, max_length=5)
    count: int = Field(ge=1, le=9)
    is_gift: bool
    tags: list[str]


ERRORS: list[tuple[Exception, int]] = [
    (Unauthenticated(), 401),
    (Unauthenticated("api_key_unknown"), 401),
    (Forbidden(), 403),
    (Forbidden("origin_not_allowed", origin="https://a.example"), 403),
    (NotFound(), 404),
    (NotFound("conversation_not_found"), 404),
    (Conflict(), 409),
    (Conflict("twin_in_flight", retry_after_seconds=5), 409),
    (TooLarge(), 413),
    (TooLarge("body_too_large", max_bytes=1), 413),
    (Invalid(), 422),
    (Invalid(errors=(FieldError("message", "too_long", (("max_length", 3),)),)), 422),
    (TooMany(retry_after_seconds=7), 429),
    (Unavailable(), 503),
    (Unavailable("answer_failed"), 503),
    (psycopg.OperationalError(f"connection to {SECRETS[3]} failed"), 503),
    (psycopg.errors.DiskFull(SECRETS[1]), 503),
    (psycopg.errors.QueryCanceled(SECRETS[1]), 503),
    (PoolTimeout(SECRETS[3]), 503),
    (psycopg.errors.UniqueViolation(f"{SECRETS[1]} DETAIL: Key (email)=(lea@example.com)"), 500),
    (psycopg.errors.UndefinedTable(SECRETS[1]), 500),
    (psycopg.DataError(SECRETS[1]), 500),
    (CoccinelleError(), 500),
    (ValueError(SECRETS[0]), 500),
    (KeyError(SECRETS[0]), 500),
    (RuntimeError(SECRETS[2]), 500),
    (FileNotFoundError(2, "No such file", SECRETS[2]), 500),
    (ConnectionRefusedError(111, SECRETS[3]), 500),
    (RecursionError(), 500),
    (AssertionError(SECRETS[0]), 500),
    (UnicodeDecodeError("utf-8", SECRETS[0].encode(), 0, 1, "bad"), 500),
    (ExceptionGroup(SECRETS[0], [ValueError(SECRETS[1])]), 500),
    (HTTPException(404, SECRETS[0]), 404),
    (HTTPException(400, SECRETS[0]), 422),
    (HTTPException(418, SECRETS[0]), 418),
]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()

    @app.get("/fail/{index}")
    async def fail(index: int) -> None:
        raise ERRORS[index][0]

    @app.post("/orders")
    async def order(body: Order, page: int = 1) -> None: ...

    refusals = Refusals()
    problems.install(app, refusals)
    web.install(app, refusals=refusals, limits=BodyLimits())
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as opened:
        yield opened


@pytest.mark.parametrize("index", range(len(ERRORS)))
async def test_a_failure_leaks_nothing_and_has_an_incident_number(
    client: httpx2.AsyncClient, index: int
) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await client.get(f"/fail/{index}")
    problem = answer.json()

    assert answer.status_code == problem["status"] == ERRORS[index][1]
    assert answer.headers["content-type"] == "application/problem+json"
    assert list(problem)[:6] == ["type", "title", "status", "detail", "code", "request_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", problem["request_id"])
    told = answer.text + str(answer.headers)
    assert not [secret for secret in (*SECRETS, "Traceback", "lea@example.com") if secret in told]
    assert not re.search(r"…|\{|\}|None", problem["detail"])
    for entry in logs:
        public = {key: value for key, value in entry.items() if key != "pii"}
        assert not [secret for secret in SECRETS if secret in str(public)]
    if answer.status_code >= 500:
        assert [e["request_id"] for e in logs if e["event"] == "request_failed"] == [
            problem["request_id"]
        ]


async def test_waiting_is_told_in_seconds(client: httpx2.AsyncClient) -> None:
    waits = {
        index: (await client.get(f"/fail/{index}")).headers.get("retry-after")
        for index, (error, _) in enumerate(ERRORS)
        if isinstance(error, TooMany | Unavailable | psycopg.OperationalError)
        or (isinstance(error, Conflict) and error.retry_after_seconds)
    }

    assert waits
    assert all(wait and int(wait) > 0 for wait in waits.values())


async def test_401_says_how_to_authenticate(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/fail/0")).headers["www-authenticate"] == "Bearer"


async def test_405_says_what_is_allowed(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/orders")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        (None, "Il n'y a rien ici."),
        ("en", "There is nothing here."),
        ("de", "Il n'y a rien ici."),
        ("fr;q=0.2, en-US;q=0.9", "There is nothing here."),
        ("en;q=0, fr;q=0.1", "Il n'y a rien ici."),
        ("en;q=x", "Il n'y a rien ici."),
        (",;=," * 1000, "Il n'y a rien ici."),
    ],
)
async def test_words_follow_accept_language(
    client: httpx2.AsyncClient, language: str | None, detail: str
) -> None:
    headers = {"Accept-Language": language} if language else {}

    assert (await client.get("/nothing", headers=headers)).json()["detail"] == detail


async def test_each_field_is_named_with_a_code_and_without_its_input(
    client: httpx2.AsyncClient,
) -> None:
    secret = "canary-value"
    sent = {"name": secret, "count": 99, "is_gift": secret, "tags": [secret, 7]}
    answer = await client.post("/orders?page=x", json=sent)

    assert answer.status_code == 422
    assert secret not in answer.text
    assert {(e["field"], e["code"]) for e in answer.json()["errors"]} == {
        ("page", "not_a_number"),
        ("name", "too_long"),
        ("count", "too_big"),
        ("is_gift", "not_a_boolean"),
        ("tags.1", "not_text"),
    }
    messages = {e["field"]: e["message"] for e in answer.json()["errors"]}
    assert messages["name"] == "C'est trop long : 5 caractères au plus."


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{", "bad_json"), (b"[" * 100_000, "bad_json"), (b"[]", "not_an_object")],
)
async def test_a_body_that_the_framework_cannot_read_is_422(
    client: httpx2.AsyncClient, content: bytes, code: str
) -> None:
    answer = await client.post(
        "/orders", content=content, headers={"Content-Type": "application/json"}
    )
    codes = {answer.json()["code"], *(e["code"] for e in answer.json().get("errors", []))}

    assert answer.status_code == 422
    assert code in codes


def test_a_name_that_the_client_made_up_is_told_only_when_it_is_harmless() -> None:
    kinds = [
        {"type": "extra_forbidden", "loc": ("body", "<script>")},
        {"type": "extra_forbidden", "loc": ("body", "is_admin")},
    ]
    found = problems.invalid_fields(kinds)

    assert [error.field for error in found.errors] == ["…", "is_admin"]


def test_subclasses_have_the_status_of_their_kind() -> None:
    class NumberTaken(Conflict):
        """A kind of conflict."""

        default_code = "host_taken"

    problem = problem_of(NumberTaken(), locale="en", request_id="r")

    assert (problem.status, problem.code) == (409, "host_taken")
