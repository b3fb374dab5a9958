"""Signing up: a business, its owner and her session, all of it or nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from uuid import uuid4

import httpx2
import psycopg
import pytest

from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.postgres import Addresses
from coccinelle.tenants.accounts.entrance import Entrance, Opened
from coccinelle.tenants.accounts.model import AccountRules, Device, slug_of
from coccinelle.tenants.accounts.passwords import Passwords
from coccinelle.tenants.accounts.store import EmailTaken
from tests.accounts import PASSWORD, signed_up
from tests.journeys.watched import Recorder, WatchedDatabase
from tests.tenants.accounts.conftest import Office

RULES = AccountRules(signups_per_hour=100_000)
DEVICE = Device("127.0.0.1", "tests")

# All that a sign-up writes, for one address.
ORPHANS = {
    "users": "SELECT count(*) FROM users WHERE email = %(email)s",
    "tenants": "SELECT count(*) FROM tenants WHERE handoff_email = %(email)s",
    "memberships": "SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id"
    " WHERE u.email = %(email)s",
    "sessions": "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id"
    " WHERE u.email = %(email)s",
    "audit": "SELECT count(*) FROM audit_events e JOIN users u ON u.id = e.actor_id"
    " WHERE u.email = %(email)s",
}
NOTHING = dict.fromkeys(ORPHANS, 0)
ALL_OF_IT = dict.fromkeys(ORPHANS, 1)


def rows(server: EmbeddedPostgres, email: str) -> dict[str, int]:
    """How many rows a sign-up with this address has left, by table."""
    with psycopg.connect(server.dsn(database="coccinelle")) as connection:
        found = {}
        for table, query in ORPHANS.items():
            row = connection.execute(query.encode(), {"email": email}).fetchone()
            found[table] = row[0] if row else -1
        return found


def fresh_email() -> str:
    return f"lea-{uuid4().hex[:12]}@example.com"


async def sign_up(database: WatchedDatabase, passwords: Passwords, email: str) -> Opened:
    return await Entrance(database, passwords, RULES).sign_up(
        email=email,
        password=PASSWORD,
        name="Léa Martin",
        company_name="Garage du Port",
        locale="fr",
        device=DEVICE,
    )


async def test_who_signs_up_owns_a_business_and_is_logged_in(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor, company_name="L'Atelier d'Œnologie")

    told = (await visitor.get("/api/v1/auth/me", headers=lea.headers)).json()

    assert told["role"] == "owner"
    assert told["user"]["email"] == lea.email
    assert told["tenant"]["company_name"] == "L'Atelier d'Œnologie"
    assert told["tenant"]["slug"].startswith("l-atelier-d-oenologie")
    assert [one["id"] for one in told["tenants"]] == [str(lea.tenant_id)]


async def test_a_business_without_a_name_is_called_as_its_owner(
    visitor: httpx2.AsyncClient,
) -> None:
    body = {"email": fresh_email(), "password": PASSWORD, "name": "Léa Martin"}

    told = (await visitor.post("/api/auth/signup", json=body)).json()

    assert told["tenant"]["company_name"] == "Léa Martin"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Garage du Port", "garage-du-port"),
        ("  L'Été  à   la Plage !", "l-ete-a-la-plage"),
        ("Œuvres & Cie", "oeuvres-cie"),
        ("株式会社", "entreprise"),
        ("---", "entreprise"),
        ("A" * 200, "a" * 40),
        ("Le 14 juillet", "le-14-juillet"),
    ],
)
def test_a_short_name_is_made_of_plain_letters(name: str, slug: str) -> None:
    assert slug_of(name) == slug


async def test_businesses_of_one_name_have_short_names_of_their_own(
    office: Office,
) -> None:
    async with office.client() as anybody:
        found = await asyncio.gather(
            *(signed_up(anybody, company_name="Boulangerie Martin") for _ in range(8))
        )

    assert len({one.slug for one in found}) == 8
    assert all(one.slug.startswith("boulangerie-martin") for one in found)


async def test_of_two_who_sign_up_with_one_address_at_once_one_is_told_so(
    office: Office, server: EmbeddedPostgres
) -> None:
    email = fresh_email()
    spelled = [email, f"  {email.upper()} ", email.title(), email]
    bodies = [{"email": one, "password": PASSWORD, "name": "Léa"} for one in spelled]

    async with office.client() as anybody:
        answers = await asyncio.gather(
            *(anybody.post("/api/v1/auth/signup", json=body) for body in bodies)
        )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"email_taken"}
    assert rows(server, email) == ALL_OF_IT


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "lea", "bad_email"),
        ("email", "lea@@example.com", "bad_email"),
        ("email", "lea@example.com\nBcc: all@example.com", "bad_email"),
        ("email", "=?utf-8?q?a=2Cb=40example.com?=@example.com", "bad_email"),
        ("email", "a" * 250 + "@example.com", "too_long"),
        ("password", "kiwi7", "too_short"),
        ("password", "x" * 129, "too_long"),
        ("password", "password1", "password_common"),
        ("password", "Azertyuiop", "password_common"),
        ("password", "motdepasse", "password_common"),
        ("password", "Soleil2026!", "password_common"),
        ("password", "aaaaaaaaaaaa", "password_common"),
        ("password", "Garage du Port", "password_common"),
        ("password", "lea.martin", "password_common"),
        ("name", "", "empty"),
        ("name", "Léa\nMartin", "bad_person_name"),
        ("company_name", " ", "empty"),
        ("role", "owner", "unknown_field"),
        ("tenant_id", "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11", "unknown_field"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_what_cannot_be_accepted_is_said_by_field(
    visitor: httpx2.AsyncClient, field: str, value: str, code: str, language: str
) -> None:
    body = {
        "email": "lea.martin@example.com",
        "password": PASSWORD,
        "name": "Léa Martin",
        "company_name": "Garage du Port",
    }

    answer = await visitor.post(
        "/api/v1/auth/signup", json={**body, field: value}, headers={"Accept-Language": language}
    )

    assert answer.status_code == 422
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]
    assert value not in answer.text or value in ("", " ", "owner")


@pytest.mark.parametrize(
    "password", ["x y z", "ŝ" * 8, "🐞" * 12, "correct horse battery", "a b" * 42]
)
async def test_passwords_are_of_any_characters(visitor: httpx2.AsyncClient, password: str) -> None:
    password = password if len(password) >= 8 else password * 3
    email = fresh_email()
    body = {"email": email, "password": password + "1z", "name": "Léa"}

    made = await visitor.post("/api/v1/auth/signup", json=body)
    visitor.cookies.clear()
    entered = await visitor.post(
        "/api/v1/auth/login", json={"email": email, "password": password + "1z"}
    )

    assert (made.status_code, entered.status_code) == (201, 200)


async def test_a_password_is_the_same_however_a_keyboard_composes_it(
    visitor: httpx2.AsyncClient,
) -> None:
    email = fresh_email()
    composed, decomposed = "\u00e9l\u00e9phant rose", "e\u0301le\u0301phant rose"
    body = {"email": email, "password": composed, "name": "Léa"}
    assert (await visitor.post("/api/v1/auth/signup", json=body)).status_code == 201
    visitor.cookies.clear()

    answer = await visitor.post("/api/v1/auth/login", json={"email": email, "password": decomposed})

    assert answer.status_code == 200


class Breaker:
    """Fails the nth statement, as a server that goes away does."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, moment: str) -> None:
        if moment.startswith("before ") and "attempts" not in moment:
            self.left -= 1
            if self.left == 0:
                raise psycopg.OperationalError("gone")


async def test_a_sign_up_that_fails_at_any_statement_leaves_nothing_and_works_again(
    addresses: Addresses, server: EmbeddedPostgres, office: Office
) -> None:
    seen = Recorder()
    await _with(addresses, seen, office.house.passwords, fresh_email())
    count = len([text for text in seen.statements if "attempts" not in text])
    assert count >= 8
    failed = 0

    for at in range(1, count + 1):
        email = fresh_email()
        try:
            await _with(addresses, Breaker(at), office.house.passwords, email)
        except Unavailable:
            failed += 1
            assert rows(server, email) == NOTHING, at
            await _with(addresses, Recorder(), office.house.passwords, email)
        assert rows(server, email) == ALL_OF_IT, at

    assert failed >= count - 2


async def _with(
    addresses: Addresses, seen: Callable[[str], None], passwords: Passwords, email: str
) -> None:
    database = WatchedDatabase(addresses.login, seen)
    await database.open()
    try:
        await sign_up(database, passwords, email)
    finally:
        await database.close()


async def test_a_server_killed_at_any_statement_leaves_nothing_or_all_of_it(
    addresses: Addresses, server: EmbeddedPostgres, office: Office
) -> None:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.tenants.accounts.dying",
        addresses.login,
        env={**os.environ, "PYTHONPATH": "."},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await running.communicate()
    lines = [json.loads(line) for line in told.decode().splitlines()]
    emails = [line["email"] for line in lines if "email" in line]
    lived = [line["lived"] for line in lines if "lived" in line]
    found = [rows(server, email) for email in emails]

    assert lived == [len(emails)]
    assert len(emails) > 16
    assert all(one in (NOTHING, ALL_OF_IT) for one in found)
    assert NOTHING in found
    assert found[-1] == ALL_OF_IT
    for email, left in zip(emails, found, strict=True):
        if left == NOTHING:
            await _with(addresses, Recorder(), office.house.passwords, email)
        else:
            with pytest.raises(EmailTaken):
                await _with(addresses, Recorder(), office.house.passwords, email)
        assert rows(server, email) == ALL_OF_IT
