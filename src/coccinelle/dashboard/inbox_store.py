"""What the inbox counts, and whose name it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coccinelle.conversations.store import HELD
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import ConversationId, UserId


@dataclass(frozen=True)
class Counts:
    """Hand-offs by their state."""

    open: int
    claimed: int
    closed: int


async def counts(tx: TenantTx) -> Counts:
    return await tx.one(
        Counts,
        f"SELECT count(*) FILTER (WHERE h.closed_at IS NULL AND NOT {HELD}) AS open,"
        f" count(*) FILTER (WHERE h.closed_at IS NULL AND {HELD}) AS claimed,"
        " count(*) FILTER (WHERE h.closed_at IS NOT NULL) AS closed"
        " FROM handoffs h WHERE h.tenant_id = %s",
        [tx.tenant_id],
    )


async def name_of(tx: TenantTx, user_id: UserId | None) -> str | None:
    """The name of a member of the business."""
    name: str | None = await tx.value("SELECT name FROM users WHERE id = %s", [user_id])
    return name


async def visitors(
    tx: TenantTx, conversation_ids: Sequence[ConversationId]
) -> dict[ConversationId, str]:
    """What the widget or a program calls the customers of conversations, where it says so."""
    found = await tx.records(
        "SELECT DISTINCT ON (c.id) c.id, i.value FROM conversations c"
        " JOIN customer_identities i ON i.tenant_id = c.tenant_id"
        " AND i.customer_id = c.customer_id AND i.kind = 'external_id'"
        " WHERE c.tenant_id = %s AND c.id = ANY(%s) ORDER BY c.id, i.created_at",
        [tx.tenant_id, list(conversation_ids)],
    )
    return {row["id"]: row["value"] for row in found}
