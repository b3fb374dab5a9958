"""People who have signed up, for whatever needs somebody who is logged in."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2

from coccinelle.foundation.ids import TenantId, UserId

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
