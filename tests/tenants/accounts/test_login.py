"""Logging in, and what keeps others from doing so: S18, T13, T14, T15, T16."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import argon2
import httpx2
import psycopg
import pytest

from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.errors import Unauthenticated
from coccinelle.foundation.postgres import Addresses
from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.accounts.model import AccountRules, Device
from coccinelle.tenants.accounts.passwords import Passwords
from tests.accounts import PASSWORD, Account, joined, signed_up
from tests.living import client, living
from tests.tenants.accounts.conftest import Office

LOGIN = "/api/v1/auth/login"
STRICT = {"COCCINELLE_LOGINS_PER_MINUTE": "5", "COCCINELLE_LOGINS_PER_EMAIL": "10"}


@pytest.fixture(scope="module")
async def strict(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A server that counts log-ins as one that is delivered does, behind a trusted proxy."""
    environment = {**STRICT, "COCCINELLE_TRUSTED_PROXIES": "127.0.0.1"}
    data = tmp_path_factory.mktemp("strict")
    async with living(addresses, data, environment=environment) as (house, url):
        yield Office(house, url)


def superuser(server: EmbeddedPostgres, query: str, *values: Any) -> list[Any]:
    with psycopg.connect(server.dsn(database="coccinelle"), autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []


def address() -> dict[str, str]:
    """The headers of a sender whom nobody has seen yet."""
    tail = uuid4().bytes
    return {"X-Forwarded-For": f"10.{tail[0]}.{tail[1]}.{tail[2]}"}


async def log_in(
    anybody: httpx2.AsyncClient, account: Account, password: str = PASSWORD, **headers: str
) -> httpx2.Response:
    body = {"email": account.email, "password": password}
    answer = await anybody.post(LOGIN, json=body, headers=headers)
    anybody.cookies.clear()
    return answer


async def test_each_log_in_opens_a_session_of_its_own(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor)

    tokens = [(await log_in(visitor, lea)).json()["session"]["token"] for _ in range(3)]

    assert len({*tokens, lea.token}) == 4
    assert all(token.startswith("cs_") and len(token) == 46 for token in tokens)


async def test_only_digests_are_kept(visitor: httpx2.AsyncClient, server: EmbeddedPostgres) -> None:
    lea = await signed_up(visitor)

    found = superuser(
        server,
        "SELECT s.token_hash, u.password_hash FROM sessions s JOIN users u ON u.id = s.user_id"
        " WHERE u.email = %s",
        lea.email,
    )

    assert bytes(found[0][0]) == hashlib.sha256(lea.token.encode()).digest()
    assert found[0][1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_address_without_account_and_a_wrong_password_are_answered_alike(
    visitor: httpx2.AsyncClient,
) -> None:
    lea = await signed_up(visitor)
    told = []
    for email in (lea.email, "nobody@example.com", "no address at all", "a@b.c" + "\u212b"):
        answer = await visitor.post(LOGIN, json={"email": email, "password": "not the password"})
        body = {k: v for k, v in answer.json().items() if k != "request_id"}
        names = sorted(name for name in answer.headers if name != "x-request-id")
        told.append((answer.status_code, body, names))

    assert told[0][0] == 401
    assert told[0][1]["code"] == "login_failed"
    assert all(one == told[0] for one in told)


class Watched(Passwords):
    """Remembers what was checked, and does something after each check."""

    def __init__(self, after: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self.checked: list[str] = []
        self._after = after

    def _is_of(self, password: str, kept: str) -> bool:
        self.checked.append(kept)
        return super()._is_of(password, kept)

    async def matches(self, password: str, kept: str | None) -> bool:
        is_right = await super().matches(password, kept)
        if self._after is not None:
            await self._after()
        return is_right


async def test_a_password_for_nobody_is_checked_like_any_other() -> None:
    passwords = Watched()
    kept = await passwords.hash(PASSWORD)

    told = [await passwords.matches(word, of) for word in (PASSWORD, "") for of in (kept, None)]
    costs = [argon2.extract_parameters(one) for one in passwords.checked]

    assert told == [True, False, False, False]
    assert len(costs) == 4
    assert all(cost == costs[0] for cost in costs)
    passwords.close()


async def test_a_password_that_is_replaced_while_it_is_checked_opens_nothing(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    body = {"current_password": PASSWORD, "password": "un autre chat sur le toit"}

    async def replace() -> None:
        answer = await visitor.post("/api/v1/auth/password/change", json=body, headers=lea.headers)
        assert answer.status_code == 200

    passwords = Watched(replace)
    entrance = Entrance(office.house.db, passwords, AccountRules(logins_per_minute=100_000))
    device = Device("192.0.2.77", "tests")

    with pytest.raises(Unauthenticated, match="login_failed"):
        await entrance.log_in(email=lea.email, password=PASSWORD, tenant=None, device=device)
    passwords.close()


async def test_the_sixth_log_in_of_a_minute_from_an_address_is_refused(strict: Office) -> None:
    async with strict.client(**address()) as anybody:
        emails = [f"{uuid4().hex}@example.com" for _ in range(8)]
        bodies = [{"email": email, "password": "not the password"} for email in emails]
        answers = await asyncio.gather(*(anybody.post(LOGIN, json=body) for body in bodies))
        english = await anybody.post(LOGIN, json=bodies[0], headers={"Accept-Language": "en"})
    async with strict.client(**address()) as other:
        elsewhere = await other.post(LOGIN, json=bodies[0])

    refused = [answer for answer in answers if answer.status_code == 429]
    assert sorted(a.status_code for a in answers) == [401] * 5 + [429] * 3
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert refused[0].json()["code"] == "too_many_attempts"
    assert "Trop de tentatives" in refused[0].json()["detail"]
    assert english.json()["detail"].startswith("Too many attempts. Try again in ")
    assert elsewhere.status_code == 401


async def test_the_eleventh_password_in_a_quarter_for_an_account_is_refused(
    strict: Office,
) -> None:
    async with strict.client() as anybody:
        lea = await signed_up(anybody)
        statuses = []
        for number in range(12):
            email = lea.email.upper() if number % 2 else f" {lea.email}"
            body = {"email": email, "password": "not the password"}
            statuses.append((await anybody.post(LOGIN, json=body, headers=address())).status_code)
        right = await log_in(anybody, lea, **address())

    assert statuses == [401] * 10 + [429] * 2
    assert right.status_code == 429
    assert 1 <= int(right.headers["retry-after"]) <= 900


async def test_who_fails_to_log_in_as_somebody_does_not_keep_her_password_from_changing(
    strict: Office,
) -> None:
    async with strict.client() as anybody:
        lea = await signed_up(anybody)
        for _ in range(11):
            refused = await log_in(anybody, lea, "not the password", **address())
        wrong = {"current_password": "not hers", "password": "un autre chat sur le toit"}
        change = "/api/v1/auth/password/change"
        statuses = [
            (await anybody.post(change, json=wrong, headers=lea.headers)).status_code
            for _ in range(11)
        ]

    assert refused.status_code == 429
    assert statuses == [403] * 10 + [429]


async def test_the_limits_hold_over_all_processes(
    strict: Office, addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {**STRICT, "COCCINELLE_TRUSTED_PROXIES": "127.0.0.1"}
    data, sender = tmp_path_factory.mktemp("second"), address()
    async with (
        living(addresses, data, environment=environment) as (_, url),
        strict.client(**sender) as first,
        client(url, None, **sender) as second,
    ):
        bodies = [
            {"email": f"{uuid4().hex}@example.com", "password": "wrong one"} for _ in range(10)
        ]
        answers = await asyncio.gather(
            *((first, second)[n % 2].post(LOGIN, json=body) for n, body in enumerate(bodies))
        )

    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 5


async def test_no_header_of_the_senders_own_escapes_the_limit(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without a trusted proxy, nothing that a sender claims; behind one, only what it added."""
    claims = [
        {"X-Forwarded-For": "10.0.0.%d"},
        {"X-Real-IP": "10.0.0.%d"},
        {"Forwarded": "for=10.0.0.%d"},
        {"CF-Connecting-IP": "10.0.0.%d"},
    ]
    data = tmp_path_factory.mktemp("direct")
    async with living(addresses, data, environment=STRICT) as (_, url), client(url) as anybody:
        statuses = []
        for n in range(20):
            name, value = next(iter(claims[n % 4].items()))
            body = {"email": f"{uuid4().hex}@example.com", "password": "wrong one"}
            answer = await anybody.post(LOGIN, json=body, headers={name: value % n})
            statuses.append(answer.status_code)

    assert statuses[5:] == [429] * 15


async def test_behind_a_proxy_the_nearest_untrusted_address_counts(strict: Office) -> None:
    nearest = address()["X-Forwarded-For"]
    async with strict.client() as anybody:
        statuses = []
        for n in range(8):
            body = {"email": f"{uuid4().hex}@example.com", "password": "wrong one"}
            claimed = {"X-Forwarded-For": f"192.0.2.{n}, {nearest}"}
            statuses.append((await anybody.post(LOGIN, json=body, headers=claimed)).status_code)

    assert statuses == [401] * 5 + [429] * 3


async def test_signing_up_and_asking_for_links_are_counted_too(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {"COCCINELLE_SIGNUPS_PER_HOUR": "2", "COCCINELLE_RESETS_PER_HOUR": "3"}
    environment["COCCINELLE_TRUSTED_PROXIES"] = "127.0.0.1"
    data, sender = tmp_path_factory.mktemp("few"), address()
    async with (
        living(addresses, data, environment=environment) as (_, url),
        client(url, None, **sender) as anybody,
    ):
        signups = []
        for _ in range(3):
            email = f"{uuid4().hex}@example.com"
            body = {"email": email, "password": PASSWORD, "name": "Léa"}
            signups.append((await anybody.post("/api/v1/auth/signup", json=body)).status_code)
            anybody.cookies.clear()
        forgot = "/api/v1/auth/password/forgot"
        one = {"email": f"{uuid4().hex}@example.com"}
        asked = [await anybody.post(forgot, json=one, headers=address()) for _ in range(4)]

    assert signups == [201, 201, 429]
    assert [answer.status_code for answer in asked] == [202, 202, 202, 429]


async def test_health_answers_while_a_hundred_log_ins_are_hashing(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {"COCCINELLE_PASSWORD_QUEUE": "20"}
    data = tmp_path_factory.mktemp("crowd")
    limits = httpx2.Limits(max_connections=120)
    async with (
        living(addresses, data, environment=environment) as (_, url),
        httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as crowd,
    ):
        bodies = [
            {"email": f"{uuid4().hex}@example.com", "password": "wrong one"} for _ in range(100)
        ]
        waiting = [asyncio.create_task(crowd.post(LOGIN, json=body)) for body in bodies]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        async with client(url) as other:
            well = await other.get("/health")
        are_waiting = [one for one in waiting if not one.done()]
        answers = await asyncio.gather(*waiting)

    busy = [answer for answer in answers if answer.status_code == 503]
    assert well.status_code == 200
    assert are_waiting
    assert {answer.status_code for answer in answers} == {401, 503}
    codes = {answer.json()["code"] for answer in busy}
    # On a machine that does much else, some wait too long for the database.
    assert {"logins_busy"} <= codes <= {"logins_busy", "database_unavailable"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in busy)


async def test_a_hash_of_other_parameters_is_made_anew_at_the_next_log_in(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    superuser(server, "UPDATE users SET password_hash = %s WHERE email = %s", old, lea.email)

    first, second = await log_in(visitor, lea), await log_in(visitor, lea)
    kept = superuser(server, "SELECT password_hash FROM users WHERE email = %s", lea.email)[0][0]

    assert (first.status_code, second.status_code) == (200, 200)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_who_works_for_two_businesses_chooses_by_its_short_name(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea, ida = await signed_up(visitor), await signed_up(visitor, company_name="Salon Ida")
    invite = {"email": lea.email, "role": "member"}
    invited = await visitor.post("/api/v1/auth/invitations", json=invite, headers=ida.headers)
    token = invited.json()["link"].partition("token=")[2]
    accepted = await visitor.post(
        "/api/v1/auth/invitations/accept", json={"token": token}, headers=lea.headers
    )
    visitor.cookies.clear()
    told = []
    for slug in (None, lea.slug, ida.slug, "nobodys"):
        body = {"email": lea.email, "password": PASSWORD, "tenant": slug}
        answer = await visitor.post(LOGIN, json=body)
        visitor.cookies.clear()
        told.append(answer.json().get("tenant", {}).get("slug") or answer.json()["code"])
    me = (await visitor.get("/api/v1/auth/me", headers=lea.headers)).json()

    assert accepted.status_code == 201
    assert told == [lea.slug, lea.slug, ida.slug, "not_a_member"]
    roles = {one["slug"]: one["role"] for one in me["tenants"]}
    assert roles == {lea.slug: "owner", ida.slug: "member"}


@pytest.mark.parametrize(
    ("host", "proto", "name", "attributes"),
    [
        ("chat.example.com", "https", "__Host-coccinelle", {"httponly", "secure"}),
        ("chat.example.com", "http", "__Host-coccinelle", {"httponly", "secure"}),
        ("localhost:8000", "http", "coccinelle_session", {"httponly"}),
        ("localhost:8000", "https", "__Host-coccinelle", {"httponly", "secure"}),
        ("localhost.example.com", "http", "__Host-coccinelle", {"httponly", "secure"}),
    ],
)
async def test_the_cookie_is_for_this_host_and_no_script(
    strict: Office, host: str, proto: str, name: str, attributes: set[str]
) -> None:
    headers = {"Host": host, "X-Forwarded-Proto": proto, **address()}
    async with strict.client() as anybody:
        lea = await signed_up(anybody)
        answer = await log_in(anybody, lea, **headers)
    kept = SimpleCookie(answer.headers["set-cookie"])
    found = kept[name]

    assert list(kept) == [name]
    assert {flag for flag in ("httponly", "secure") if found[flag]} == attributes
    assert (found["path"], found["samesite"].lower(), found["domain"]) == ("/", "lax", "")
    assert int(found["max-age"]) == timedelta(days=90).total_seconds()
    assert found.value == answer.json()["session"]["token"]


async def test_a_session_that_somebody_brings_is_never_the_one_that_is_opened(
    office: Office,
) -> None:
    """Fixation: a cookie that was planted before a log-in is worth nothing after it."""
    planted = "cs_" + "A" * 43
    async with office.client() as anybody:
        lea = await signed_up(anybody)
        headers = {"Cookie": f"coccinelle_session={planted}", "Origin": office.url}
        answer = await log_in(anybody, lea, **headers)
        me = await anybody.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {planted}"})

    assert answer.status_code == 200
    assert answer.json()["session"]["token"] != planted
    assert me.status_code == 401


async def test_a_session_ends_with_its_log_out_at_once(office: Office) -> None:
    async with office.client() as anybody:
        lea = await signed_up(anybody)
        cookie = {"Cookie": f"coccinelle_session={lea.token}"}
        before = await anybody.get("/api/v1/auth/me", headers=cookie)
        out = await anybody.post("/api/v1/auth/logout", headers={**cookie, "Origin": office.url})
        after = [
            await anybody.get("/api/v1/auth/me", headers=headers)
            for headers in (cookie, lea.headers)
        ]

    assert (before.status_code, out.status_code) == (200, 204)
    assert 'coccinelle_session=""' in out.headers["set-cookie"]
    assert [answer.status_code for answer in after] == [401, 401]


async def test_sessions_are_seen_and_ended_one_by_one_or_all_but_this(
    visitor: httpx2.AsyncClient,
) -> None:
    lea = await signed_up(visitor)
    phone = await log_in(visitor, lea, **{"User-Agent": "Phone 1.0"})
    laptop = await log_in(visitor, lea)
    tokens = [phone.json()["session"]["token"], laptop.json()["session"]["token"], lea.token]

    async def statuses() -> list[int]:
        return [
            (
                await visitor.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
            ).status_code
            for token in tokens
        ]

    listed = (await visitor.get("/api/v1/auth/sessions", headers=lea.headers)).json()["items"]
    ended = await visitor.delete(
        f"/api/v1/auth/sessions/{phone.json()['session']['id']}", headers=lea.headers
    )
    one_fewer = await statuses()
    others = await visitor.delete("/api/v1/auth/sessions", headers=lea.headers)

    assert len(listed) == 3
    assert [one["current"] for one in listed].count(True) == 1
    assert {one["address"] for one in listed} == {"127.0.0.1"}
    assert "Phone 1.0" in [one["user_agent"] for one in listed]
    assert "cs_" not in str(listed)
    assert (ended.status_code, one_fewer) == (204, [401, 200, 200])
    assert (others.status_code, await statuses()) == (204, [401, 401, 200])


async def test_nobody_ends_anothers_session(visitor: httpx2.AsyncClient) -> None:
    lea, ida = await signed_up(visitor), await signed_up(visitor)
    listed = (await visitor.get("/api/v1/auth/sessions", headers=lea.headers)).json()["items"]

    answer = await visitor.delete(f"/api/v1/auth/sessions/{listed[0]['id']}", headers=ida.headers)

    assert answer.status_code == 404
    assert (await visitor.get("/api/v1/auth/me", headers=lea.headers)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "last_seen_at = now() - interval '15 days'",
        "expires_at = now()",
    ],
)
async def test_a_session_ends_when_it_is_unused_or_old(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres, change: str
) -> None:
    lea = await signed_up(visitor)
    superuser(server, f"UPDATE sessions SET {change} WHERE user_id = %s", lea.user_id)

    answer = await visitor.get("/api/v1/auth/me", headers=lea.headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == "session_required"


async def test_use_keeps_a_session_alive_and_is_noted_once_a_minute(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    seen = "SELECT last_seen_at FROM sessions WHERE user_id = %s"
    aged = "UPDATE sessions SET last_seen_at = now() - %s::interval WHERE user_id = %s"
    fresh = superuser(server, seen, lea.user_id)
    await visitor.get("/api/v1/auth/me", headers=lea.headers)
    unchanged = superuser(server, seen, lea.user_id)
    superuser(server, aged, "13 days", lea.user_id)
    old = superuser(server, seen, lea.user_id)[0][0]

    answer = await visitor.get("/api/v1/auth/me", headers=lea.headers)

    assert unchanged == fresh
    assert answer.status_code == 200
    assert superuser(server, seen, lea.user_id)[0][0] - old > timedelta(days=12)


async def test_a_disabled_or_removed_member_is_out_at_her_next_request(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    paul = await joined(office.house, lea.tenant_id, role="admin")
    member = f"/api/v1/members/{paul.user_id}"

    async def paul_is_told() -> int:
        return (await visitor.get("/api/v1/audit", headers=paul.headers)).status_code

    told = [await paul_is_told()]
    await visitor.patch(member, json={"disabled": True}, headers=lea.headers)
    told.append(await paul_is_told())
    refused = await log_in(visitor, paul)
    await visitor.patch(member, json={"disabled": False}, headers=lea.headers)
    told.append(await paul_is_told())
    paul = replace(paul, token=(await log_in(visitor, paul)).json()["session"]["token"])
    told.append(await paul_is_told())
    removed = await visitor.delete(member, headers=lea.headers)
    told.append(await paul_is_told())

    # What was open when she was kept out is not open again: it may be why she was.
    assert told == [200, 401, 401, 200, 401]
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_member")
    assert removed.status_code == 204


async def test_a_changed_password_ends_every_session_and_opens_a_new_one(
    visitor: httpx2.AsyncClient,
) -> None:
    lea = await signed_up(visitor)
    other = (await log_in(visitor, lea)).json()["session"]["token"]
    body = {"current_password": PASSWORD, "password": "un autre chat sur le toit"}

    wrong = await visitor.post(
        "/api/v1/auth/password/change",
        json={**body, "current_password": "not hers"},
        headers=lea.headers,
    )
    changed = await visitor.post("/api/v1/auth/password/change", json=body, headers=lea.headers)
    visitor.cookies.clear()
    fresh = changed.json()["session"]["token"]
    told = [
        (
            await visitor.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        ).status_code
        for token in (lea.token, other, fresh)
    ]

    assert (wrong.status_code, wrong.json()["code"]) == (403, "password_wrong")
    assert told == [401, 401, 200]
    assert (await log_in(visitor, lea)).status_code == 401
    assert (await log_in(visitor, lea, body["password"])).status_code == 200


async def test_a_log_in_that_races_a_new_password_does_not_outlive_it(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    passwords = [PASSWORD, "un premier chat sur le toit", "un deuxième chat sur le toit"]
    for current, following in itertools.pairwise(passwords):
        body = {"current_password": current, "password": following}
        token = (await log_in(visitor, lea, current)).json()["session"]["token"]
        async with office.client() as racing:
            changing = racing.post(
                "/api/v1/auth/password/change",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            )
            entering = [
                racing.post(LOGIN, json={"email": lea.email, "password": current}) for _ in range(6)
            ]
            changed, *entered = await asyncio.gather(changing, *entering)
        assert changed.status_code == 200, changed.text
        opened = [one.json()["session"]["token"] for one in entered if one.status_code == 200]
        told = [
            (
                await visitor.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {one}"})
            ).status_code
            for one in opened
        ]
        assert set(told) <= {401}


async def test_what_can_be_done_without_a_good_session_is_nothing(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    bad = ["cs_", "cs_x", "cs_" + "A" * 43, lea.token[:-1], lea.token + "x"]
    told = set()
    for token in bad:
        for path in ("/api/v1/auth/me", "/api/v1/members", "/api/v1/sources"):
            answer = await visitor.get(path, headers={"Authorization": f"Bearer {token}"})
            told.add((answer.status_code, answer.json()["code"]))

    assert told == {(401, "session_required")}


async def test_a_session_does_what_its_role_may(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    paul = await joined(office.house, lea.tenant_id, role="member")

    as_owner = await visitor.get("/api/v1/sources", headers=lea.headers)
    as_member = await visitor.get("/api/v1/sources", headers=paul.headers)
    managing = await visitor.get("/api/v1/api-keys", headers=paul.headers)

    assert (as_owner.status_code, as_member.status_code) == (200, 200)
    assert (managing.status_code, managing.json()["code"]) == (403, "role_missing")
