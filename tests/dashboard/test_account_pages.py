"""The way in and out by pages: sign-up, log-in, passwords and invitations, without JavaScript."""

from __future__ import annotations

import re
from html import unescape
from uuid import uuid4

import httpx2
import pytest

from coccinelle.foundation.ids import uuid7
from coccinelle.foundation.postgres import Addresses
from coccinelle.tenants.accounts import store
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from coccinelle.tenants.accounts.mails import invitation_link, reset_link
from coccinelle.tenants.accounts.model import new_token
from tests.accounts import PASSWORD, Account, signed_up
from tests.dashboard.conftest import Reader, Town
from tests.living import living

NEW_PASSWORD = "un autre chat sur le toit"


def somebody() -> str:
    return f"{uuid4().hex[:12]}@example.com"


def wrong(text: str) -> dict[str, str]:
    """What a page says beside each field."""
    found = re.findall(r'id="([\w-]+)-error">.*?<span>(.*?)</span>', text, re.DOTALL)
    return {name: unescape(re.sub(r"<[^>]+>", "", said)).strip() for name, said in found}


async def test_she_signs_up_and_begins(anybody: Reader) -> None:
    form = {"name": "Léa", "company_name": "Garage", "email": somebody(), "password": PASSWORD}
    answer = await anybody.send("/signup", form)
    cookie = answer.headers["set-cookie"].lower()

    assert (answer.status_code, answer.headers["location"]) == (303, "/onboarding")
    assert cookie.startswith(LOCAL_COOKIE)
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "Bonjour Léa" in await anybody.see("/dashboard")


async def test_without_a_company_the_business_has_her_name(anybody: Reader) -> None:
    form = {"name": "Léa Petit", "company_name": "", "email": somebody(), "password": PASSWORD}
    await anybody.send("/signup", form)

    assert "<span>Léa Petit</span>" in await anybody.see("/dashboard")


async def test_each_mistake_stands_beside_its_field_and_nothing_that_she_wrote_is_lost(
    anybody: Reader,
) -> None:
    form = {"name": "Léa <b>", "company_name": "Garage", "email": "lea", "password": "court"}
    answer = await anybody.send("/signup", form)
    said = wrong(answer.text)

    assert answer.status_code == 422
    assert set(said) == {"password"}
    assert "8" in said["password"]
    assert 'value="Léa &lt;b&gt;"' in answer.text
    assert "court" not in answer.text.replace("trop court", "")
    again = await anybody.send("/signup", {**form, "password": PASSWORD})
    assert set(wrong(again.text)) == {"email"}


async def test_the_first_mistake_of_the_form_has_the_focus(anybody: Reader) -> None:
    answer = await anybody.send(
        "/signup", {"name": "", "company_name": "", "email": "", "password": ""}
    )
    focused = re.findall(r'<input id="(\w+)"[^>]* autofocus', answer.text)

    assert set(wrong(answer.text)) == {"name", "email", "password"}
    assert focused == ["name"]


async def test_a_taken_address_offers_to_log_in(town: Town, anybody: Reader) -> None:
    form = {"name": "Léa", "email": town.lea.email, "password": PASSWORD}
    answer = await anybody.send("/signup", form)
    link = re.search(r'href="(/login\?email=[^"]+)"', answer.text)

    assert answer.status_code == 409
    assert "email" in wrong(answer.text)
    assert link
    assert f'value="{town.lea.email}"' in (await anybody.get(link[1])).text


async def test_an_unknown_address_and_a_wrong_password_are_told_alike(
    town: Town, anybody: Reader
) -> None:
    answers = [
        await anybody.send("/login", {"email": email, "password": "ce n'est pas cela"})
        for email in (town.lea.email, somebody())
    ]
    alerts = [re.findall(r'role="alert".*?</div>', a.text, re.DOTALL) for a in answers]

    assert [a.status_code for a in answers] == [401, 401]
    assert alerts[0] == alerts[1] != []
    assert "set-cookie" not in answers[0].headers


async def test_who_is_signed_in_is_not_asked_again(owner: Reader) -> None:
    for path in ("/login", "/signup"):
        answer = await owner.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")


async def test_who_works_for_several_businesses_chooses_after_her_password(
    town: Town, newcomer: tuple[Reader, Account], anybody: Reader
) -> None:
    owner, _ = newcomer
    new = "/dashboard/settings/members/invitations/new"
    invited = await owner.send(new, {"email": town.zoe.email, "role": "member"})
    token = re.search(r"token=([\w-]+)", invited.text)
    assert token
    async with town.reader(town.zoe) as zoe:
        await zoe.send("/invitation", {"token": token[1]})
    form = {"email": town.zoe.email, "password": PASSWORD}
    answer = await anybody.send("/login", {**form, "next": "/dashboard/settings/keys"})

    chooser = "/dashboard/settings/businesses?next=/dashboard/settings/keys"
    assert answer.headers["location"] == chooser
    page = await anybody.see(chooser)
    assert "Garage du Port" in page
    assert "Salon Zoé" in page


async def test_logging_out_ends_the_session_and_takes_the_cookie_back(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    answer = await reader.send("/logout")

    assert answer.headers["location"] == "/login?done=left"
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    async with town.reader(account) as thief:
        assert (await thief.get("/dashboard")).status_code == 303


async def test_too_many_tries_are_told_when_to_try_again(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {
        "COCCINELLE_LOGINS_PER_MINUTE": "2",
        "COCCINELLE_TRUSTED_PROXIES": "127.0.0.1",
    }
    data = tmp_path_factory.mktemp("strict")
    async with (
        living(addresses, data, environment=environment) as (_, url),
        httpx2.AsyncClient(base_url=url, headers={"X-Forwarded-For": "203.0.113.9"}) as client,
    ):
        form = {"email": somebody(), "password": "ce n'est pas cela"}
        answers = [await Reader(client).send("/login", form) for _ in range(3)]

    assert [a.status_code for a in answers] == [401, 401, 429]
    assert "Trop de tentatives" in answers[2].text
    assert int(answers[2].headers["retry-after"]) > 0


async def test_a_forgotten_password_is_answered_alike_for_everybody(
    town: Town, anybody: Reader
) -> None:
    answers = [
        await anybody.send("/password/forgot", {"email": email})
        for email in (town.zoe.email, somebody())
    ]

    assert {(a.status_code, a.headers["location"]) for a in answers} == {
        (303, "/password/forgot?done=sent")
    }
    assert "boîte de réception" in await anybody.see("/password/forgot?done=sent")


async def test_a_mailed_link_changes_the_password_once(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    token = new_token()
    async with town.house.db.user(account.user_id) as tx:
        await store.keep_reset(tx, reset_id=uuid7(), token_hash=token.digest, minutes=60)
    path = reset_link("", token.secret)
    assert token.secret in await reader.see(path)

    weak = await reader.send(path, {"token": token.secret, "password": "motdepasse"})
    done = await reader.send(path, {"token": token.secret, "password": NEW_PASSWORD})
    again = await reader.send(path, {"token": token.secret, "password": NEW_PASSWORD})

    assert set(wrong(weak.text)) == {"password"}
    assert done.headers["location"] == "/login?done=reset"
    assert again.status_code == 404
    assert "Ce lien ne sert plus" in again.text
    assert (await reader.get(path)).status_code == 404
    assert (await reader.get("/dashboard")).status_code == 303
    form = {"email": account.email, "password": NEW_PASSWORD}
    assert (await reader.send("/login", form)).status_code == 303


async def invited(town: Town, email: str) -> str:
    """Where an invitation to the Garage du Port is accepted."""
    token = new_token()
    async with town.house.db.tenant(town.lea.tenant_id) as tx:
        await store.upsert_invitation(
            tx,
            invitation_id=uuid7(),
            email=email,
            role="member",
            token_hash=token.digest,
            invited_by=town.lea.user_id,
            days=7,
        )
    return invitation_link("", token.secret)


async def test_somebody_new_accepts_an_invitation(town: Town, anybody: Reader) -> None:
    email = somebody()
    path = await invited(town, email)
    page = await anybody.see(path)
    token = path.partition("token=")[2]
    bare = await anybody.send(path, {"token": token, "name": "", "password": ""})
    done = await anybody.send(path, {"token": token, "name": "Paul", "password": PASSWORD})

    assert "Rejoignez Garage du Port" in page
    assert email in page
    assert set(wrong(bare.text)) == {"name", "password"}
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
    assert "Bonjour Paul" in await anybody.see("/dashboard")
    assert (await anybody.get(path)).status_code == 404


async def test_somebody_known_accepts_with_her_password(town: Town, anybody: Reader) -> None:
    known = await signed_up(anybody.client)
    path = await invited(town, known.email)
    token = path.partition("token=")[2]
    page = await anybody.see(path)
    no = await anybody.send(path, {"token": token, "password": "ce n'est pas cela"})
    yes = await anybody.send(path, {"token": token, "password": PASSWORD})

    assert "a déjà un compte" in page
    assert no.status_code == 401
    assert set(wrong(no.text)) == {"password"}
    assert yes.headers["location"] == "/dashboard"


async def test_who_is_signed_in_only_has_to_accept(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    path = await invited(town, account.email)
    page = await reader.see(path)
    done = await reader.send(path, {"token": path.partition("token=")[2]})

    assert 'type="password"' not in page
    assert done.status_code == 303
    assert "<span>Garage du Port</span>" in await reader.see("/dashboard")
