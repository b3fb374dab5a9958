"""Members of a business, who claim and answer."""

from __future__ import annotations

from uuid import uuid4

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId, UserId, uuid7
from coccinelle.tenants.accounts import store
from coccinelle.tenants.model import Role


async def member(
    db: Database, tenant_id: TenantId, *, name: str = "Léa Martin", role: Role = "member"
) -> UserId:
    """Somebody who works for the business."""
    user_id = UserId(uuid7())
    async with db.tenant(tenant_id) as tx:
        async with tx.as_user(user_id) as own:
            email = f"{uuid4().hex}@example.com"
            await store.insert_user(own, email=email, name=name, password_hash="-")
        await store.insert_membership(tx, user_id=user_id, role=role)
    return user_id
