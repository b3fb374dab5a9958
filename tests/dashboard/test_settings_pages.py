"""Home and settings: what they show is in rows, what they change is their own business's."""

from __future__ import annotations

import re
from typing import get_args
from uuid import uuid4

import psycopg
import pytest

from coccinelle.agents.store import live_agents
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.handoffs import actions as handoffs
from coccinelle.tenants import actions as tenant_actions
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants
from coccinelle.tenants.accounts import store
from tests.accounts import PASSWORD, Account, joined
from tests.dashboard.conftest import Reader, Town
from tests.dashboard.test_account_pages import NEW_PASSWORD, somebody, wrong
from tests.house.test_tenants_apart import QUESTION, fingerprint
from tests.living import client, move_in

SETTINGS = "/dashboard/settings"
COMPANY = {
    "company_name": "Garage du Port",
    "phone": "",
    "email": "",
    "website": "",
    "address": "",
    "handoff_email": "",
    "locale": "fr",
}
STEPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("business", {"company_name": "Garage du Port", "sector": "automobile"}),
    ("staff", {}),
    ("assistant", {"agent_type": "multi_purpose", "agent_name": "Leyna"}),
)
A_DAY_AGO = "UPDATE turns SET accepted_at = accepted_at - interval '1 day' WHERE tenant_id = %s"
IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone) Safari/1"}
PWN = '"><script>window.__pwn=1</script>'


def figures(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"<dd>(\d+)</dd>", page)]


async def test_home_counts_what_was_said_today_and_who_waits(
    town: Town, server: EmbeddedPostgres
) -> None:
    business = await move_in(town.house, "rivoli")
    boss = await joined(town.house, business.id)
    async with town.reader(boss) as reader:
        empty = await reader.see("/dashboard")
        async with client(town.url, business) as customer:
            for number in range(2):
                body = {"user_id": "u", "conversation_id": "c", "message": f"{QUESTION} {number}"}
                assert (await customer.post("/api/chat", json=body)).status_code == 200
        async with town.house.db.tenant(business.id) as tx:
            row = await tx.value("SELECT id FROM conversations WHERE tenant_id = %s", [business.id])
            await handoffs.open(tx, conversation_id=row, reason="asked")
        busy = await reader.see("/dashboard")
        with psycopg.connect(server.dsn(database="coccinelle"), autocommit=True) as connection:
            connection.execute(A_DAY_AGO, [business.id])
        later = await reader.see("/dashboard")

    assert figures(empty) == [0, 0, 0]
    assert "Personne n’a encore écrit aujourd’hui" in empty
    assert "Rien pour l’instant" in empty
    assert figures(busy) == [1, 2, 2]
    assert "1 client attend une personne" in busy
    assert figures(later) == [0, 0, 0]
    assert "1 client attend une personne" in later


async def test_the_checklist_says_what_the_rows_say(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    business = await move_in(town.house, "nordlys")  # It has agents, knowledge and a key.
    boss = await joined(town.house, business.id)
    async with town.reader(boss) as reader:
        grown = await reader.see("/dashboard")
    fresh = await newcomer[0].see("/dashboard")

    assert "0 sur 5" in fresh
    assert "3 sur 5" in grown
    assert "/onboarding" in fresh


async def test_the_business_is_changed_and_its_mistakes_stand_beside_their_fields(
    newcomer: tuple[Reader, Account], town: Town
) -> None:
    reader, account = newcomer
    good = {**COMPANY, "company_name": "Garage de la Plage", "website": "www.example.com"}
    done = await reader.send(f"{SETTINGS}/company", {**good, "locale": "en"})
    bad = await reader.send(
        f"{SETTINGS}/company", {**good, "email": "non", "company_name": "Autre"}
    )
    async with town.house.db.tenant(account.tenant_id) as tx:
        kept = await tenants.tenant(tx)

    assert done.headers["location"] == f"{SETTINGS}/company?done=saved"
    assert bad.status_code == 422
    assert set(wrong(bad.text)) == {"email"}
    assert kept
    assert (kept.company_name, kept.website) == ("Garage de la Plage", "https://www.example.com")
    assert kept.locale == "en"
    assert "a changé les informations" in await reader.see(f"{SETTINGS}/audit")


async def test_the_history_has_words_for_whatever_is_kept(town: Town, owner: Reader) -> None:
    async with town.house.db.tenant(town.lea.tenant_id) as tx:
        for action in get_args(audit.Action):
            await audit.record(tx, audit.OPERATOR, action)
    page = await owner.see(f"{SETTINGS}/audit")

    assert page.count("L’exploitant") == len(get_args(audit.Action))
    assert re.findall(r"<code>(.*?)</code>", page) == []


async def test_the_assistant_says_the_new_name_of_the_business(
    newcomer: tuple[Reader, Account], town: Town
) -> None:
    reader, account = newcomer
    async with client(town.url, None, **account.headers) as program:
        opened = await program.post("/api/v1/onboarding/session")
        path = f"/api/v1/onboarding/session/{opened.json()['id']}"
        for step, body in STEPS:
            said = await program.post(f"{path}/{step}", json=body)
            assert said.status_code == 200, said.text
        await reader.send(f"{SETTINGS}/company", {**COMPANY, "company_name": "Garage de la Plage"})
    async with town.house.db.tenant(account.tenant_id) as tx:
        agents = [agent.configuration.greeting for agent in await live_agents(tx)]

    assert "Garage de la Plage" in agents[0]
    assert "Garage du Port" not in agents[0]


async def test_the_number_of_the_business_is_shown_as_written_and_kept_as_it_was(
    newcomer: tuple[Reader, Account], town: Town
) -> None:
    reader, account = newcomer
    async with town.house.db.tenant(account.tenant_id) as tx:
        await tenant_actions.update(tx, phone="+33199004567")
    page = await reader.see(f"{SETTINGS}/company")
    moved = {**COMPANY, "phone": "01 99 00 45 67", "timezone": "America/Guadeloupe"}
    await reader.send(f"{SETTINGS}/company", moved)
    async with town.house.db.tenant(account.tenant_id) as tx:
        kept = await tenants.tenant(tx)

    assert 'value="01 99 00 45 67"' in page
    assert kept
    assert kept.phone == "+33199004567"


async def test_a_link_is_handed_over_where_no_mail_is_sent(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, _ = newcomer
    email = somebody()
    new = f"{SETTINGS}/members/invitations/new"
    answer = await reader.send(new, {"email": email, "role": "admin"})
    link = re.search(r"http://[^<]+token=[\w-]+", answer.text)
    page = await reader.see(f"{SETTINGS}/members")
    bad = await reader.send(new, {"email": "non", "role": "admin"})

    assert answer.status_code == 201
    assert link
    assert email in page
    assert "token=" not in page
    assert set(wrong(bad.text)) == {"email"}
    async with town.reader() as paul:
        assert (await paul.get(link[0].partition(town.url)[2])).status_code == 200
        withdraw = re.search(r'action="([^"]+/withdraw)"', page)
        assert withdraw
        assert (await reader.send(withdraw[1])).status_code == 303
        assert (await paul.get(link[0].partition(town.url)[2])).status_code == 404


async def test_members_are_given_roles_kept_out_and_removed(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    paul = await joined(town.house, account.tenant_id, role="member")
    at = f"{SETTINGS}/members/{paul.user_id}"
    async with town.reader(paul) as his:
        assert (await his.get(f"{SETTINGS}/keys")).status_code == 403
        await reader.send(at, {"do": "role", "role": "admin"})
        assert (await his.get(f"{SETTINGS}/keys")).status_code == 200
        await reader.send(at, {"do": "disable"})
        assert (await his.get("/dashboard")).status_code == 303
        await reader.send(at, {"do": "enable"})
        assert (await his.get("/dashboard")).status_code == 303
        his.client.cookies.clear()
        await his.send("/login", {"email": paul.email, "password": paul.password})
        assert (await his.get("/dashboard")).status_code == 200
        raised = await his.send(at, {"do": "role", "role": "owner"})
        assert raised.status_code == 403
        await reader.send(at, {"do": "remove"})
        assert (await his.get("/dashboard")).status_code == 303
    last = await reader.send(f"{SETTINGS}/members/{account.user_id}", {"do": "remove"})
    odd = await reader.send(f"{SETTINGS}/members/{account.user_id}", {"do": "dance"})

    assert last.status_code == 409
    assert "au moins un propriétaire" in last.text
    assert odd.status_code == 422


async def test_a_secret_is_shown_once(newcomer: tuple[Reader, Account]) -> None:
    reader, _ = newcomer
    made = await reader.send(f"{SETTINGS}/keys/api", {"name": "Caisse", "scopes": ["chat"]})
    secret = re.search(r"ck_[\w-]{40,}", made.text)
    page = await reader.see(f"{SETTINGS}/keys")
    bare = await reader.send(f"{SETTINGS}/keys/api", {"name": ""})

    assert made.status_code == 201
    assert secret
    assert secret[0] not in page
    assert secret[0][-4:] in page
    assert bare.status_code == 422
    assert set(wrong(bare.text)) == {"api-name", "scopes"}
    by_key = {"Authorization": f"Bearer {secret[0]}"}
    assert (await reader.client.get("/v1/models", headers=by_key)).status_code == 200
    revoke = re.search(r'action="([^"]+/api/[^"]+/revoke)"', page)
    assert revoke
    assert (await reader.send(revoke[1])).status_code == 303
    assert "Caisse" not in await reader.see(f"{SETTINGS}/keys")


async def test_a_site_has_a_key_for_its_pages(newcomer: tuple[Reader, Account]) -> None:
    reader, _ = newcomer
    at = f"{SETTINGS}/keys/public"
    bad = await reader.send(at, {"name": "Site", "origins": "pas une adresse"})
    await reader.send(at, {"name": "Site", "origins": "https://a.example\r\nhttps://b.example"})
    page = await reader.see(f"{SETTINGS}/keys")

    assert set(wrong(bad.text)) == {"origins"}
    assert "https://a.example, https://b.example" in page
    assert re.search(r"pk_[\w-]{20,}", page)


async def test_she_sees_her_devices_and_logs_one_out(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    async with town.reader(None, **IPHONE) as lost:
        await lost.send("/login", {"email": account.email, "password": PASSWORD})
        page = await reader.see(f"{SETTINGS}/account")
        end = re.search(r'action="([^"]+/sessions/[0-9a-f-]{36}/end)"', page)
        assert "Safari · iPhone" in page
        assert end
        assert (await reader.send(end[1])).status_code == 303
        assert (await lost.get("/dashboard")).status_code == 303
    assert (await reader.get("/dashboard")).status_code == 200


async def test_a_new_password_logs_the_other_devices_out(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    at = f"{SETTINGS}/account/password"
    bad = await reader.send(at, {"current_password": "non", "password": NEW_PASSWORD})
    good = await reader.send(at, {"current_password": PASSWORD, "password": NEW_PASSWORD})

    assert set(wrong(bad.text)) == {"current_password"}
    assert good.headers["location"] == f"{SETTINGS}/account?done=password"
    assert (await reader.get("/dashboard")).status_code == 200
    async with town.reader(account) as before:
        assert (await before.get("/dashboard")).status_code == 303


async def test_nothing_of_another_business_is_seen_or_changed(
    town: Town, server: EmbeddedPostgres, owner: Reader
) -> None:
    """Léa's ids in Zoé's hands: 404, and Léa's rows stay as they are."""
    await owner.send(f"{SETTINGS}/keys/api", {"name": "canari-a", "scopes": ["chat"]})
    await owner.send(f"{SETTINGS}/keys/public", {"name": "canari-p"})
    email = somebody()
    new = f"{SETTINGS}/members/invitations/new"
    await owner.send(new, {"email": email, "role": "member"})
    async with town.house.db.tenant(town.lea.tenant_id) as tx:
        api = (await tenants.api_keys(tx, limit=1, before=None))[0].id
        public = (await tenants.public_keys(tx, limit=1, before=None))[0].id
        invitation = (await store.invitations(tx, limit=1, before=None))[0].id
    page = await owner.see(f"{SETTINGS}/account")
    session = re.findall(r"/sessions/([0-9a-f-]{36})/end", page) or [uuid4()]
    before = fingerprint(server, town.lea.tenant_id)

    tried = {
        f"/keys/api/{api}/revoke": {},
        f"/keys/public/{public}/revoke": {},
        f"/members/invitations/{invitation}/withdraw": {},
        f"/members/{town.member.user_id}": {"do": "remove"},
        f"/account/sessions/{session[0]}/end": {},
    }
    async with town.reader(town.zoe) as zoe:
        statuses = [
            (await zoe.send(SETTINGS + path, form)).status_code for path, form in tried.items()
        ]
        seen = [
            await zoe.see(SETTINGS + path)
            for path in (
                "/members",
                "/keys",
                "/audit",
                "/account",
                "/company",
                "/limits",
                "/businesses",
            )
        ]

    assert statuses == [404] * len(tried)
    assert fingerprint(server, town.lea.tenant_id) == before
    for text in seen:
        for word in ("canari", email, town.lea.email, "Garage du Port"):
            assert word not in text


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard",
        f"{SETTINGS}/members",
        f"{SETTINGS}/keys",
        f"{SETTINGS}/account",
        f"{SETTINGS}/audit",
        f"{SETTINGS}/company",
        f"{SETTINGS}/limits",
        f"{SETTINGS}/businesses",
    ],
)
async def test_what_people_write_is_text_and_nothing_else(
    town: Town, anybody: Reader, path: str
) -> None:
    form = {"name": PWN, "company_name": PWN, "email": somebody(), "password": PASSWORD}
    assert (await anybody.send("/signup", form)).status_code == 303
    await anybody.send(f"{SETTINGS}/keys/public", {"name": PWN})
    await anybody.send(f"{SETTINGS}/keys/api", {"name": PWN, "scopes": ["chat"]})
    login = {"email": form["email"], "password": PASSWORD}
    await anybody.send("/login", login, **{"User-Agent": PWN})
    page = (await anybody.get(path)).text

    assert "<script>window" not in page
    assert "&lt;script&gt;" in page
