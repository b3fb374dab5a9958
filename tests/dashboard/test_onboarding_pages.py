"""The wizard and the channels' pages over HTTP, as a browser without JavaScript sends them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any

import httpx2
import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents import store as agents_store
from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.accounts import Account, joined, signed_up
from tests.living import living
from tests.onboarding.setting import number

PHONE = "/dashboard/settings/channels/phone"
WEB = "/dashboard/settings/channels/web"
BUSINESS = {
    "company_name": "Garage Dupont",
    "sector": "automobile",
    "phone": "01 99 00 45 67",
    "website": "www.garage-dupont.example",
    "timezone": "Europe/Paris",
}
STAFF = {
    "same_weekdays": "on",
    "day.1.kind": "split",
    "day.1.0.opens": "08:00",
    "day.1.0.closes": "12:00",
    "day.1.1.opens": "14:00",
    "day.1.1.closes": "17:30",
    "day.6.kind": "one",
    "day.6.0.opens": "09:00",
    "day.6.0.closes": "12:00",
    "day.7.kind": "closed",
    "holidays": "closed",
    "members.0.name": "",
    "members.1.name": "Ana",
    "members.1.phone": "06 39 98 12 34",
    "closures.0.starts_on": "2099-08-02",
    "closures.0.ends_on": "2099-08-23",
}
ASSISTANT = {
    "agent_type": "multi_purpose",
    "agent_name": "Leyna",
    "voice": "female",
    "voice_language": "fr-FR",
}
KNOWLEDGE = {"faqs.0.question": "Prenez-vous la carte ?", "faqs.0.answer": "Oui."}
SAID: dict[str, dict[str, str]] = {
    "business": BUSINESS,
    "staff": STAFF,
    "assistant": ASSISTANT,
    "knowledge": KNOWLEDGE,
    "done": {},
}


@dataclass
class Owner:
    """Somebody at her screens, with a browser that runs no script."""

    client: httpx2.AsyncClient
    account: Account
    house: House

    async def see(self, path: str) -> str:
        """A page that is there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, (path, answer.headers.get("location"), answer.text)
        return unescape(answer.text)

    async def send(self, path: str, form: dict[str, str] | None = None) -> httpx2.Response:
        own = str(self.client.base_url).rstrip("/")
        return await self.client.post(path, data=form or {"-": ""}, headers={"Origin": own})

    async def do(self, *steps: str, **more: str) -> None:
        """Steps as most owners do them; each leads on."""
        await self.client.get("/onboarding")
        for step in steps:
            answer = await self.send(f"/onboarding/{step}", {**SAID[step], **more} or None)
            assert answer.status_code == 303, answer.text

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.house.db.tenant(self.account.tenant_id) as tx:
            return [tuple(row.values()) for row in await tx.records(query)]


@dataclass(frozen=True)
class Town:
    house: House
    url: str

    async def owner(self, account: Account | None = None) -> Owner:
        """An owner who has just signed up; or somebody who is there already."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=30) as anybody:
            known = account or await signed_up(anybody)
        client = httpx2.AsyncClient(base_url=self.url, timeout=30)
        client.cookies.set("coccinelle_session", known.token)
        return Owner(client, known, self.house)


@pytest.fixture(scope="module")
async def town(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    async with living(addresses, tmp_path_factory.mktemp("town")) as opened:
        yield Town(*opened)


@pytest.fixture
async def owner(town: Town) -> AsyncIterator[Owner]:
    found = await town.owner()
    async with found.client:
        yield found


@pytest.fixture
async def other(town: Town) -> AsyncIterator[Owner]:
    """Of another business."""
    found = await town.owner()
    async with found.client:
        yield found


async def test_each_step_leads_to_the_next_and_the_start_to_where_she_stopped(
    owner: Owner,
) -> None:
    assert (await owner.client.get("/onboarding")).headers["location"] == "/onboarding/business"
    steps = [*SAID]
    for step, following in zip(steps, [*steps[1:-1], "exam", "done"], strict=True):
        answer = await owner.send(f"/onboarding/{step}", SAID[step] or None)
        assert answer.headers["location"] == f"/onboarding/{following}"
        resumed = await owner.client.get("/onboarding")
        assert resumed.headers["location"] == f"/onboarding/{following}"
    assert "Leyna est en service" in await owner.see("/onboarding/done")


async def test_a_step_that_comes_too_early_leads_back(owner: Owner) -> None:
    await owner.client.get("/onboarding")
    for step in ("staff", "assistant", "knowledge", "done"):
        answer = await owner.client.get(f"/onboarding/{step}")
        assert answer.headers["location"] == "/onboarding"
    answer = await owner.send("/onboarding/assistant", ASSISTANT)
    assert answer.headers["location"] == "/onboarding"
    assert await owner.rows("SELECT 1 FROM agents") == []


async def test_what_was_said_is_shown_again_on_another_device(town: Town, owner: Owner) -> None:
    called = number()
    await owner.do("business", "staff")
    await owner.do("assistant", phone_number=called)
    await owner.do("knowledge")
    elsewhere = await town.owner(await joined(town.house, owner.account.tenant_id))
    async with elsewhere.client:
        business = await elsewhere.see("/onboarding/business")
        staff = await elsewhere.see("/onboarding/staff")
        assistant = await elsewhere.see("/onboarding/assistant")
        knowledge = await elsewhere.see("/onboarding/knowledge")
    for said in ("Garage Dupont", "01 99 00 45 67", "https://www.garage-dupont.example"):
        assert f'value="{said}"' in business
    assert '<option value="automobile" selected>' in business
    for said in ("Ana", "06 39 98 12 34", "17:30", "2099-08-23"):
        assert f'value="{said}"' in staff
    assert re.search('name="same_weekdays" value="on" checked', staff)
    assert 'value="Leyna"' in assistant
    assert "Garage Dupont, bonjour ! Je suis Leyna" in assistant
    assert 'value="Prenez-vous la carte ?"' in knowledge
    assert "Questions fréquentes" in knowledge


async def test_hours_are_written_for_each_day(owner: Owner) -> None:
    await owner.do("business", "staff")
    rows = await owner.rows(
        "SELECT weekday, opens::text, closes::text FROM opening_hours ORDER BY 1, 2"
    )
    halves = [("08:00:00", "12:00:00"), ("14:00:00", "17:30:00")]
    week = [(day, *half) for day in range(1, 6) for half in halves]
    assert rows == [*week, (6, "09:00:00", "12:00:00")]
    assert await owner.rows("SELECT name, phone FROM staff") == [("Ana", "+33639981234")]


async def test_redoing_every_step_duplicates_nothing(owner: Owner) -> None:
    tables = ("staff", "opening_hours", "closures", "agents", "agent_versions", "sources")
    counts = " UNION ALL ".join(f"SELECT '{one}', count(*) FROM {one}" for one in tables)
    keys = "SELECT name, allowed_origins FROM public_keys"
    await owner.do(*SAID)
    before = sorted(await owner.rows(counts)), await owner.rows(keys)
    await owner.do(*SAID)
    assert (sorted(await owner.rows(counts)), await owner.rows(keys)) == before
    origins = ["https://www.garage-dupont.example", "https://garage-dupont.example"]
    assert before[1] == [("Mon site", origins)]


@pytest.mark.parametrize(
    ("step", "wrong", "field", "said"),
    [
        ("business", {"company_name": " "}, "company_name", "ne peut pas être vide"),
        ("business", {"phone": "12"}, "phone", "01 23 45 67 89"),
        ("business", {"website": "pas une adresse"}, "website", "https://www.example.com"),
        ("staff", {"day.1.0.opens": ""}, "day-1", "sur 24 heures"),
        ("staff", {"day.6.0.closes": "09:00"}, "day-6", "différente"),
        ("staff", {"day.1.1.opens": "11:00"}, "day-1", "chevauchent"),
        ("staff", {"members.1.phone": "12"}, "members.1.phone", "01 23 45 67 89"),
        ("staff", {"members.4.email": "a@b.fr"}, "members.4.name", "vide"),
        ("staff", {"closures.0.ends_on": "2099-08-01"}, "closures.0.ends_on", "fermeture"),
        ("assistant", {"agent_name": ""}, "agent_name", "ne peut pas être vide"),
        ("assistant", {"agent_type": "oracle"}, "agent_type", "multi_purpose"),
        ("assistant", {"phone_number": "allô"}, "phone_number", "01 23 45 67 89"),
        ("knowledge", {"website": "ftp://x"}, "website", "http"),
        ("knowledge", {"faqs.0.answer": ""}, "faqs.0.answer", "vide"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_written(
    owner: Owner, step: str, wrong: dict[str, str], field: str, said: str
) -> None:
    before = [*SAID][: [*SAID].index(step)]
    await owner.do(*before)
    answer = await owner.send(f"/onboarding/{step}", {**SAID[step], **wrong})
    assert answer.status_code == 422
    page = unescape(answer.text)
    told = re.search(rf'id="{re.escape(field)}-error".*?</p>', page, re.DOTALL)
    assert told is not None, page
    assert said in told[0]
    for name, value in {**SAID[step], **wrong}.items():
        assert not value.strip() or value in page or name == "agent_type"
    assert (await owner.client.get("/onboarding")).headers["location"] == f"/onboarding/{step}"
    noted = await owner.rows("SELECT step FROM onboarding_events WHERE kind = 'failed'")
    assert noted == [(step,)]


async def test_a_number_of_another_business_is_refused_beside_its_field(
    owner: Owner, other: Owner
) -> None:
    called = number()
    await owner.do("business", "staff")
    await owner.do("assistant", phone_number=called)
    await other.do("business", "staff")
    answer = await other.send("/onboarding/assistant", {**ASSISTANT, "phone_number": called})
    assert answer.status_code == 409
    assert 'id="phone_number-error"' in answer.text
    assert "déjà utilisé par une autre entreprise" in unescape(answer.text)
    assert await other.rows("SELECT 1 FROM agents") == []


async def test_files_are_added_with_what_was_typed_in_one_change(owner: Owner) -> None:
    await owner.do("business", "staff", "assistant")
    own = str(owner.client.base_url).rstrip("/")
    files = [
        ("files", ("tarifs.txt", b"La vidange coute 89 euros.", "text/plain")),
        ("files", ("", b"", "application/octet-stream")),
    ]
    answer = await owner.client.post(
        "/onboarding/knowledge",
        data={**KNOWLEDGE, "stay": "1"},
        files=files,
        headers={"Origin": own},
    )
    assert answer.headers["location"] == "/onboarding/knowledge"
    page = await owner.see("/onboarding/knowledge")
    for said in ("tarifs.txt", "Questions fréquentes", "Horaires d'ouverture"):
        assert said in page
    assert 'hx-trigger="every 2s"' in page


async def test_what_is_emptied_is_forgotten(owner: Owner) -> None:
    await owner.do("business", "staff", "assistant", "knowledge")
    answer = await owner.send("/onboarding/knowledge", {"website": "", "faqs.0.question": ""})
    assert answer.status_code == 303
    assert await owner.rows("SELECT slot FROM sources") == [("hours",)]


async def test_her_own_persona_stays_and_an_emptied_greeting_is_ours_again(
    owner: Owner,
) -> None:
    await owner.do("business", "staff")
    await owner.do("assistant", greeting="Salut, ici Leyna !")
    async with owner.house.db.tenant(owner.account.tenant_id) as tx:
        (live,) = await agents_store.live_agents(tx)
        own = replace(live.configuration, persona="Tu es drôle.")
        await agents.publish(tx, agent_id=live.id, configuration=own)
    assert "Salut, ici Leyna !" in await owner.see("/onboarding/assistant")
    await owner.do("assistant", agent_name="Hugo")
    said = await owner.rows(
        "SELECT v.greeting, v.persona FROM agents a JOIN agent_versions v"
        " ON v.id = a.live_version_id"
    )
    assert len(said) == 1
    assert said[0][0].startswith("Garage Dupont, bonjour ! Je suis Hugo")
    assert said[0][1] == "Tu es drôle."


async def test_the_greeting_can_be_seen_before_it_is_saved(owner: Owner) -> None:
    await owner.do("business", "staff")
    query = {"agent_name": "Leyna", "agent_type": "multi_purpose", "greeting": ""}
    page = (await owner.client.get("/onboarding/assistant", params=query)).text
    assert "Garage Dupont, bonjour ! Je suis Leyna" in unescape(page)
    assert await owner.rows("SELECT 1 FROM agents") == []


async def test_text_is_never_markup(owner: Owner) -> None:
    evil = '"><script>alert(1)</script>'
    await owner.do("business", company_name=evil)
    await owner.do("staff", **{"members.1.name": evil})
    await owner.do("assistant", agent_name=evil, greeting=evil)
    await owner.do("knowledge", **{"faqs.0.question": evil, "faqs.0.answer": evil})
    pages = [await owner.client.get("/onboarding/done")]
    await owner.do("done")
    paths = [*(f"/onboarding/{step}" for step in SAID), PHONE, WEB]
    pages += [await owner.client.get(path) for path in paths]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text, page.url
        assert "&lt;script&gt;" in page.text


async def test_the_phone_page_says_and_changes_name_greeting_and_number(
    owner: Owner, other: Owner
) -> None:
    called, instead = number(), number()
    await owner.do("business", "staff")
    await owner.do("assistant", phone_number=called)
    page = await owner.see(PHONE)
    assert "Leyna" in page
    assert "Déclaré, ne répond pas encore" in page
    form = {"agent": "leyna", "agent_name": "Hugo", "greeting": "", "phone_number": instead}
    assert (await owner.send(PHONE, form)).headers["location"] == f"{PHONE}?done=leyna"
    live = await owner.rows(
        "SELECT v.name, v.greeting, v.persona FROM agents a"
        " JOIN agent_versions v ON v.id = a.live_version_id"
    )
    assert [row[0] for row in live] == ["Hugo"]
    assert "Je suis Hugo" in live[0][1]
    assert "Leyna" not in live[0][2]
    assert await owner.rows("SELECT e164 FROM phone_numbers") == [(instead,)]
    assert (await other.send(PHONE, form)).status_code == 404
    wrong = await owner.send(PHONE, {**form, "agent_name": ""})
    assert wrong.status_code == 422
    assert "ne peut pas être vide" in unescape(wrong.text)


async def test_a_number_is_withdrawn_by_whose_it_is_and_another_business_may_have_it(
    owner: Owner, other: Owner
) -> None:
    called = number()
    await owner.do("business", "staff")
    await owner.do("assistant", phone_number=called)
    ((number_id,),) = await owner.rows("SELECT id FROM phone_numbers")
    address = f"{PHONE}/numbers/{number_id}"
    assert address in await owner.see(PHONE)

    await other.send(address, {})
    assert await owner.rows("SELECT e164 FROM phone_numbers") == [(called,)]
    for _ in range(2):
        answer = await owner.send(address, {})
        assert answer.headers["location"] == f"{PHONE}?done=withdrawn"
    assert await owner.rows("SELECT e164 FROM phone_numbers") == []
    page = await owner.see(f"{PHONE}?done=withdrawn")
    assert "Ce numéro n’est plus déclaré." in page
    assert "Aucun numéro n’est déclaré." in page

    await other.do("business", "staff")
    await other.do("assistant", phone_number=called)
    assert await other.rows("SELECT e164 FROM phone_numbers") == [(called,)]


async def test_the_web_page_changes_looks_and_sites(owner: Owner, other: Owner) -> None:
    await owner.do(*SAID)
    ((key_id, key),) = await owner.rows("SELECT id, key FROM public_keys")
    assert f'data-key="{key}"' in await owner.see(WEB)
    looks = {"color": "#1a5c8a", "position": "left", "reply_within_minutes": "60"}
    assert (await owner.send(WEB, looks)).status_code == 303
    chosen = "SELECT color, position, reply_within_minutes FROM widget_settings"
    assert await owner.rows(chosen) == [("#1a5c8a", "left", 60)]
    typed = "garage-dupont.fr\nhttps://boutique.garage-dupont.fr/\n"
    assert (await owner.send(f"{WEB}/keys/{key_id}", {"origins": typed})).status_code == 303
    allowed = ["https://garage-dupont.fr", "https://boutique.garage-dupont.fr"]
    assert await owner.rows("SELECT allowed_origins FROM public_keys") == [(allowed,)]
    theirs = await other.send(f"{WEB}/keys/{key_id}", {"origins": "https://evil.example"})
    assert theirs.status_code == 404
    assert await owner.rows("SELECT allowed_origins FROM public_keys") == [(allowed,)]
    wrong = await owner.send(f"{WEB}/keys/{key_id}", {"origins": "https://a.example/page"})
    assert wrong.status_code == 422
    assert "https://a.example/page" in wrong.text


async def test_without_a_session_one_is_sent_to_log_in_and_a_member_is_denied(
    town: Town, owner: Owner
) -> None:
    paths = ["/onboarding", *(f"/onboarding/{step}" for step in SAID), PHONE, WEB]
    member = await town.owner(await joined(town.house, owner.account.tenant_id, role="member"))
    async with httpx2.AsyncClient(base_url=town.url) as nobody, member.client:
        for path in paths:
            away = await nobody.get(path)
            assert (away.status_code, away.headers["location"][:6]) == (303, "/login")
            assert (await member.client.get(path)).status_code == 403


async def test_every_screen_is_english_for_who_reads_english(owner: Owner) -> None:
    await owner.do(*SAID)
    owner.client.cookies.set("lang", "en")
    assert "Step 2 of 6" in await owner.see("/onboarding/staff")
    assert "Leyna is live" in await owner.see("/onboarding/done")
    assert "Its greeting" in await owner.see(PHONE)
    assert "The line to copy" in await owner.see(WEB)
