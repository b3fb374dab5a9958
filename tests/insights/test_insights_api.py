"""Figures over HTTP: by a member's session or a program's key, each of its own business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest

from coccinelle.foundation.clock import now
from coccinelle.foundation.postgres import Addresses
from coccinelle.tenants import actions as tenants
from tests.accounts import joined
from tests.insights.setting import turn
from tests.living import Business, client, living, move_in

BASE = "/api/v1/insights"
PLACES = ("overview", "series", "agents")


@dataclass(frozen=True)
class Street:
    """A server, two businesses of which the first has had a question, and its credentials."""

    url: str
    rivoli: Business
    member: dict[str, str]
    manager: dict[str, str]
    reader: dict[str, str]
    neighbour: dict[str, str]

    async def get(self, path: str, by: dict[str, str], **params: str) -> httpx2.Response:
        async with client(self.url, None, **by) as anybody:
            return await anybody.get(f"{BASE}/{path}", params=params)


@pytest.fixture(scope="module")
async def street(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    async with living(addresses, tmp_path_factory.mktemp("street")) as (house, url):
        rivoli, nordlys = await move_in(house, "rivoli"), await move_in(house, "nordlys")
        async with house.db.tenant(rivoli.id) as tx:
            await turn(tx, now() - timedelta(seconds=5), cost_microeur=1_234)
            manager = await tenants.create_api_key(tx, name="tests", scopes=["manage"])
            reader = await tenants.create_api_key(tx, name="tests", scopes=["knowledge"])
        manage, read = ({"Authorization": f"Bearer {key.secret}"} for key in (manager, reader))
        member = (await joined(house, rivoli.id, role="member")).headers
        neighbour = (await joined(house, nordlys.id)).headers
        yield Street(url, rivoli, member, manage, read, neighbour)


async def test_a_member_and_a_program_are_told_the_same(street: Street) -> None:
    for place in PLACES:
        by_session = await street.get(place, street.member)
        by_key = await street.get(place, street.manager)
        assert by_session.status_code == by_key.status_code == 200, by_session.text
        assert by_session.json() == by_key.json()

    told = (await street.get("overview", street.member, days="7")).json()
    assert told["period"]["days"] == 7
    assert told["period"]["timezone"] == "Europe/Paris"
    assert (told["figures"]["turns"], told["before"]["turns"]) == (1, 0)
    assert told["figures"]["cost_microeur"] == 1_234
    assert told["figures"]["answered_share"] == 1.0
    assert told["before"]["first_text"] is None
    days = (await street.get("series", street.member, days="7")).json()["days"]
    assert [day["turns"] for day in days] == [0, 0, 0, 0, 0, 0, 1]


async def test_another_business_counts_its_own(street: Street) -> None:
    told = (await street.get("overview", street.neighbour)).json()

    assert told["figures"]["turns"] == 0
    assert (await street.get("agents", street.neighbour)).json()["agents"] == []


async def test_nobody_else_is_told(street: Street) -> None:
    for place in PLACES:
        assert (await street.get(place, {})).status_code == 401
        refused = await street.get(place, street.reader)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        ({"days": "0"}, "days", "too_small"),
        ({"days": "367"}, "days", "too_big"),
        ({"days": "week"}, "days", "not_a_number"),
        ({"from": "2026-11-01"}, "to", "required"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from", "period_backwards"),
        ({"from": "2024-11-02", "to": "2026-11-01"}, "to", "period_too_long"),
        ({"from": "01/11/2026", "to": "2026-11-01"}, "from", "bad_day"),
        ({"from": "1793491200", "to": "2026-11-01"}, "from", "bad_day"),
        ({"from": "0001-01-01", "to": "0001-01-02"}, "from", "too_small"),
        ({"from": "2026-11-01", "to": "9999-99-99"}, "to", "bad_day"),
    ],
)
async def test_days_that_cannot_be_are_refused_by_field(
    street: Street, asked: dict[str, str], field: str, code: str
) -> None:
    for place in PLACES:
        answer = await street.get(place, street.member, **asked)
        assert answer.status_code == 422
        told = [(error["field"], error["code"]) for error in answer.json()["errors"]]
        assert told == [(field, code)]
