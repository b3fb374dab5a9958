"""Signing up: a business, its owner and her session, all of it or nothing."""

from __future__ import annotations

import httpx2

from tests.accounts import signed_up


async def test_who_signs_up_owns_a_business_and_is_logged_in(visitor: httpx2.AsyncClient) -> None:
    lea = await signed_up(visitor, company_name="L'Atelier d'Œnologie")

    told = (await visitor.get("/api/v1/auth/me", headers=lea.headers)).json()

    assert told["role"] == "owner"
    assert told["user"]["email"] == lea.email
    assert told["tenant"]["company_name"] == "L'Atelier d'Œnologie"
    assert told["tenant"]["slug"].startswith("l-atelier-d-oenologie")
    assert [one["id"] for one in told["tenants"]] == [str(lea.tenant_id)]
