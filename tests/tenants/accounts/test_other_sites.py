"""Pages of others cannot act with the cookie of somebody who is logged in: T12."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from coccinelle.app import create_app
from coccinelle.foundation.health import Health
from tests.accounts import PASSWORD, Account, signed_up
from tests.tenants.accounts.conftest import Office

ROUTES = [
    line.split()[:2]
    for line in Path("tests/house/routes.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
WRITING = [(method, path) for method, path in ROUTES if method not in ("GET", "OPTIONS")]
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"

FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "no origin": {},
    "null": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "another scheme": {"Origin": "https://{host}"},
    "a longer name": {"Origin": "http://{host}.evil.example"},
    "another site, as the browser says": {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    "a sibling site": {"Sec-Fetch-Site": "same-site", "Origin": "{own}"},
    "typed, without origin": {"Sec-Fetch-Site": "none"},
    "contradicting itself": {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    "a form's text": {"Origin": "{own}", "Content-Type": "text/plain"},
}
OWN = {
    "an old browser": {"Origin": "{own}"},
    "a browser": {"Origin": "{own}", "Sec-Fetch-Site": "same-origin"},
    "behind a proxy that hides https": {
        "Origin": "https://{host}",
        "Sec-Fetch-Site": "same-origin",
    },
}


def headers(office: Office, account: Account, written: dict[str, str]) -> dict[str, str]:
    host = office.url.partition("://")[2]
    told = {name: value.format(own=office.url, host=host) for name, value in written.items()}
    return {
        "Content-Type": "application/json",
        "Cookie": f"coccinelle_session={account.token}",
        **told,
    }


def address(path: str) -> str:
    parts = [AN_ID if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


@pytest.fixture(scope="module")
async def lea(office: Office) -> Account:
    async with office.client() as anybody:
        return await signed_up(anybody)


@pytest.fixture(scope="module")
def app(office: Office) -> FastAPI:
    """What the office's server runs, to be asked a thousand times without a wire."""
    return create_app(office.house, Health({}))


async def status_of(app: FastAPI, method: str, path: str, sent: dict[str, str]) -> int:
    """What `app` answers to a request as uvicorn hands it over."""
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return int(told[0]["status"])


@pytest.mark.parametrize("page", FOREIGN)
async def test_no_other_page_writes_anywhere_with_the_cookie(
    office: Office, app: FastAPI, lea: Account, page: str
) -> None:
    sent = headers(office, lea, FOREIGN[page])
    with_host = {**sent, "Host": office.url.partition("://")[2]}
    passed = []
    for method, path in WRITING:
        status = await status_of(app, method, address(path), with_host)
        if status != 403:
            passed.append(f"{method} {path}: {status}")
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        over_http = await browser.post("/api/v1/api-keys", headers=sent, json={})
        still = await browser.get("/api/v1/auth/me", headers=lea.headers)

    assert len(WRITING) > 30
    assert passed == []
    assert (over_http.status_code, over_http.json()["code"]) == (403, "cross_site")
    assert still.status_code == 200


@pytest.mark.parametrize("page", OWN)
async def test_our_own_pages_write_with_the_cookie(office: Office, lea: Account, page: str) -> None:
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        answer = await browser.post(
            "/api/v1/api-keys",
            headers=headers(office, lea, OWN[page]),
            json={"name": "site", "scopes": ["chat"]},
        )

    assert answer.status_code == 201, answer.text


async def test_a_page_of_the_public_address_writes_with_the_cookie(
    office: Office, lea: Account
) -> None:
    """The other way round: only the address that is configured, not any that looks like ours."""
    sent = headers(office, lea, {"Origin": "https://chat.example.com"})
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        answer = await browser.post("/api/v1/api-keys", headers=sent, json={})

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")


async def test_a_cookie_that_a_proxy_handed_over_in_parts_is_seen(
    office: Office, lea: Account
) -> None:
    origin = {"Origin": "https://evil.example"}
    parts = [("Cookie", f"coccinelle_session={lea.token}"), ("Cookie", "lang=fr")]
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        answers = [
            await browser.post("/api/v1/api-keys", headers=[*origin.items(), *sent], json={})
            for sent in (parts, parts[::-1])
        ]

    assert [answer.json()["code"] for answer in answers] == ["cross_site"] * 2


async def test_no_other_page_logs_anybody_in(office: Office, lea: Account) -> None:
    """Nor into an account of its own: that needs no cookie."""
    body = {"email": lea.email, "password": PASSWORD}
    told = []
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        for path in ("/api/v1/auth/login", "/api/auth/login"):
            for sent in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                answer = await browser.post(path, json=body, headers=sent)
                told.append((answer.status_code, answer.headers.get("set-cookie")))

    assert told == [(403, None)] * 4


async def test_a_program_with_a_token_comes_from_nowhere(office: Office, lea: Account) -> None:
    async with httpx2.AsyncClient(base_url=office.url) as program:
        answer = await program.post(
            "/api/v1/api-keys", headers=lea.headers, json={"name": "cron", "scopes": ["chat"]}
        )

    assert answer.status_code == 201


async def test_reading_changes_nothing(office: Office, lea: Account) -> None:
    """No address that is read acts: not even with the cookie, from anywhere."""
    reading = [path for method, path in ROUTES if method == "GET" and "/api/v1/" in path]
    sent = {"Cookie": f"coccinelle_session={lea.token}", "Sec-Fetch-Site": "cross-site"}
    async with httpx2.AsyncClient(base_url=office.url) as browser:
        before = (await browser.get("/api/v1/audit", headers=lea.headers)).json()
        for path in reading:
            assert (await browser.get(address(path), headers=sent)).status_code < 500
        after = (await browser.get("/api/v1/audit", headers=lea.headers)).json()

    assert after == before
