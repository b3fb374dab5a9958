"""The exam of a session and what a site proposes: over HTTP, a worker and a site on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from coccinelle.onboarding import suggestions
from tests.accounts import Account, signed_up
from tests.examined import examined
from tests.knowledge.test_suggest import SITES, served
from tests.living import living

GONE = "127.0.0.1:9"
STEPS: dict[str, Any] = {
    "business": {"company_name": "Atelier Mèche", "sector": "beaute"},
    "staff": {},
    "assistant": {"agent_type": "multi_purpose", "agent_name": "Leyna"},
    "knowledge": {"faqs": [{"question": "Prenez-vous la carte ?", "answer": "Oui."}]},
}


@dataclass(frozen=True)
class Town:
    """A server, and a site that it may read."""

    house: House
    url: str
    site: str
    addresses: Addresses

    async def work(self) -> None:
        async with queue(self.addresses.login) as running:
            await work(running, self.house, concurrency=1, until_idle=True)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(SITES / "salon") as host:
        yield host


@pytest.fixture(scope="module")
async def town(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory, site: str
) -> AsyncIterator[Town]:
    allowed = {"COCCINELLE_UPSTREAM_ALLOW": f"{site},{GONE}"}
    data: Path = tmp_path_factory.mktemp("town")
    async with living(addresses, data, environment=allowed) as (house, url):
        yield Town(house, url, site, addresses)


@dataclass(frozen=True)
class Owner:
    """Somebody who is setting up her business."""

    client: httpx2.AsyncClient
    account: Account
    session_id: str

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return await self.client.post(self.at(path), json=body, headers=headers)

    async def get(self, path: str) -> httpx2.Response:
        return await self.client.get(self.at(path))

    async def do(self, *steps: str) -> None:
        for step in steps:
            answer = await self.post(step, STEPS[step])
            assert answer.status_code == 200, answer.text

    async def audited(self) -> list[str]:
        told = (await self.client.get("/api/v1/audit")).json()["items"]
        return [event["action"] for event in told if event["action"].startswith("onboarding.")]

    def at(self, path: str) -> str:
        return f"/api/v1/onboarding/session/{self.session_id}/{path}"


async def newcomer(town: Town) -> AsyncIterator[Owner]:
    async with httpx2.AsyncClient(base_url=town.url, timeout=60) as anybody:
        account = await signed_up(anybody)
    async with httpx2.AsyncClient(base_url=town.url, headers=account.headers, timeout=60) as client:
        opened = await client.post("/api/v1/onboarding/session")
        yield Owner(client, account, opened.json()["id"])


@pytest.fixture
async def owner(town: Town) -> AsyncIterator[Owner]:
    async for found in newcomer(town):
        yield found


@pytest.fixture
async def other(town: Town) -> AsyncIterator[Owner]:
    """Of another business."""
    async for found in newcomer(town):
        yield found


async def test_a_site_proposes_each_thing_with_where_it_stands(town: Town, owner: Owner) -> None:
    before = (await owner.client.get("/api/v1/auth/me")).json()
    asked = await owner.post("suggest", {"website": f"http://{town.site}/"})
    assert (asked.status_code, asked.json()["state"], asked.json()["found"]) == (
        202,
        "reading",
        None,
    )
    again = await owner.post("suggest", {"website": f"http://{town.site}/"})
    assert again.json()["created_at"] == asked.json()["created_at"]
    await town.work()
    told = (await owner.get("suggest")).json()

    assert (told["state"], told["failure"]) == ("done", None)
    found = told["found"]
    assert found["name"]["value"] == "Atelier Mèche"
    assert found["name"]["url"].startswith(f"http://{town.site}/")
    assert found["hours"]
    assert all(one["excerpt"] and one["opens"] < one["closes"] for one in found["hours"])
    assert found["services"]
    assert found["tone"] is None
    assert (await owner.client.get("/api/v1/auth/me")).json() == before
    assert (await owner.client.get("/api/v1/sources")).json()["items"] == []
    assert (await owner.audited()).count("onboarding.site_read") == 1


async def test_a_site_that_cannot_be_read_says_why(town: Town, owner: Owner) -> None:
    await owner.post("suggest", {"website": f"http://{GONE}/"})
    await town.work()
    told = (await owner.client.get(owner.at("suggest"), headers={"Accept-Language": "fr"})).json()

    assert (told["state"], told["failure_code"]) == ("failed", "address_unreachable")
    assert "adresse" in told["failure"]
    assert told["found"] is None
    asked = await owner.post("suggest", {"website": f"http://{town.site}/"})
    assert (asked.json()["state"], asked.json()["failure"]) == ("reading", None)


async def test_no_address_is_refused_beside_its_field(owner: Owner) -> None:
    answer = await owner.post("suggest", {"website": "ftp://x"})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["website"]
    assert (await owner.get("suggest")).json()["code"] == "suggestion_not_found"


async def test_a_reading_that_was_replaced_writes_nothing(town: Town, owner: Owner) -> None:
    await owner.post("suggest", {"website": f"http://{GONE}/"})
    tenant, session = owner.account.tenant_id, UUID(owner.session_id)
    async with town.house.db.tenant(tenant) as tx:
        replaced = (await suggestions.get(tx, session)).id
    await owner.post("suggest", {"website": f"http://{town.site}/"})
    await suggestions.read(town.house, tenant, session, replaced)
    await suggestions.give_up(town.house.db, tenant, session, replaced, "suggestion_crashed")
    assert (await owner.get("suggest")).json()["state"] == "reading"
    await town.work()
    assert (await owner.get("suggest")).json()["state"] == "done"


async def test_a_proposal_is_forgotten_after_a_day(town: Town, owner: Owner) -> None:
    await owner.post("suggest", {"website": f"http://{GONE}/"})
    async with town.house.db.tenant(owner.account.tenant_id) as tx:
        assert await suggestions.forget_old(tx) == 0
        await tx.run("UPDATE onboarding_suggestions SET expires_at = now() - interval '1 second'")
    assert (await owner.get("suggest")).status_code == 404
    async with town.house.db.tenant(owner.account.tenant_id) as tx:
        assert await suggestions.forget_old(tx) == 1


async def test_another_business_sees_neither_proposal_nor_exam(
    town: Town, owner: Owner, other: Owner
) -> None:
    await owner.do("business", "staff", "assistant")
    await owner.post("suggest", {"website": f"http://{GONE}/"})
    known = await examined(town.house.db, owner.account.tenant_id)
    question = f"exam/questions/{known.gap_id}"
    stranger = Owner(other.client, other.account, owner.session_id)
    for answer in (
        await stranger.get("suggest"),
        await stranger.get("exam"),
        await stranger.post("suggest", {"website": "a.example"}),
        await stranger.post("exam"),
        await stranger.post(f"{question}/answer", {"text": "Oui."}),
        await other.post(f"{question}/answer", {"text": "Oui."}),
        await other.post(f"{question}/dismiss"),
        await other.get("exam"),
        await other.get("suggest"),
    ):
        assert answer.status_code == 404, answer.url
    assert (await owner.get("exam")).json()["to_do"] == 2


async def test_no_exam_is_held_before_there_is_an_assistant(owner: Owner) -> None:
    await owner.do("business", "staff")
    answer = await owner.post("exam")
    assert (answer.status_code, answer.json()["code"]) == (409, "step_too_early")
    assert (await owner.get("exam")).json()["code"] == "exam_not_found"


async def test_an_exam_is_held_by_a_worker_and_its_gaps_are_answered(
    town: Town, owner: Owner
) -> None:
    await owner.do(*STEPS)
    started = await owner.post("exam", **{"Accept-Language": "fr"})
    assert (started.status_code, started.json()["state"]) == (202, "waiting")
    again = await owner.post("exam")
    assert again.json()["id"] == started.json()["id"]
    await town.work()
    told = (await owner.get("exam")).json()
    assert told["state"] == "done", told
    assert told["asked"] == told["total"] == len(told["questions"]) == 20
    gaps = [one for one in told["questions"] if one["verdict"] == "gap"]
    assert len(gaps) >= 2
    assert told["to_do"] >= 2

    answered = await owner.post(
        f"exam/questions/{gaps[0]['id']}/answer", {"text": "Sous 14 jours."}
    )
    dismissed = await owner.post(f"exam/questions/{gaps[1]['id']}/dismiss")
    assert (answered.json()["to_do"], dismissed.json()["to_do"]) == (
        told["to_do"] - 1,
        told["to_do"] - 2,
    )
    empty = await owner.post(f"exam/questions/{gaps[0]['id']}/answer", {"text": " "})
    assert [error["field"] for error in empty.json()["errors"]] == ["text"]
    kinds = [one.removeprefix("onboarding.") for one in await owner.audited()]
    assert kinds[:3] == ["exam_dismissed", "exam_answered", "exam_started"]


async def test_what_crashed_again_and_again_says_so(town: Town, owner: Owner) -> None:
    await owner.post("suggest", {"website": f"http://{GONE}/"})
    tenant, session = owner.account.tenant_id, UUID(owner.session_id)
    async with town.house.db.tenant(tenant) as tx:
        reading = (await suggestions.get(tx, session)).id
    await suggestions.give_up(town.house.db, tenant, session, reading, "suggestion_crashed")
    told = (await owner.get("suggest")).json()
    assert (told["state"], told["failure_code"]) == ("failed", "suggestion_crashed")
