"""Onboarding as its pages and programs use it: over HTTP, by the session of somebody logged in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.accounts import signed_up
from tests.living import living
from tests.onboarding.setting import number

BUSINESS = {"company_name": "Garage Dupont", "sector": "garage", "phone": "01 99 00 45 67"}
WEEK = [{"weekday": day, "opens": "08:00", "closes": "12:00"} for day in range(1, 6)]
TOMORROW = date.today() + timedelta(days=1)
CLOSURE = {
    "starts_on": str(TOMORROW),
    "ends_on": str(TOMORROW + timedelta(days=9)),
    "reason": "congés",
}
STAFF: dict[str, Any] = {
    "members": [{"name": "Ana", "phone": "06 39 98 12 34"}],
    "hours": WEEK,
    "closures": [CLOSURE],
}


@dataclass(frozen=True)
class Town:
    """A server that anybody may sign up to."""

    house: House
    url: str

    def client(self, headers: dict[str, str] | None = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30)


@pytest.fixture(scope="module")
async def town(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    many = {"COCCINELLE_SIGNUPS_PER_HOUR": "1000"}
    async with living(addresses, tmp_path_factory.mktemp("town"), environment=many) as opened:
        yield Town(*opened)


@dataclass(frozen=True)
class Wizard:
    """An owner at her screens."""

    client: httpx2.AsyncClient
    session_id: str
    phone: str

    async def post(self, step: str, body: Any = None) -> httpx2.Response:
        bodies: dict[str, Any] = {
            "business": BUSINESS,
            "staff": STAFF,
            "assistant": {
                "agent_type": "multi_purpose",
                "agent_name": "Leyna",
                "voice": "female",
                "phone_number": self.phone,
            },
            "knowledge": {
                "documents": [{"title": "Garantie", "content": "Garanties un an."}],
                "faqs": [{"question": "Prenez-vous la carte ?", "answer": "Oui."}],
            },
            "complete": None,
        }
        sent = bodies[step] if body is None else body
        path = f"/api/v1/onboarding/session/{self.session_id}/{step}"
        return await self.client.post(path, json=sent)


@pytest.fixture
async def wizard(town: Town) -> AsyncIterator[Wizard]:
    async with town.client() as anybody:
        account = await signed_up(anybody)
    async with town.client(account.headers) as client:
        opened = await client.post("/api/v1/onboarding/session")
        assert opened.status_code == 201, opened.text
        yield Wizard(client, opened.json()["id"], number())


async def test_leyna_is_called_leyna_wherever_one_looks(town: Town, wizard: Wizard) -> None:
    """The acceptance of the system being replaced."""
    for place, step in enumerate(("business", "staff", "assistant", "knowledge")):
        answer = await wizard.post(step)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["status"], told["current_step"]) == ("in_progress", place + 3)
        assert [one["done"] for one in told["steps"]] == [n <= place for n in range(4)]
    completed = (await wizard.post("complete")).json()
    agents = (await wizard.client.get("/api/v1/agents")).json()["items"]
    numbers = (await wizard.client.get("/api/v1/numbers")).json()["items"]

    assert completed["status"] == "completed"
    assert completed["duration_seconds"] > 0
    (agent,), (called,) = agents, numbers
    assert (agent["key"], agent["name"]) == ("leyna", "Leyna")
    version = agent["live_version"]
    assert (version["number"], version["name"], version["type"]) == (1, "Leyna", "multi_purpose")
    assert version["greeting"].startswith("Garage Dupont, bonjour ! Je suis Leyna")
    assert version["voice"] == {
        "provider": "default",
        "voice_id": "female",
        "language": "fr-FR",
        "settings": {},
    }
    assert (called["e164"], called["agent"]) == (wizard.phone, "leyna")
    assert (called["verified"], called["active"]) == (False, False)
    assert called["written"].startswith("06 39 5")


async def test_the_hours_are_answered_right_after_onboarding(
    town: Town, wizard: Wizard, addresses: Addresses
) -> None:
    for step in ("business", "staff", "assistant", "complete"):
        assert (await wizard.post(step)).status_code == 200
    key = (
        await wizard.client.post("/api/v1/api-keys", json={"name": "site", "scopes": ["chat"]})
    ).json()
    async with queue(addresses.login) as running:
        await work(running, town.house, concurrency=1, until_idle=True)
    secret = {"Authorization": f"Bearer {key['secret']}"}
    async with town.client(secret) as customer:
        talk = {"user_id": "u", "conversation_id": uuid4().hex}
        asked = {**talk, "message": "Quels sont vos horaires d'ouverture ?"}
        answer = (await customer.post("/api/chat", json=asked)).json()
        asked = {**talk, "message": "Êtes-vous ouverts le samedi ?"}
        saturday = (await customer.post("/api/chat", json=asked)).json()

    assert answer["agent"] == "leyna", answer
    assert "Du lundi au vendredi : de 8 h à 12 h." in answer["message"]
    assert re.search(r"Prochaine fermeture : du .* \(congés\)", answer["message"])
    assert "fermés le samedi" in saturday["message"], saturday


async def test_a_session_goes_on_where_it_stopped_on_another_device(
    town: Town, wizard: Wizard
) -> None:
    await wizard.post("business")
    again = await wizard.client.post("/api/v1/onboarding/session")
    seen = await wizard.client.get(f"/api/v1/onboarding/session/{wizard.session_id}")

    assert again.status_code == 200
    assert again.json()["id"] == wizard.session_id
    assert again.json()["current_step"] == 3
    assert seen.json() == again.json()


async def test_what_is_missing_and_what_comes_first_are_told(wizard: Wizard) -> None:
    early = await wizard.post("assistant")
    incomplete = await wizard.post("complete")

    assert (early.status_code, early.json()["code"]) == (409, "step_too_early")
    assert (incomplete.status_code, incomplete.json()["code"]) == (409, "onboarding_incomplete")
    assert incomplete.json()["missing"] == ["business", "staff", "assistant"]


async def test_a_number_of_another_business_is_refused(town: Town, wizard: Wizard) -> None:
    for step in ("business", "staff", "assistant"):
        await wizard.post(step)
    async with town.client() as anybody:
        account = await signed_up(anybody)
    async with town.client({**account.headers, "Accept-Language": "en"}) as client:
        opened = await client.post("/api/v1/onboarding/session")
        other = replace(wizard, client=client, session_id=opened.json()["id"])
        for step in ("business", "staff"):
            await other.post(step)
        taken = await other.post("assistant")
        agents = (await client.get("/api/v1/agents")).json()["items"]
        seen = (await client.get(f"/api/v1/onboarding/session/{other.session_id}")).json()
        foreign = replace(other, session_id=wizard.session_id)
        answers = [await foreign.post(step) for step in ("business", "staff", "complete")]
        answers.append(await client.get(f"/api/v1/onboarding/session/{wizard.session_id}"))

    assert (taken.status_code, taken.json()["code"]) == (409, "number_taken")
    assert "Another business" in taken.json()["detail"]
    assert agents == []
    assert (seen["current_step"], seen["steps"][2]["done"]) == (4, False)
    assert {one.status_code for one in answers} == {404}


async def test_only_an_admins_session_may_onboard(town: Town, wizard: Wizard) -> None:
    key = (
        await wizard.client.post(
            "/api/v1/api-keys", json={"name": "k", "scopes": ["chat", "knowledge"]}
        )
    ).json()
    path = f"/api/v1/onboarding/session/{wizard.session_id}"
    async with town.client() as anybody:
        refused = [await anybody.post("/api/v1/onboarding/session"), await anybody.get(path)]
        refused.append(await anybody.get("/api/v1/onboarding/sectors"))
    async with town.client({"Authorization": f"Bearer {key['secret']}"}) as program:
        refused.append(await program.get(path))
        agents = await program.get("/api/v1/agents")

    assert {one.status_code for one in refused} == {401}
    assert agents.status_code == 403


async def test_every_try_that_is_refused_is_noted(town: Town, wizard: Wizard) -> None:
    await wizard.post("business", {"company_name": ""})
    await wizard.post("business", {**BUSINESS, "phone": "12"})
    await wizard.post("complete")
    tenant = (await wizard.client.get("/api/v1/auth/me")).json()["tenant"]["id"]
    async with town.house.db.tenant(tenant) as tx:
        noted = await tx.records(
            "SELECT step, code FROM onboarding_events WHERE kind = 'failed' ORDER BY happened_at"
        )

    assert [(one["step"], one["code"]) for one in noted] == [
        ("business", "invalid"),
        ("business", "invalid"),
        ("complete", "onboarding_incomplete"),
    ]


async def test_templates_are_told_in_the_readers_language(wizard: Wizard) -> None:
    english = {"Accept-Language": "en"}
    types = (await wizard.client.get("/api/v1/onboarding/agent-types")).json()["items"]
    french = (await wizard.client.get("/api/v1/onboarding/sectors")).json()["items"]
    told = (await wizard.client.get("/api/v1/onboarding/sectors", headers=english)).json()["items"]

    assert [one["key"] for one in types][:2] == ["multi_purpose", "real_estate_reception"]
    assert len(types) == 6
    assert len(french) == 14
    assert (french[6]["label"], told[6]["label"]) == ("Automobile", "Car services")
    assert french[6]["hours"][0] == {"weekday": 1, "opens": "08:00", "closes": "12:00"}


LONG = "x" * 30_000
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("business", {"company_name": None}, "company_name", "not_text"),
    ("business", {"company_name": "  "}, "company_name", "empty"),
    ("business", {"company_name": LONG}, "company_name", "too_long"),
    ("business", {"company_name": "a\nb"}, "company_name", "unprintable_name"),
    ("business", {"company_name": "a\x00"}, "company_name", "unstorable_characters"),
    ("business", {"sector": 7}, "sector", "not_text"),
    ("business", {"sector": LONG}, "sector", "too_long"),
    ("business", {"phone": "06 12"}, "phone", "bad_phone_number"),
    ("business", {"phone": "appelez-moi"}, "phone", "bad_phone_number"),
    ("business", {"phone": LONG}, "phone", "too_long"),
    ("business", {"website": "pas une adresse"}, "website", "bad_web_address"),
    ("business", {"website": "javascript://x"}, "website", "bad_web_address"),
    ("business", {"timezone": "Paris"}, "timezone", "unknown_timezone"),
    ("business", {"timezone": "../../etc/passwd"}, "timezone", "unknown_timezone"),
    ("business", {"slug": "x"}, "slug", "unknown_field"),
    ("staff", {"members": "Ana"}, "members", "not_a_list"),
    ("staff", {"members": [{"name": ""}]}, "members.0.name", "empty"),
    ("staff", {"members": [{"name": "a\x00"}]}, "members.0.name", "unstorable_characters"),
    ("staff", {"members": [{"name": "A", "email": "a@"}]}, "members.0.email", "bad_email"),
    ("staff", {"members": [{"name": "A", "phone": "1"}]}, "members.0.phone", "bad_phone_number"),
    ("staff", {"members": [{"name": "A"}, {"name": "a"}]}, "members.1.name", "member_twice"),
    ("staff", {"hours": [{**WEEK[0], "weekday": 0}]}, "hours.0.weekday", "too_small"),
    ("staff", {"hours": [{**WEEK[0], "weekday": 8}]}, "hours.0.weekday", "too_big"),
    ("staff", {"hours": [{**WEEK[0], "weekday": "1"}]}, "hours.0.weekday", "not_a_number"),
    ("staff", {"hours": [{**WEEK[0], "opens": "9h"}]}, "hours.0.opens", "bad_time"),
    ("staff", {"hours": [{**WEEK[0], "closes": "25:00"}]}, "hours.0.closes", "bad_time"),
    ("staff", {"hours": [{**WEEK[0], "closes": "08:00"}]}, "hours.0.closes", "empty_opening"),
    ("staff", {"hours": [WEEK[0], WEEK[0]]}, "hours.1", "openings_overlap"),
    ("staff", {"closures": [{**CLOSURE, "ends_on": "demain"}]}, "closures.0.ends_on", "bad_day"),
    (
        "staff",
        {"closures": [{**CLOSURE, "ends_on": "2027-02-30"}]},
        "closures.0.ends_on",
        "bad_day",
    ),
    ("staff", {"closes_on_public_holidays": 1}, "closes_on_public_holidays", "not_a_boolean"),
    ("assistant", {"agent_type": "robot"}, "agent_type", "not_one_of"),
    ("assistant", {"agent_name": ""}, "agent_name", "empty"),
    ("assistant", {"agent_name": LONG}, "agent_name", "too_long"),
    ("assistant", {"agent_name": "a\x00b"}, "agent_name", "unstorable_characters"),
    ("assistant", {"voice": "robot"}, "voice", "bad_voice"),
    ("assistant", {"voice": {"provider": "x"}}, "voice.voice_id", "required"),
    ("assistant", {"voice_language": "de"}, "voice_language", "bad_voice_language"),
    ("assistant", {"greeting": LONG}, "greeting", "too_long"),
    ("assistant", {"system_prompt": LONG}, "system_prompt", "too_long"),
    ("assistant", {"phone_number": "3631"}, "phone_number", "bad_phone_number"),
    ("assistant", {"enable_products": "yes"}, "enable_products", "not_a_boolean"),
    ("knowledge", {"website": "ftp://a.example"}, "website", "bad_address"),
    ("knowledge", {"documents": [{"title": "", "content": "x"}]}, "documents.0.title", "empty"),
    ("knowledge", {"documents": [{"title": "x"}]}, "documents.0.content", "required"),
    ("knowledge", {"faqs": [{"question": "q"}]}, "faqs.0.answer", "required"),
    ("knowledge", {"faqs": {}}, "faqs", "not_a_list"),
]


async def test_each_field_of_each_step_is_refused_with_what_to_do(wizard: Wizard) -> None:
    wrong = []
    done: set[str] = set()
    for step, change, field, code in BAD:
        if step not in done and done:
            earlier = ("business", "staff", "assistant", "knowledge")[len(done) - 1]
            assert (await wizard.post(earlier)).status_code == 200
        done.add(step)
        base: dict[str, Any] = {
            "business": BUSINESS,
            "assistant": {"agent_type": "custom", "agent_name": "Leyna"},
        }.get(step, {})
        for locale in ("fr", "en"):
            wizard.client.headers["Accept-Language"] = locale
            answer = await wizard.post(step, {**base, **change})
            problem = answer.json()
            told = [(one["field"], one["code"]) for one in problem.get("errors", [])]
            # What no text may hold is refused before anybody knows which field it is.
            is_unread = not told and problem.get("code") == code == "unstorable_characters"
            if answer.status_code != 422 or not (told == [(field, code)] or is_unread):
                wrong.append(
                    (step, change if len(str(change)) < 80 else field, answer.text[200:500])
                )

    assert "\n".join(map(str, wrong)) == ""
