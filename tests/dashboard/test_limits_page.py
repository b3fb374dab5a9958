"""What a business may use, what it has used, and what two presses at once make of it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from coccinelle.evals.exam import actions as exams
from coccinelle.tenants import store as tenants
from tests.accounts import Account, joined
from tests.dashboard.conftest import Reader, Town
from tests.dashboard.test_account_pages import wrong
from tests.house.test_tenants_apart import QUESTION
from tests.living import Business, client, move_in

LIMITS = "/dashboard/settings/limits"
COMPANY = "/dashboard/settings/company"
KEYS = "/dashboard/settings/channels/web/keys"


async def spend(town: Town, business: Business, *, microeur: int, days_ago: int = 0) -> None:
    """A turn that cost something."""

    async with client(town.url, business) as customer:
        body = {"user_id": "u", "conversation_id": uuid4().hex, "message": QUESTION}
        turn = (await customer.post("/api/chat", json=body)).json()["turn_id"]
    async with town.house.db.tenant(business.id) as tx:
        await tx.run(
            "UPDATE turns SET cost_microeur = %s, accepted_at = accepted_at"
            " - make_interval(days => %s) WHERE tenant_id = %s AND id = %s",
            [microeur, days_ago, business.id, turn],
        )


async def test_limits_and_what_was_spent_today_are_those_of_the_business(town: Town) -> None:
    rivoli, nordlys = await move_in(town.house, "rivoli"), await move_in(town.house, "nordlys")
    await spend(town, rivoli, microeur=1_230_000)
    await spend(town, rivoli, microeur=5_000_000, days_ago=1)
    async with town.house.db.tenant(rivoli.id) as tx:
        await exams.start(tx, locale="fr")
    seen = {}
    for business in (rivoli, nordlys):
        async with town.reader(await joined(town.house, business.id)) as reader:
            seen[business.slug] = (await reader.see(LIMITS)).replace("\u00a0", " ")

    assert "1,23 €" in seen[rivoli.slug]
    assert "1 sur 10" in seen[rivoli.slug]
    assert "10 en 60 s" in seen[rivoli.slug]
    assert ">0 €<" in seen[nordlys.slug]
    assert "0 sur 10" in seen[nordlys.slug]


async def test_a_member_sees_no_limits(town: Town) -> None:
    async with town.reader(town.member) as reader:
        assert (await reader.get(LIMITS)).status_code == 403


async def test_the_time_zone_of_a_business_is_changed(
    town: Town, newcomer: tuple[Reader, Account]
) -> None:
    reader, account = newcomer
    form = {"company_name": "Garage du Port", "locale": "fr"}

    refused = await reader.send(COMPANY, {**form, "timezone": "Mars/Olympus"})
    kept = await reader.send(COMPANY, form)
    await reader.send(COMPANY, {**form, "timezone": "Indian/Reunion"})
    async with town.house.db.tenant(account.tenant_id) as tx:
        tenant = await tenants.tenant(tx)

    assert (refused.status_code, set(wrong(refused.text))) == (422, {"timezone"})
    assert kept.status_code == 303
    assert tenant is not None
    assert tenant.timezone == "Indian/Reunion"
    assert 'value="Indian/Reunion" selected' in await reader.see(COMPANY)


@pytest.mark.parametrize("presses", [2, 5])
async def test_pressing_at_once_for_a_key_makes_one(
    town: Town, newcomer: tuple[Reader, Account], presses: int
) -> None:
    reader, account = newcomer
    await asyncio.gather(*(reader.send(KEYS) for _ in range(presses)))

    async with town.house.db.tenant(account.tenant_id) as tx:
        assert len(await tenants.public_keys(tx, limit=10, before=None)) == 1
