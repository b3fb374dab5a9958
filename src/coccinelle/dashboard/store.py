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


async def spent_today(tx: TenantTx) -> int:
    """What models cost since midnight where the business is, in micro-euros."""
    found: int = await tx.value(
        "WITH day AS (SELECT date_trunc('day', now(), timezone) AS began FROM tenants"
        " WHERE id = %(tenant)s), spent AS ("
        " SELECT cost_microeur FROM turns, day"
        "  WHERE tenant_id = %(tenant)s AND accepted_at >= began"
        " UNION ALL SELECT cost_microeur FROM exams, day"
        "  WHERE tenant_id = %(tenant)s AND created_at >= began"
        " UNION ALL SELECT cost_microeur FROM onboarding_suggestions, day"
        "  WHERE tenant_id = %(tenant)s AND created_at >= began)"
        " SELECT coalesce(sum(cost_microeur), 0)::bigint FROM spent",
        {"tenant": tx.tenant_id},
    )
    return found
