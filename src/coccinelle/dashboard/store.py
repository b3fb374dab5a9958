"""What the home page counts."""

from __future__ import annotations

from dataclasses import dataclass

from coccinelle.foundation.database import TenantTx


@dataclass(frozen=True)
class Today:
    """What was said since midnight where the business is, and who waits for a person now."""

    conversations: int
    turns: int
    waiting: int


async def today(tx: TenantTx) -> Today:
    return await tx.one(
        Today,
        "SELECT count(DISTINCT t.conversation_id) AS conversations, count(t.id) AS turns,"
        " (SELECT count(*) FROM handoffs WHERE tenant_id = %(tenant)s AND closed_at IS NULL)"
        " AS waiting FROM tenants b LEFT JOIN turns t ON t.tenant_id = b.id"
        " AND t.accepted_at >= date_trunc('day', now(), b.timezone) WHERE b.id = %(tenant)s",
        {"tenant": tx.tenant_id},
    )
