"""Links by mail: forgotten passwords and invitations; each once, in time, to nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest
import structlog.testing

from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.i18n import LOCALES, Locale
from coccinelle.foundation.ids import UserId
from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.providers.mail import Smtp, SmtpMailer
from coccinelle.tenants.accounts.jobs import send_invitation, send_reset
from coccinelle.tenants.accounts.mails import Links
from tests.accounts import PASSWORD, Account, joined, signed_up
from tests.living import living
from tests.tenants.accounts.conftest import Office
from tests.tenants.accounts.mailbox import mailbox

FORGOT, RESET = "/api/v1/auth/password/forgot", "/api/v1/auth/password/reset"
INVITE, ACCEPT = "/api/v1/auth/invitations", "/api/v1/auth/invitations/accept"
NEW_PASSWORD = "un autre chat sur le toit"


@pytest.fixture(scope="module")
async def posted(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A server that has a mail server and a public address."""
    environment = {
        "COCCINELLE_SMTP_URL": "smtp://127.0.0.1:1",
        "COCCINELLE_PUBLIC_URL": "https://chat.example.com",
    }
    data = tmp_path_factory.mktemp("posted")
    async with living(addresses, data, environment=environment) as (house, url):
        yield Office(house, url)


def superuser(server: EmbeddedPostgres, query: str, *values: Any) -> list[Any]:
    with psycopg.connect(server.dsn(database="coccinelle"), autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values)
        return cursor.fetchall() if cursor.description else []


def jobs_named(server: EmbeddedPostgres, name: str) -> list[dict[str, Any]]:
    query = "SELECT args FROM procrastinate.procrastinate_jobs WHERE task_name = %s ORDER BY id"
    return [row[0] for row in superuser(server, query, name)]


async def reset_token(office: Office, account: Account) -> str:
    """What the log of an installation without a mail server says of a forgotten password."""
    with structlog.testing.capture_logs() as lines:
        await send_reset(
            office.house.db,
            office.house.mailer,
            account.user_id,
            uuid4(),
            base_url="http://localhost:8000",
            minutes=60,
            locale="fr",
        )
    links = [line["link"] for line in lines if line["event"] == "password_reset_link"]
    assert len(links) == 1
    return token_of(links[0])


def token_of(link: str) -> str:
    return link.partition("token=")[2]


async def statuses(anybody: httpx2.AsyncClient, *tokens: str) -> list[int]:
    found = []
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        found.append((await anybody.get("/api/v1/auth/me", headers=headers)).status_code)
    return found


async def invited(
    anybody: httpx2.AsyncClient, by: Account, *, email: str, role: str = "member"
) -> str:
    """The token of an invitation."""
    body = {"email": email, "role": role}
    answer = await anybody.post(INVITE, json=body, headers=by.headers)
    assert answer.status_code == 201, answer.text
    return token_of(answer.json()["link"])


async def login_status(anybody: httpx2.AsyncClient, account: Account, password: str) -> int:
    body = {"email": account.email, "password": password}
    answer = await anybody.post("/api/v1/auth/login", json=body)
    anybody.cookies.clear()
    return answer.status_code


def fresh_email() -> str:
    return f"paul-{uuid4().hex[:12]}@example.com"


async def test_whoever_forgot_is_answered_alike_and_the_same_is_done(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    before = len(jobs_named(server, "mail_password_reset"))

    answers = [
        await visitor.post(FORGOT, json={"email": email})
        for email in (lea.email, lea.email.upper(), fresh_email(), "no address")
    ]
    deferred = jobs_named(server, "mail_password_reset")[before:]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert {answer.text for answer in answers} == {"null"}
    assert [set(args) for args in deferred] == [
        {"user_id", "reset_id", "locale", "base_url"} for _ in range(4)
    ]
    assert [args["user_id"] == str(lea.user_id) for args in deferred] == [True, True, False, False]
    assert lea.email not in str(deferred)


async def test_a_worker_tells_the_log_where_there_is_no_mail_server(
    office: Office, visitor: httpx2.AsyncClient, addresses: Addresses
) -> None:
    lea = await signed_up(visitor)
    await visitor.post(FORGOT, json={"email": lea.email})
    await visitor.post(FORGOT, json={"email": fresh_email()})

    async with queue(addresses.login) as running:
        with structlog.testing.capture_logs() as lines:
            await work(running, office.house, concurrency=1, until_idle=True)
    links = [line["link"] for line in lines if line["event"] == "password_reset_link"]
    tokens = {token_of(link) for link in links if link.startswith(office.url + "/reset?token=")}
    bodies = [{"token": token, "password": NEW_PASSWORD} for token in tokens]
    told = [(await visitor.post(RESET, json=body)).status_code for body in bodies]
    answer = await visitor.post(
        "/api/v1/auth/login", json={"email": lea.email, "password": NEW_PASSWORD}
    )

    assert 204 in told
    assert answer.status_code == 200
    assert lea.email not in str([line for line in lines if "pii" not in line])


async def test_a_new_password_ends_every_session_and_its_link_works_once(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    token = await reset_token(office, lea)
    body = {"token": token, "password": NEW_PASSWORD}

    weak = await visitor.post(RESET, json={**body, "password": "motdepasse1"})
    first, second = await visitor.post(RESET, json=body), await visitor.post(RESET, json=body)
    old = await visitor.post("/api/v1/auth/login", json={"email": lea.email, "password": PASSWORD})
    new = await visitor.post(
        "/api/v1/auth/login", json={"email": lea.email, "password": NEW_PASSWORD}
    )

    assert weak.json()["errors"][0]["code"] == "password_common"
    assert (first.status_code, second.status_code) == (204, 404)
    assert second.json()["code"] == "reset_not_found"
    assert await statuses(visitor, lea.token) == [401]
    assert (old.status_code, new.status_code) == (401, 200)


async def test_of_many_who_use_one_link_at_once_one_succeeds(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea = await signed_up(visitor)
    token = await reset_token(office, lea)
    bodies = [{"token": token, "password": f"{NEW_PASSWORD} {n} fois"} for n in range(5)]

    answers = await asyncio.gather(*(visitor.post(RESET, json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]


async def test_a_link_ends_after_its_hour_and_with_a_changed_password(
    office: Office, visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea, ida = await signed_up(visitor), await signed_up(visitor)
    late, replaced = await reset_token(office, lea), await reset_token(office, ida)
    minutes = "SELECT extract(epoch FROM expires_at - created_at) / 60 FROM password_resets"
    lasts = superuser(server, f"{minutes} WHERE user_id = %s", lea.user_id)
    superuser(
        server, "UPDATE password_resets SET expires_at = now() WHERE user_id = %s", lea.user_id
    )
    body = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    await visitor.post("/api/v1/auth/password/change", json=body, headers=ida.headers)
    visitor.cookies.clear()

    answers = [
        await visitor.post(RESET, json={"token": token, "password": NEW_PASSWORD})
        for token in (late, replaced, "x" * 43)
    ]

    assert [round(row[0]) for row in lasts] == [60]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_only_the_digest_of_a_link_is_kept(
    office: Office, visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    token = await reset_token(office, lea)

    rows = superuser(
        server, "SELECT token_hash FROM password_resets WHERE user_id = %s", lea.user_id
    )

    assert [bytes(row[0]) for row in rows] == [hashlib.sha256(token.encode()).digest()]


@pytest.mark.parametrize("locale", LOCALES)
async def test_links_are_mailed_in_the_readers_language_and_once(
    office: Office, visitor: httpx2.AsyncClient, locale: Locale
) -> None:
    lea = await signed_up(visitor, name="Léa Martin", company_name="Café de l'Été")
    paul = fresh_email()
    await invited(visitor, lea, email=paul)
    listed = (await visitor.get(INVITE, headers=lea.headers)).json()["items"]
    reset_id, invitation_id = uuid4(), UUID(listed[0]["id"])
    db, base_url = office.house.db, "https://chat.example.com"
    async with mailbox() as (box, port):
        smtp = Smtp("127.0.0.1", "coccinelle@example.com", port=port, security="none")
        mailer = SmtpMailer(smtp)
        for _ in range(2):
            await send_reset(
                db,
                mailer,
                lea.user_id,
                reset_id,
                base_url=base_url,
                minutes=60,
                locale=locale,
            )
            await send_invitation(
                db,
                mailer,
                lea.tenant_id,
                invitation_id,
                base_url=base_url,
                days=7,
                locale=locale,
            )
        await send_reset(
            db,
            mailer,
            UserId(uuid4()),
            uuid4(),
            base_url=base_url,
            minutes=60,
            locale=locale,
        )
        mailer.close()
    reset, invitation = box.mails
    texts = [mail.get_content() for mail in box.mails]
    tokens = [re.findall(r"https://chat\.example\.com/\w+\?token=([\w-]{43})\s", t) for t in texts]
    changed = await visitor.post(RESET, json={"token": tokens[0][0], "password": NEW_PASSWORD})
    body = {"token": tokens[1][0], "name": "Paul", "password": PASSWORD}
    accepted = await visitor.post(ACCEPT, json=body)

    assert (reset["To"], invitation["To"]) == (lea.email, paul)
    assert ("Bonjour Léa Martin" in texts[0]) == (locale == "fr")
    assert ("Hello Léa Martin" in texts[0]) == (locale == "en")
    assert "Léa Martin" in texts[1]
    assert "Café de l'Été" in texts[1]
    assert {mail.get_content_type() for mail in box.mails} == {"text/plain"}
    assert (changed.status_code, accepted.status_code) == (204, 201)


async def test_with_a_mail_server_no_link_is_told_to_the_admin_nor_kept_in_a_job(
    posted: Office, server: EmbeddedPostgres
) -> None:
    async with posted.client() as anybody:
        lea = await signed_up(anybody)
        before = len(jobs_named(server, "mail_invitation"))
        answer = await anybody.post(INVITE, json={"email": fresh_email()}, headers=lea.headers)
        deferred = jobs_named(server, "mail_invitation")[before:]

    assert answer.status_code == 201
    assert answer.json()["link"] is None
    assert [set(args) for args in deferred] == [
        {"tenant_id", "invitation_id", "locale", "base_url"}
    ]
    assert deferred[0]["base_url"] == "https://chat.example.com"


@pytest.mark.parametrize(
    ("public_url", "own_origin", "base"),
    [
        ("https://chat.example.com/", "http://evil.example", "https://chat.example.com"),
        (None, "http://localhost:8000", "http://localhost:8000"),
        (None, "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        (None, "https://evil.example", ""),
        (None, "http://localhost.evil.example", ""),
    ],
)
def test_a_link_leads_where_the_operator_said_or_to_this_machine(
    public_url: str | None, own_origin: str, base: str
) -> None:
    assert Links(public_url).base(own_origin) == base


@pytest.mark.parametrize("own_origin", ["http://localhost:8000", "http://127.0.0.1", "http://a.b"])
def test_a_mail_carries_no_address_that_nobody_but_its_cause_said(own_origin: str) -> None:
    """Whoever asks for somebody else's link writes the Host header as he likes."""
    assert Links(None, has_mail=True).base(own_origin) == ""
    assert Links("https://chat.example.com", has_mail=True).base(own_origin) != ""


async def test_without_an_address_of_its_own_an_installation_mails_no_link(
    addresses: Addresses, server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {"COCCINELLE_SMTP_URL": "smtp://127.0.0.1:1"}
    data = tmp_path_factory.mktemp("unnamed")
    async with (
        living(addresses, data, environment=environment) as (house, url),
        Office(house, url).client() as anybody,
    ):
        lea = await signed_up(anybody)
        before = len(jobs_named(server, "mail_password_reset"))
        invitations = len(jobs_named(server, "mail_invitation"))
        forged = {"Host": "localhost:8000"}
        await anybody.post(FORGOT, json={"email": lea.email}, headers=forged)
        email = {"email": fresh_email()}
        invited = await anybody.post(INVITE, json=email, headers={**lea.headers, **forged})

    assert [job["base_url"] for job in jobs_named(server, "mail_password_reset")[before:]] == [""]
    assert len(jobs_named(server, "mail_invitation")) == invitations
    assert invited.json()["link"].startswith("http://localhost:8000/invitation?token=")


async def test_a_new_password_by_mail_forgets_the_wrong_ones_that_were_tried(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {"COCCINELLE_LOGINS_PER_EMAIL": "2"}
    data = tmp_path_factory.mktemp("locked")
    async with living(addresses, data, environment=environment) as (house, url):
        office = Office(house, url)
        async with office.client() as anybody:
            lea, other = await signed_up(anybody), await signed_up(anybody)
            tried = [await login_status(anybody, one, "x") for one in (lea, lea, lea)]
            tried += [await login_status(anybody, one, "x") for one in (other, other, other)]
            body = {"token": await reset_token(office, lea), "password": NEW_PASSWORD}
            await anybody.post(RESET, json=body)
            after = await login_status(anybody, lea, NEW_PASSWORD)
            unchanged = await login_status(anybody, other, other.password)

    assert tried == [401, 401, 429] * 2
    assert (after, unchanged) == (200, 429)


async def test_the_host_of_a_request_is_in_no_link(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor)

    answer = await visitor.post(
        INVITE,
        json={"email": fresh_email()},
        headers={**lea.headers, "Host": "evil.example"},
    )

    assert answer.json()["link"].startswith("/invitation?token=")


async def test_an_invited_person_joins_with_her_role(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor)
    token = await invited(visitor, lea, email=fresh_email(), role="admin")
    body = {"token": token, "name": "Paul Petit", "password": PASSWORD}

    incomplete = await visitor.post(ACCEPT, json={"token": token})
    first = await visitor.post(ACCEPT, json=body)
    visitor.cookies.clear()
    second = await visitor.post(ACCEPT, json=body)
    listed = (await visitor.get("/api/v1/members", headers=lea.headers)).json()["items"]

    fields = [(one["field"], one["code"]) for one in incomplete.json()["errors"]]
    assert fields == [("name", "required"), ("password", "required")]
    assert first.status_code == 201
    assert (first.json()["role"], first.json()["tenant"]["slug"]) == ("admin", lea.slug)
    assert (second.status_code, second.json()["code"]) == (404, "invitation_not_found")
    assert sorted(one["role"] for one in listed) == ["admin", "owner"]


async def test_whoever_has_an_account_joins_with_its_password_or_session_only(
    visitor: httpx2.AsyncClient,
) -> None:
    lea, paul, ida = [await signed_up(visitor) for _ in range(3)]
    token = await invited(visitor, lea, email=paul.email.upper())
    told = []
    for body, headers in (
        ({"token": token}, {}),
        ({"token": token, "name": "Paul", "password": "not the password"}, {}),
        ({"token": token}, ida.headers),
        ({"token": token}, paul.headers),
    ):
        answer = await visitor.post(ACCEPT, json=body, headers=headers)
        visitor.cookies.clear()
        told.append(answer.status_code)
    other = await invited(visitor, ida, email=paul.email)
    by_password = await visitor.post(ACCEPT, json={"token": other, "password": PASSWORD})
    visitor.cookies.clear()
    me = (await visitor.get("/api/v1/auth/me", headers=paul.headers)).json()

    assert told == [401, 401, 401, 201]
    assert by_password.status_code == 201
    assert {one["slug"] for one in me["tenants"]} == {lea.slug, paul.slug, ida.slug}


async def test_of_many_who_accept_at_once_one_joins(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    email = fresh_email()
    token = await invited(visitor, lea, email=email)
    body = {"token": token, "name": "Paul", "password": PASSWORD}

    answers = await asyncio.gather(*(visitor.post(ACCEPT, json=body) for _ in range(5)))
    users = superuser(server, "SELECT count(*) FROM users WHERE email = %s", email)

    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404, 404]
    assert users == [(1,)]


async def test_an_invitation_ends_when_it_is_withdrawn_renewed_or_old(
    visitor: httpx2.AsyncClient, server: EmbeddedPostgres
) -> None:
    lea = await signed_up(visitor)
    emails = [fresh_email() for _ in range(3)]
    withdrawn, renewed, old = [await invited(visitor, lea, email=email) for email in emails]
    listed = (await visitor.get(INVITE, headers=lea.headers)).json()["items"]
    ids = {one["email"]: one["id"] for one in listed}
    gone = await visitor.delete(f"{INVITE}/{ids[emails[0]]}", headers=lea.headers)
    fresh = await invited(visitor, lea, email=emails[1])
    days = superuser(
        server,
        "SELECT extract(day FROM expires_at - created_at) FROM invitations WHERE email = %s",
        emails[2],
    )
    superuser(server, "UPDATE invitations SET expires_at = now() WHERE email = %s", emails[2])
    body = {"name": "Paul", "password": PASSWORD}

    told = [
        (await visitor.post(ACCEPT, json={**body, "token": token})).status_code
        for token in (withdrawn, renewed, old)
    ]
    last = await visitor.post(ACCEPT, json={**body, "token": fresh})

    assert gone.status_code == 204
    assert [int(row[0]) for row in days] == [7]
    assert told == [404, 404, 404]
    assert last.status_code == 201


async def test_nobody_advertises_by_invitations(visitor: httpx2.AsyncClient) -> None:
    lea, other, ana = [await signed_up(visitor) for _ in range(3)]
    email = fresh_email()

    async def invite(who: Account, address: str) -> int:
        answer = await visitor.post(INVITE, json={"email": address}, headers=who.headers)
        return answer.status_code

    to_one = [await invite(who, email) for who in (lea, lea, lea, other, other, other)]
    to_many = [await invite(ana, fresh_email()) for _ in range(31)]

    assert to_one == [201] * 5 + [429]
    assert to_many == [201] * 30 + [429]


async def test_only_an_owner_touches_the_invitation_of_an_owner(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea, email = await signed_up(visitor), fresh_email()
    admin = await joined(office.house, lea.tenant_id, role="admin")
    token = await invited(visitor, lea, email=email, role="owner")
    listed = (await visitor.get(INVITE, headers=admin.headers)).json()["items"]

    told = [
        await visitor.post(INVITE, json={"email": email}, headers=admin.headers),
        await visitor.delete(f"{INVITE}/{listed[0]['id']}", headers=admin.headers),
    ]
    body = {"token": token, "name": "Paul", "password": PASSWORD}
    joins = await visitor.post(ACCEPT, json=body)

    assert [(one.status_code, one.json()["code"]) for one in told] == [(403, "role_missing")] * 2
    assert (joins.status_code, joins.json()["role"]) == (201, "owner")


async def test_who_is_a_member_cannot_be_invited_and_strangers_are_all_alike(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea, stranger = await signed_up(visitor), await signed_up(visitor)
    paul = await joined(office.house, lea.tenant_id)

    answers = [
        await visitor.post(INVITE, json={"email": email}, headers=lea.headers)
        for email in (paul.email, stranger.email, fresh_email())
    ]

    assert [answer.status_code for answer in answers] == [409, 201, 201]
    assert answers[0].json()["code"] == "already_member"
    assert set(answers[1].json()) == set(answers[2].json())
