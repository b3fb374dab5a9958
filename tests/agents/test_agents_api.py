"""Agents over HTTP: written, published, restored, retired, by who may manage the business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from coccinelle.tenants import actions as tenants
from tests.accounts import joined
from tests.living import Business, client, living, move_in

EMAILS = "Comment automatiser mes emails de bienvenue ?"


@dataclass(frozen=True)
class Street:
    """A server with two businesses of the same agents, and programs that manage them."""

    house: House
    url: str
    rivoli: Business
    nordlys: Business
    keys: dict[str, str]

    def program(self, business: Business) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.keys[business.slug]}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    async def answers(self, business: Business) -> str:
        """The name of who answers a customer now."""
        async with client(self.url, business) as customer:
            asked = {"user_id": "u", "conversation_id": business.slug, "message": EMAILS}
            stream = {"Accept": "text/event-stream"}
            return (await customer.post("/api/chat", json=asked, headers=stream)).text


@pytest.fixture(scope="module")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    async with living(addresses, tmp_path_factory.mktemp("agents")) as (house, url):
        rivoli, nordlys = await move_in(house, "rivoli"), await move_in(house, "nordlys")
        keys = {}
        for business in (rivoli, nordlys):
            async with house.db.tenant(business.id) as tx:
                made = await tenants.create_api_key(tx, name="gérer", scopes=["manage", "chat"])
            keys[business.slug] = made.secret
        yield Street(house, url, rivoli, nordlys, keys)


async def asked(program: httpx2.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await program.request(method, f"/api/v1/agents{path}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def test_a_change_is_a_draft_until_it_is_published_and_then_answers_at_once(
    street: Street,
) -> None:
    async with street.program(street.rivoli) as program:
        before = await asked(program, "GET", "/audrey")
        written = await asked(
            program, "PATCH", "/audrey", {"name": "Camille", "revision": before["revision"]}
        )
        assert (written["name"], written["draft"]["name"]) == ("Audrey", "Camille")
        assert written["draft"]["differences"] == [
            {"field": "name", "before": "Audrey", "after": "Camille"}
        ]
        assert '"name":"Audrey"' in await street.answers(street.rivoli)
        late = await program.patch(
            "/api/v1/agents/audrey", json={"name": "Hugo", "revision": before["revision"]}
        )
        assert (late.status_code, late.json()["code"]) == (409, "agent_changed")

        published = await asked(program, "POST", "/audrey/publish")
        assert (published["live_version"]["number"], published["draft"]) == (2, None)
        assert '"name":"Camille"' in await street.answers(street.rivoli)
        assert '"name":"Audrey"' in await street.answers(street.nordlys)
        again = await program.post("/api/v1/agents/audrey/publish")
        assert (again.status_code, again.json()["code"]) == (409, "agent_no_draft")

        restored = await asked(program, "POST", "/audrey/versions/1/publish")
        assert (restored["live_version"]["number"], restored["live_version"]["based_on"]) == (3, 1)
        assert '"name":"Audrey"' in await street.answers(street.rivoli)


async def test_versions_are_listed_a_page_at_a_time_newest_first(street: Street) -> None:
    async with street.program(street.nordlys) as program:
        for name in ("Un", "Deux"):
            await asked(program, "PATCH", "/carole", {"name": name})
            await asked(program, "POST", "/carole/publish", {})
        first = await asked(program, "GET", "/carole/versions?limit=2")
        rest = await asked(program, "GET", f"/carole/versions?cursor={first['next_cursor']}")

    assert [one["number"] for one in first["items"]] == [3, 2]
    assert ([one["number"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)


async def test_a_new_agent_is_prepared_tried_out_of_sight_published_and_retired(
    street: Street,
) -> None:
    async with street.program(street.nordlys) as program:
        made = await asked(program, "POST", "", {"name": "Élise Martin", "type": "custom"})
        assert (made["key"], made["state"], made["live_version"]) == ("elise-martin", "new", None)
        models = await program.get("/v1/models")
        assert "elise-martin" not in models.text
        await asked(program, "POST", "/elise-martin/publish")
        ordered = await asked(program, "PUT", "", {"keys": ["elise-martin", "audrey", "carole"]})
        assert [one["key"] for one in ordered["items"]] == ["elise-martin", "audrey", "carole"]
        retired = await asked(program, "POST", "/elise-martin/retire")
        assert retired["state"] == "retired"
        page = await asked(program, "GET", "?limit=1")
        rest = await asked(program, "GET", f"?cursor={page['next_cursor']}")
        assert [one["state"] for one in rest["items"]] == ["live", "live"]


async def test_what_is_empty_is_the_type_s_own_and_follows_the_name(street: Street) -> None:
    async with street.program(street.nordlys) as program:
        await asked(program, "POST", "", {"name": "Nora", "type": "multi_purpose"})
        body = {"name": "Nina", "greeting": "", "examples": ["Un ?", "Un ?"], "temperature": 1}
        draft = (await asked(program, "PATCH", "/nora", body))["draft"]
        assert draft["greeting"] == (
            "Nordlys, bonjour ! Je suis Nina, votre assistance virtuelle."
            " Comment puis-je vous aider ?"
        )
        assert draft["persona"].startswith("Tu t'appelles Nina")
        assert (draft["examples"], draft["temperature"]) == (["Un ?"], 1.0)
        gone = await program.delete("/api/v1/agents/nora/draft")
        assert gone.status_code == 204
        assert (await program.get("/api/v1/agents/nora")).status_code == 404


async def test_who_may_not_manage_the_business_changes_nothing(street: Street) -> None:
    member = await joined(street.house, street.rivoli.id, role="member")
    async with client(street.url, None, **member.headers) as program:
        for method, path in (("GET", ""), ("PATCH", "/audrey"), ("POST", "/audrey/publish")):
            answer = await program.request(method, f"/api/v1/agents{path}", json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
