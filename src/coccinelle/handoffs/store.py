"""Rows of hand-offs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import ConversationId, HandoffId
from coccinelle.handoffs.model import Contact, Handoff


@dataclass(frozen=True)
class OpenRow:
    """The open hand-off of a conversation, and whether this call changed it."""

    id: HandoffId
    is_changed: bool


@dataclass(frozen=True)
class MailRow:
    """What the mail about a hand-off says, and whom it goes to."""

    reason: str
    email: str | None
    phone: str | None
    note: str | None
    identity: str | None
    identity_email: str | None
    conversation_external_id: str
    company_name: str
    locale: str
    recipient: str | None
    lines: list[dict[str, str]]


async def open_or_update(
    tx: TenantTx,
    *,
    handoff_id: HandoffId,
    conversation_id: ConversationId,
    reason: str,
    contact: Contact,
) -> OpenRow:
    """Insert a hand-off, or add to the open one what the customer says of themselves now."""
    return await tx.one(
        OpenRow,
        "WITH before AS (SELECT email, phone, note FROM handoffs WHERE tenant_id = %(tenant)s"
        "   AND conversation_id = %(conversation)s AND closed_at IS NULL),"
        " written AS (INSERT INTO handoffs AS h (id, tenant_id, conversation_id, reason, email,"
        "   phone, note) VALUES (%(id)s, %(tenant)s, %(conversation)s, %(reason)s, %(email)s,"
        "   %(phone)s, %(note)s)"
        "   ON CONFLICT (tenant_id, conversation_id) WHERE closed_at IS NULL DO UPDATE SET"
        "   email = coalesce(excluded.email, h.email), phone = coalesce(excluded.phone, h.phone),"
        "   note = coalesce(excluded.note, h.note),"
        "   mailed_at = CASE WHEN (coalesce(excluded.email, h.email),"
        "     coalesce(excluded.phone, h.phone), coalesce(excluded.note, h.note))"
        "     IS NOT DISTINCT FROM (h.email, h.phone, h.note) THEN h.mailed_at END"
        "   RETURNING id, email, phone, note)"
        " SELECT written.id, NOT EXISTS (SELECT FROM before WHERE (before.email, before.phone,"
        "   before.note) IS NOT DISTINCT FROM (written.email, written.phone, written.note))"
        "   AS is_changed FROM written",
        {
            "id": handoff_id,
            "tenant": tx.tenant_id,
            "conversation": conversation_id,
            "reason": reason,
            "email": contact.email,
            "phone": contact.phone,
            "note": contact.note,
        },
    )


async def close(tx: TenantTx, handoff_id: HandoffId) -> int:
    """Close it: 1, or 0 when it is closed already or not there."""
    return await tx.run(
        "UPDATE handoffs SET closed_at = now()"
        " WHERE tenant_id = %s AND id = %s AND closed_at IS NULL",
        [tx.tenant_id, handoff_id],
    )


async def exists(tx: TenantTx, handoff_id: HandoffId) -> bool:
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM handoffs WHERE tenant_id = %s AND id = %s)",
        [tx.tenant_id, handoff_id],
    )
    return found


async def is_open(tx: TenantTx, *, conversation_external_id: str) -> bool:
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM handoffs h JOIN conversations c"
        " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
        " WHERE c.tenant_id = %s AND c.external_id = %s AND h.closed_at IS NULL)",
        [tx.tenant_id, conversation_external_id],
    )
    return found


async def listed(tx: TenantTx, *, only_open: bool, limit: int) -> list[Handoff]:
    return await tx.all(
        Handoff,
        "SELECT h.id, h.conversation_id, c.external_id AS conversation_external_id, h.reason,"
        " h.email, h.phone, h.note, h.opened_at, h.mailed_at, h.closed_at,"
        " (SELECT m.text FROM messages m WHERE m.tenant_id = h.tenant_id"
        "   AND m.conversation_id = h.conversation_id AND m.author = 'customer'"
        "   ORDER BY m.seq DESC LIMIT 1) AS last_message, c.identity, c.identity_email"
        " FROM handoffs h JOIN conversations c"
        " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
        " WHERE h.tenant_id = %s AND (h.closed_at IS NULL OR NOT %s) ORDER BY h.id DESC LIMIT %s",
        [tx.tenant_id, only_open, limit],
    )


async def unmailed(tx: TenantTx, handoff_id: HandoffId, *, lines: int) -> MailRow | None:
    """What to mail about a hand-off; None when it was mailed or closed."""
    row: list[dict[str, Any]] = await tx.records(
        "SELECT h.reason, h.email, h.phone, h.note, c.identity, c.identity_email,"
        " c.external_id AS conversation_external_id, t.company_name,"
        " t.locale, coalesce(t.handoff_email, t.email) AS recipient,"
        " coalesce((SELECT json_agg(json_build_object('author', m.author, 'text', m.text)"
        "   ORDER BY m.seq) FROM (SELECT author, text, seq FROM messages"
        "   WHERE tenant_id = h.tenant_id AND conversation_id = h.conversation_id"
        "   ORDER BY seq DESC LIMIT %s) m), '[]'::json) AS lines"
        " FROM handoffs h JOIN conversations c"
        " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
        " JOIN tenants t ON t.id = h.tenant_id"
        " WHERE h.tenant_id = %s AND h.id = %s AND h.mailed_at IS NULL AND h.closed_at IS NULL",
        [lines, tx.tenant_id, handoff_id],
    )
    return MailRow(**row[0]) if row else None


async def mark_mailed(tx: TenantTx, handoff_id: HandoffId, mailed: MailRow) -> None:
    """Note that the business was told, unless the customer has since said more than was mailed."""
    await tx.run(
        "UPDATE handoffs SET mailed_at = now() WHERE tenant_id = %s AND id = %s"
        " AND (email, phone, note) IS NOT DISTINCT FROM (%s::text, %s::text, %s::text)",
        [tx.tenant_id, handoff_id, mailed.email, mailed.phone, mailed.note],
    )
