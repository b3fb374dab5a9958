"""People who have signed up, for whatever needs somebody who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2

from coccinelle.foundation.ids import TenantId, UserId, uuid7
from coccinelle.house import House
from coccinelle.tenants.accounts import store
from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.accounts.model import AccountRules, Device
from coccinelle.tenants.model import Role

PASSWORD = "trois chats sur un toit"


@dataclass(frozen=True)
class Account:
    """An owner, her business, and what proves it."""

    email: str
    password: str
    token: str
    tenant_id: TenantId
    user_id: UserId
    slug: str

    @property
    def headers(self) -> dict[str, str]:
        """What a request of hers carries."""
        return {"Authorization": f"Bearer {self.token}"}


async def signed_up(
    client: httpx2.AsyncClient,
    *,
    email: str | None = None,
    name: str = "Léa Martin",
    company_name: str = "Garage du Port",
) -> Account:
    """A new business and its owner, who is logged in; `client` keeps no cookie of hers."""
    body = {
        "email": email or f"lea-{uuid4().hex[:12]}@example.com",
        "password": PASSWORD,
        "name": name,
        "company_name": company_name,
    }
    answer = await client.post("/api/v1/auth/signup", json=body)
    assert answer.status_code == 201, answer.text
    client.cookies.clear()
    told = answer.json()
    return Account(
        email=body["email"],
        password=PASSWORD,
        token=told["session"]["token"],
        tenant_id=TenantId(UUID(told["tenant"]["id"])),
        user_id=UserId(UUID(told["user"]["id"])),
        slug=told["tenant"]["slug"],
    )


async def joined(house: House, tenant_id: TenantId, *, role: Role = "owner") -> Account:
    """Somebody who works for a business that is there already, and is logged in."""
    user_id, email = UserId(uuid7()), f"{role}-{uuid4().hex[:12]}@example.com"
    kept = await house.passwords.hash(PASSWORD)
    async with house.db.tenant(tenant_id) as tx:
        async with tx.as_user(user_id) as own:
            await store.insert_user(own, email=email, name="Paul Petit", password_hash=kept)
        await store.insert_membership(tx, user_id=user_id, role=role)
    entrance = Entrance(house.db, house.passwords, AccountRules(logins_per_minute=1000))
    device = Device("127.0.0.1", "tests")
    opened = await entrance.log_in(email=email, password=PASSWORD, tenant=None, device=device)
    slug = opened.membership.slug
    return Account(email, PASSWORD, opened.token.secret, tenant_id, user_id, slug)
