"""The pages of agents: write a draft, see what differs, try it, publish it, restore, retire."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Managed
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import Question, faq_source
from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from tests.accounts import Account, joined, signed_up
from tests.dashboard.conftest import Reader, Town
from tests.living import configuration, living
from tests.speech import SOUND, Studio, speaking

EMAILS = "Comment automatiser mes emails de bienvenue ?"
ANSWER = "Avec une séquence de trois messages."


@dataclass
class Owner:
    """Somebody who owns a business with one agent, who knows one answer."""

    town: Town
    account: Account
    reader: Reader

    async def agent(self, key: str = "audrey") -> Managed:
        async with self.town.house.db.tenant(self.account.tenant_id) as tx:
            return await agents.one(tx, key)

    async def form(self, key: str = "audrey", **changes: str) -> dict[str, str]:
        """What the form of the page has in it, and what she types."""
        page = await self.reader.see(f"/dashboard/agents/{key}")
        agent = await self.agent(key)
        said = agent.written
        kept = {name: getattr(said, name) for name in ("name", "greeting", "persona", "language")}
        assert f'name="revision" value="{agent.revision}"' in page
        return {**kept, "revision": str(agent.revision), "voice": "female", **changes}

    async def count(self, *tables: str) -> list[int]:
        async with self.town.house.db.tenant(self.account.tenant_id) as tx:
            return [await tx.value(f"SELECT count(*) FROM {table}") for table in tables]

    async def live(self) -> list[str]:
        """Names of the agents that customers meet, as the API tells them."""
        answer = await self.reader.client.get("/api/v1/agents")
        return [one["name"] for one in answer.json()["items"] if one["state"] == "live"]


async def employed(town: Town, tenant_id: TenantId) -> None:
    async with town.house.db.tenant(tenant_id) as tx:
        said = configuration("Audrey", "emails", EMAILS, "Aide-moi avec les emails")
        await agents.create(tx, key="audrey", position=0, configuration=said)
        pairs = [Question(EMAILS, ANSWER)]
        added = await knowledge.add(tx, faq_source(pairs, title="Questions"))
    await run_ingest(town.house, tenant_id, added.source.id, added.source.generation)


@pytest.fixture(scope="module")
async def accounts(town: Town) -> tuple[Account, Account]:
    """An owner whose business has an agent, and another business's."""
    made = []
    async with town.reader() as anybody:
        for name in ("Garage du Port", "Salon Zoé"):
            made.append(await signed_up(anybody.client, company_name=name))
            await employed(town, made[-1].tenant_id)
    return made[0], made[1]


@pytest.fixture
async def owner(town: Town) -> AsyncIterator[Owner]:
    async with town.reader() as anybody:
        account = await signed_up(anybody.client)
    await employed(town, account.tenant_id)
    async with town.reader(account) as reader:
        yield Owner(town, account, reader)


AT = "/dashboard/agents/audrey"


async def test_what_is_saved_is_shown_word_by_word_and_met_by_nobody(owner: Owner) -> None:
    form = await owner.form(persona="Tu es Audrey, toujours brève.", examples="Un ?\n\n Deux ? ")
    answer = await owner.reader.send(AT, form)

    assert (answer.status_code, answer.headers["location"]) == (303, f"{AT}?done=saved")
    page = await owner.reader.see(f"{AT}?done=saved")
    assert "Brouillon non publié" in page
    assert re.search(r"<ins><span class=\"hushed\">\[ajouté\] </span>, toujours brève", page)
    assert "vos clients n’en voient rien" in page
    agent = await owner.agent()
    assert agent.live is not None
    assert agent.draft is not None
    assert agent.draft.by == "Léa Martin"
    assert agent.written.examples == ("Un ?", "Deux ?")
    assert agent.live.configuration.persona == "Tu es Audrey."
    assert "Brouillon non publié" in await owner.reader.see("/dashboard/agents")


async def test_publishing_saves_what_is_typed_and_is_answered_with_at_once(owner: Owner) -> None:
    assert await owner.live() == ["Audrey"]
    config = await owner.reader.client.get(f"/api/v1/agents/{'audrey'}")
    assert config.json()["live_version"]["number"] == 1

    answer = await owner.reader.send(AT, await owner.form(name="Camille", do="publish"))

    assert answer.headers["location"] == f"{AT}?done=published"
    assert await owner.live() == ["Camille"]
    view = await owner.town.house.views.get(owner.account.tenant_id)
    assert view.agents[0].name == "Camille"
    page = await owner.reader.see(f"{AT}/versions")
    assert "Version 2" in page
    assert "Léa Martin" in page
    assert re.search(r"<del>.*Audrey</del><ins>.*Camille</ins>", page)


async def test_an_old_version_is_restored_as_a_new_one(owner: Owner) -> None:
    await owner.reader.send(AT, await owner.form(name="Camille", do="publish"))
    seen = {"revision": str((await owner.agent()).revision)}

    answer = await owner.reader.send(f"{AT}/versions/1/restore", seen)

    assert answer.headers["location"] == f"{AT}?done=restored"
    assert await owner.live() == ["Audrey"]
    assert "d’après la version 1" in await owner.reader.see(f"{AT}/versions")


async def test_who_saves_what_somebody_else_changed_keeps_what_she_typed(owner: Owner) -> None:
    form = await owner.form(persona="Ce que j'ai écrit.")
    await owner.reader.send(AT, await owner.form(persona="Ce que l'autre a écrit."))

    answer = await owner.reader.send(AT, form)

    page = unescape(answer.text)
    assert answer.status_code == 409
    assert "Quelqu'un d'autre a modifié cet assistant" in page
    assert "Ce que j'ai écrit.</textarea>" in page
    assert (await owner.agent()).written.persona == "Ce que l'autre a écrit."
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision is not None
    again = await owner.reader.send(AT, {**form, "revision": revision[1]})
    assert again.status_code == 303
    assert (await owner.agent()).written.persona == "Ce que j'ai écrit."


async def test_a_draft_is_dropped(owner: Owner) -> None:
    await owner.reader.send(AT, await owner.form(name="Camille"))
    revision = str((await owner.agent()).revision)
    answer = await owner.reader.send(AT, {"do": "discard", "revision": revision})

    assert answer.headers["location"] == f"{AT}?done=discarded"
    assert (await owner.agent()).draft is None


async def test_a_specialist_is_prepared_published_moved_and_retired(owner: Owner) -> None:
    made = await owner.reader.send("/dashboard/agents", {"name": "Élise", "type": "custom"})
    assert made.headers["location"] == "/dashboard/agents/elise?done=created"
    assert await owner.live() == ["Audrey"]
    assert "Jamais publié" in await owner.reader.see("/dashboard/agents/elise?done=created")
    alone = {"do": "retire", "revision": str((await owner.agent()).revision)}
    refused = await owner.reader.send(AT, alone)
    assert refused.status_code == 409
    assert "Seul cet assistant répond à vos clients" in unescape(refused.text)

    form = await owner.form("elise", do="publish")
    await owner.reader.send("/dashboard/agents/elise", form)
    assert await owner.live() == ["Audrey", "Élise"]
    await owner.reader.send("/dashboard/agents", {"do": "up", "key": "elise"})
    assert await owner.live() == ["Élise", "Audrey"]
    form = {"do": "retire", "revision": str((await owner.agent()).revision)}
    retired = await owner.reader.send(AT, form)
    assert retired.headers["location"] == "/dashboard/agents?done=retired"
    assert await owner.live() == ["Élise"]
    assert "Retirés" in await owner.reader.see("/dashboard/agents")


async def test_the_chat_answers_from_what_is_typed_and_leaves_no_trace(owner: Owner) -> None:
    tables = ("conversations", "customers", "messages", "turns", "knowledge_gaps", "handoffs")
    before = await owner.count(*tables)
    form = await owner.form(name="Camille", question=EMAILS)

    answer = await owner.reader.send(f"{AT}/try", form, **{"HX-Request": "true"})

    said = unescape(answer.text)
    assert answer.status_code == 200
    assert "<html" not in said
    assert "Camille" in said
    assert ANSWER in said
    assert "Questions" in said
    assert "Pourquoi" in said
    assert 'hx-swap-oob="true"' in answer.text
    kept = re.search(r'name="history" value="([^"]*)"', answer.text)
    assert kept is not None
    history = json.loads(unescape(kept[1]))
    assert [line["agent"] for line in history] == [None, "audrey"]
    for question in ("Quelle est la capitale ?", "Je veux parler à quelqu'un"):
        more = {**form, "question": question, "history": json.dumps(history)}
        assert (await owner.reader.send(f"{AT}/try", more)).status_code == 200
    assert await owner.count(*tables) == before
    assert (await owner.agent()).draft is None


async def test_without_script_the_chat_is_the_whole_page_with_what_was_said(owner: Owner) -> None:
    history = json.dumps([{"text": "Bonjour", "agent": None}, {"text": "Oui ?", "agent": "audrey"}])
    form = {"question": EMAILS, "history": history}

    page = unescape((await owner.reader.send(f"{AT}/try", form)).text)

    assert "<html" in page
    for text in ("Bonjour", "Oui ?", EMAILS, ANSWER):
        assert text in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"question": " "}, "Votre question"),
        ({"question": "x" * 2001}, "2000"),
        ({"question": EMAILS, "name": "x" * 101}, "Corrigez d’abord le formulaire"),
        ({"question": EMAILS, "history": "{"}, ANSWER),
        ({"question": EMAILS, "history": '[{"text": 1}]'}, ANSWER),
    ],
)
async def test_a_question_that_cannot_be_asked_is_told(
    town: Town, accounts: tuple[Account, Account], changes: dict[str, str], sentence: str
) -> None:
    async with town.reader(accounts[0]) as reader:
        answer = await reader.send(f"{AT}/try", changes, **{"HX-Request": "true"})

    assert sentence in unescape(answer.text).replace("\u202f", "").replace("2 000", "2000")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"greeting": "x" * 1001}, "greeting"),
        ({"examples": "\n".join(f"Question {n} ?" for n in range(101))}, "examples"),
        ({"examples": "x" * 501}, "examples"),
        ({"temperature": "3"}, "temperature"),
        ({"temperature": "chaud"}, "temperature"),
        ({"language": "de"}, "language"),
        ({"voice_language": "de-DE", "voice": "male"}, "voice_language"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_written(
    town: Town, accounts: tuple[Account, Account], changes: dict[str, str], field: str
) -> None:
    async with town.reader(accounts[0]) as reader:
        owner = Owner(town, accounts[0], reader)
        before = await owner.agent()
        answer = await reader.send(AT, await owner.form(**changes))

        assert answer.status_code == 422
        if field != "temperature":  # Not shown where there is no language model.
            assert f'id="{field}-error"' in answer.text
        assert await owner.agent() == before


async def test_members_see_agents_and_change_nothing(
    town: Town, accounts: tuple[Account, Account]
) -> None:
    member = await joined(town.house, accounts[0].tenant_id, role="member")
    async with town.reader(member) as reader:
        page = await reader.see(AT)
        assert "Seule l’administration peut le modifier." in page
        assert "<textarea" not in page
        assert "Un assistant de plus" not in await reader.see("/dashboard/agents")
        assert "Remettre en service" not in await reader.see(f"{AT}/versions")
        for path in ("", "/audrey", "/audrey/try", "/audrey/versions/1/restore"):
            form = {"question": EMAILS, "name": "Non", "revision": "1"}
            assert (await reader.send(f"/dashboard/agents{path}", form)).status_code == 403


async def test_another_business_s_agents_are_not_there(
    town: Town, accounts: tuple[Account, Account]
) -> None:
    async with town.house.db.tenant(accounts[0].tenant_id) as tx:
        key = f"secret-{uuid4().hex[:8]}"
        said = configuration("Secrète", "rien")
        await agents.create(tx, key=key, position=9, configuration=said)
    async with town.reader(accounts[1]) as other:
        at = f"/dashboard/agents/{key}"
        for path in (at, f"{at}/versions"):
            assert (await other.get(path)).status_code == 404
        form = {"question": EMAILS, "name": "Non", "revision": "2"}
        for path in (at, f"{at}/try", f"{at}/versions/1/restore"):
            assert (await other.send(path, form)).status_code == 404
        moved = await other.send("/dashboard/agents", {"do": "up", "key": key})
        assert moved.status_code == 404
        assert "Secrète" not in await other.see("/dashboard/agents")


async def test_somebody_who_asks_on_and_on_is_told_to_wait(owner: Owner) -> None:
    for _ in range(20):
        answer = await owner.reader.send(f"{AT}/try", {"question": "Merci !"})
        assert answer.status_code == 200
    answer = await owner.reader.send(f"{AT}/try", {"question": "Merci !"})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


async def test_voices_of_the_provider_are_offered_heard_and_chosen(
    addresses: Addresses, tmp_path: Path
) -> None:
    async with speaking() as studio:
        environment = {
            "COCCINELLE_ELEVENLABS_API_KEY": "secret",
            "COCCINELLE_ELEVENLABS_BASE_URL": studio.url,
            "COCCINELLE_UPSTREAM_ALLOW": studio.place,
        }
        async with living(addresses, tmp_path, environment=environment) as (house, url):
            async with httpx2.AsyncClient(base_url=url) as anybody:
                account = await signed_up(anybody)
            cookies = {LOCAL_COOKIE: account.token}
            async with httpx2.AsyncClient(base_url=url, cookies=cookies) as client:
                town = Town(house, url, FastAPI(), account, account, account)
                await employed(town, account.tenant_id)
                await offered_heard_and_chosen(Owner(town, account, Reader(client)), studio)


async def offered_heard_and_chosen(owner: Owner, studio: Studio) -> None:
    listed = (await owner.reader.client.get("/api/v1/voices")).json()
    assert [one["name"] for one in listed["items"]] == ["Female", "Male", "Aria", "x1"]
    aria = listed["items"][2]
    assert f'src="{aria["preview"]}?language=fr"' in await owner.reader.see(AT)
    heard = await owner.reader.get(aria["preview"])
    assert (heard.content, heard.headers["content-type"]) == (SOUND + b"fr", "audio/mpeg")
    assert "media-src 'self'" in (await owner.reader.get(AT)).headers["content-security-policy"]

    await owner.reader.send(AT, await owner.form(voice=f"elevenlabs:{aria['voice_id']}"))
    assert (await owner.agent()).written.voice.provider == "elevenlabs"
    await owner.reader.get("/onboarding")
    business = {"company_name": "Garage", "sector": "automobile"}
    await owner.reader.send("/onboarding/business", business)
    await owner.reader.send("/onboarding/staff")
    assert "Écouter d’autres voix" in await owner.reader.see("/onboarding/assistant")
    chosen = {"agent_type": "custom", "agent_name": "Leyna"}
    chosen |= {"voice": f"elevenlabs:{aria['voice_id']}", "voice_language": "fr-FR"}
    saved = await owner.reader.send("/onboarding/assistant", chosen)
    assert saved.headers["location"] == "/onboarding/knowledge"
    assert (await owner.agent("leyna")).written.voice.id == aria["voice_id"]


async def test_without_a_provider_the_two_usual_voices_are_shown(
    town: Town, accounts: tuple[Account, Account]
) -> None:
    async with town.reader(accounts[0]) as reader:
        listed = (await reader.client.get("/api/v1/voices")).json()
        assert [one["voice_id"] for one in listed["items"]] == ["female", "male"]
        assert listed["is_complete"] is True
        assert "Écouter d’autres voix" not in await reader.see(AT)
        assert (await reader.get("/api/v1/voices/elevenlabs/x/preview")).status_code == 404
