"""What the inbox counts, and whose name it says."""

from __future__ import annotations

from dataclasses import dataclass

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import UserId


@dataclass(frozen=True)
class Counts:
    """Hand-offs by their state."""

    open: int
    claimed: int
    closed: int


async def counts(tx: TenantTx) -> Counts:
    return await tx.one(
        Counts,
        "SELECT count(*) FILTER (WHERE closed_at IS NULL AND claimed_at IS NULL) AS open,"
        " count(*) FILTER (WHERE closed_at IS NULL AND claimed_at IS NOT NULL) AS claimed,"
        " count(*) FILTER (WHERE closed_at IS NOT NULL) AS closed"
        " FROM handoffs WHERE tenant_id = %s",
        [tx.tenant_id],
    )


async def name_of(tx: TenantTx, user_id: UserId | None) -> str | None:
    """The name of a member of the business."""
    name: str | None = await tx.value("SELECT name FROM users WHERE id = %s", [user_id])
    return name
