"""Somebody who works for several businesses, and what becomes of the session before."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import httpx2
import pytest

from coccinelle.tenants.accounts.cookies import LOCAL_COOKIE
from tests.accounts import Account, signed_up
from tests.tenants.accounts.conftest import Office

AUTH = "/api/v1/auth"
SWITCH = f"{AUTH}/switch"


async def works_for_both(anybody: httpx2.AsyncClient) -> tuple[Account, Account]:
    """Léa, who owns a garage; and the owner of a salon, for which Léa works, too."""
    lea = await signed_up(anybody)
    zoe = await signed_up(anybody, company_name="Salon Zoé")
    invited = await anybody.post(
        f"{AUTH}/invitations", json={"email": lea.email}, headers=zoe.headers
    )
    token = invited.json()["link"].partition("token=")[2]
    accepted = await anybody.post(
        f"{AUTH}/invitations/accept", json={"token": token}, headers=lea.headers
    )
    assert accepted.status_code == 201, accepted.text
    anybody.cookies.clear()
    return lea, zoe


async def status(anybody: httpx2.AsyncClient, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return (await anybody.get(f"{AUTH}/me", headers=headers)).status_code


async def test_she_changes_business_with_a_new_session_in_place_of_the_old(
    visitor: httpx2.AsyncClient,
) -> None:
    lea, zoe = await works_for_both(visitor)
    before = (await visitor.get(f"{AUTH}/me", headers=lea.headers)).json()

    answer = await visitor.post(SWITCH, json={"tenant": zoe.slug}, headers=lea.headers)
    told = answer.json()
    visitor.cookies.clear()

    assert answer.status_code == 200
    assert (told["tenant"]["slug"], told["role"]) == (zoe.slug, "member")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert await status(visitor, lea.token) == 401
    assert await status(visitor, told["session"]["token"]) == 200
    ends = [datetime.fromisoformat(one["session"]["expires_at"]) for one in (before, told)]
    assert ends[0] == ends[1]


async def test_what_she_is_in_one_business_she_is_not_in_the_other(
    visitor: httpx2.AsyncClient,
) -> None:
    lea, zoe = await works_for_both(visitor)
    answer = await visitor.post(SWITCH, json={"tenant": zoe.slug}, headers=lea.headers)
    headers = {"Authorization": f"Bearer {answer.json()['session']['token']}"}
    visitor.cookies.clear()

    assert (await visitor.get("/api/v1/api-keys", headers=headers)).status_code == 403


@pytest.mark.parametrize("case", ["never", "left", "nobodys"])
async def test_a_business_for_which_she_does_not_work_is_not_found(
    visitor: httpx2.AsyncClient, case: str
) -> None:
    lea, zoe = await works_for_both(visitor)
    if case == "left":
        path = f"/api/v1/members/{lea.user_id}"
        await visitor.patch(path, json={"disabled": True}, headers=zoe.headers)
    foreign = await signed_up(visitor)
    slug = {"never": foreign.slug, "left": zoe.slug, "nobodys": uuid4().hex}[case]

    answer = await visitor.post(SWITCH, json={"tenant": slug}, headers=lea.headers)

    assert (answer.status_code, answer.json()["code"]) == (404, "tenant_not_found")
    assert await status(visitor, lea.token) == 200


async def test_a_log_in_over_a_session_that_lives_ends_it(
    office: Office, visitor: httpx2.AsyncClient
) -> None:
    lea, zoe = await signed_up(visitor), await signed_up(visitor)
    async with httpx2.AsyncClient(
        base_url=office.url, cookies={LOCAL_COOKIE: lea.token}, headers={"Origin": office.url}
    ) as browser:
        refused = await browser.post(
            f"{AUTH}/login", json={"email": zoe.email, "password": "not hers"}
        )
        kept = await status(visitor, lea.token)
        answer = await browser.post(
            f"{AUTH}/login", json={"email": zoe.email, "password": zoe.password}
        )

    assert (refused.status_code, kept) == (401, 200)
    assert answer.status_code == 200
    assert await status(visitor, lea.token) == 401
    assert await status(visitor, zoe.token) == 200


async def test_a_program_that_logs_in_with_a_session_in_hand_keeps_both(
    visitor: httpx2.AsyncClient,
) -> None:
    lea = await signed_up(visitor)
    answer = await visitor.post(
        f"{AUTH}/login", json={"email": lea.email, "password": lea.password}, headers=lea.headers
    )
    visitor.cookies.clear()

    assert answer.status_code == 200
    assert await status(visitor, lea.token) == 200
