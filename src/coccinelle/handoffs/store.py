"""Rows of hand-offs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coccinelle.conversations.store import HELD
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import ConversationId, HandoffId, MessageId, UserId
from coccinelle.handoffs.model import Contact, Handoff, HandoffState, Presence


@dataclass(frozen=True)
class OpenRow:
    """The open hand-off of a conversation, and whether this call changed it."""

    id: HandoffId
    is_changed: bool


@dataclass(frozen=True)
class HeldRow:
    """The conversation of a hand-off, held until the transaction ends."""

    conversation_id: ConversationId
    next_seq: int


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


@dataclass(frozen=True)
class RepliesRow:
    """What people said to a customer who has not seen it, and whom it goes to.

    `is_fresh` when the last of it was said less than a while ago.
    """

    email: str
    reply_to: str | None
    company_name: str
    locale: str
    lines: list[dict[str, str | None]]
    last_seq: int
    is_fresh: bool


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


async def claim(tx: TenantTx, handoff_id: HandoffId, *, by: UserId, take_over: bool) -> int:
    """Give it to `by`: 1, or 0 when they have it, it is closed or not there, or another holds it.

    Who is no longer of the business, or is kept out of it, holds nothing.
    """
    return await tx.run(
        "UPDATE handoffs h SET claimed_at = now(), claimed_by = %(by)s"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s AND closed_at IS NULL"
        " AND claimed_by IS DISTINCT FROM %(by)s"
        f" AND (%(take_over)s OR NOT {HELD})",
        {"tenant": tx.tenant_id, "id": handoff_id, "by": by, "take_over": take_over},
    )


async def close(tx: TenantTx, handoff_id: HandoffId, *, by: UserId | None) -> int:
    """Close it: 1, or 0 when it is closed already or not there."""
    return await tx.run(
        "UPDATE handoffs SET closed_at = now(), closed_by = %s"
        " WHERE tenant_id = %s AND id = %s AND closed_at IS NULL",
        [by, tx.tenant_id, handoff_id],
    )


async def hold_conversation(tx: TenantTx, handoff_id: HandoffId) -> HeldRow | None:
    """The conversation of a hand-off: held before the hand-off is, as in the record of a turn."""
    return await tx.maybe(
        HeldRow,
        "SELECT c.id AS conversation_id, c.next_seq FROM handoffs h JOIN conversations c"
        " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
        " WHERE h.tenant_id = %s AND h.id = %s FOR NO KEY UPDATE OF c",
        [tx.tenant_id, handoff_id],
    )


async def insert_reply(
    tx: TenantTx, *, message_id: MessageId, held: HeldRow, by: UserId, text: str
) -> None:
    """Say it where an answer would stand: places of customers stay theirs."""
    await tx.run(
        "WITH said AS (INSERT INTO messages"
        "   (id, tenant_id, conversation_id, seq, author, user_id, text)"
        "   VALUES (%(id)s, %(tenant)s, %(conversation)s, %(seq)s, 'person', %(by)s, %(text)s))"
        " UPDATE conversations SET next_seq = %(seq)s + 1, last_message_at = now()"
        " WHERE tenant_id = %(tenant)s AND id = %(conversation)s",
        {
            "tenant": tx.tenant_id,
            "id": message_id,
            "conversation": held.conversation_id,
            "seq": held.next_seq + 1,
            "by": by,
            "text": text,
        },
    )


async def reply_of(tx: TenantTx, message_id: MessageId) -> str | None:
    """The text of a reply, if there is one of that id."""
    text: str | None = await tx.value(
        "SELECT text FROM messages WHERE tenant_id = %s AND id = %s", [tx.tenant_id, message_id]
    )
    return text


async def presence(tx: TenantTx, *, conversation_external_id: str) -> Presence | None:
    """Of the hand-off of a conversation that is not closed, if there is one."""
    return await tx.maybe(
        Presence,
        f"SELECT CASE WHEN {HELD} THEN 'claimed' ELSE 'open' END AS state,"
        f" CASE WHEN {HELD} THEN u.name END AS name"
        " FROM handoffs h JOIN conversations c"
        " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
        " LEFT JOIN users u ON u.id = h.claimed_by"
        " WHERE c.tenant_id = %s AND c.external_id = %s AND h.closed_at IS NULL",
        [tx.tenant_id, conversation_external_id],
    )


# A claim is told of what is over, and of what somebody holds.
_COUNTS = f"(h.closed_at IS NOT NULL OR {HELD})"
_HANDOFF = (
    "SELECT h.id, h.conversation_id, c.external_id AS conversation_external_id, h.reason,"
    " h.email, h.phone, h.note, h.opened_at, h.mailed_at, h.closed_at,"
    " (SELECT m.text FROM messages m WHERE m.tenant_id = h.tenant_id"
    "   AND m.conversation_id = h.conversation_id AND m.author = 'customer'"
    "   ORDER BY m.seq DESC LIMIT 1) AS last_message, c.identity, c.identity_email,"
    f" CASE WHEN {_COUNTS} THEN h.claimed_at END AS claimed_at,"
    f" CASE WHEN {_COUNTS} THEN h.claimed_by END AS claimed_by,"
    f" CASE WHEN {_COUNTS} THEN u.name END AS claimed_by_name, h.closed_by"
    " FROM handoffs h JOIN conversations c"
    " ON c.tenant_id = h.tenant_id AND c.id = h.conversation_id"
    " LEFT JOIN users u ON u.id = h.claimed_by"
    " WHERE h.tenant_id = %(tenant)s"
)
_IN_STATE = {
    None: "",
    "open": f" AND h.closed_at IS NULL AND NOT {HELD}",
    "claimed": f" AND h.closed_at IS NULL AND {HELD}",
    "closed": " AND h.closed_at IS NOT NULL",
}


async def handoff(tx: TenantTx, handoff_id: HandoffId) -> Handoff | None:
    return await tx.maybe(
        Handoff, f"{_HANDOFF} AND h.id = %(id)s", {"tenant": tx.tenant_id, "id": handoff_id}
    )


async def listed(
    tx: TenantTx, *, state: HandoffState | None, limit: int, before: HandoffId | None
) -> list[Handoff]:
    return await tx.all(
        Handoff,
        f"{_HANDOFF}{_IN_STATE[state]} AND (%(before)s::uuid IS NULL OR h.id < %(before)s)"
        " ORDER BY h.id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
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


async def see(tx: TenantTx, *, conversation_external_id: str, seq: int) -> None:
    """Note that the customer was shown what was said up to `seq`."""
    await tx.run(
        "UPDATE handoffs SET seen_seq = %(seq)s WHERE tenant_id = %(tenant)s AND seen_seq < %(seq)s"
        " AND conversation_id = (SELECT id FROM conversations"
        "   WHERE tenant_id = %(tenant)s AND external_id = %(external)s)",
        {"tenant": tx.tenant_id, "seq": seq, "external": conversation_external_id},
    )


async def unseen_replies(
    tx: TenantTx, handoff_id: HandoffId, *, fresh_seconds: float
) -> RepliesRow | None:
    """What to mail to a customer who left an address; None when there is nothing."""
    return await tx.maybe(
        RepliesRow,
        "SELECT h.email, t.email AS reply_to, t.company_name, t.locale, r.lines, r.last_seq,"
        " r.last_at > now() - make_interval(secs => %(fresh)s) AS is_fresh"
        " FROM handoffs h JOIN tenants t ON t.id = h.tenant_id CROSS JOIN LATERAL (SELECT"
        "   json_agg(json_build_object('name', u.name, 'text', m.text) ORDER BY m.seq) AS lines,"
        "   max(m.seq) AS last_seq, max(m.created_at) AS last_at"
        "   FROM messages m LEFT JOIN users u ON u.id = m.user_id"
        "   WHERE m.tenant_id = h.tenant_id AND m.conversation_id = h.conversation_id"
        "   AND m.author = 'person' AND m.created_at >= h.opened_at"
        "   AND m.seq > greatest(h.seen_seq, h.replies_mailed_seq)) r"
        " WHERE h.tenant_id = %(tenant)s AND h.id = %(id)s AND h.email IS NOT NULL"
        " AND r.last_seq IS NOT NULL",
        {"tenant": tx.tenant_id, "id": handoff_id, "fresh": fresh_seconds},
    )


async def mark_replies_mailed(tx: TenantTx, handoff_id: HandoffId, *, seq: int) -> None:
    await tx.run(
        "UPDATE handoffs SET replies_mailed_seq = greatest(replies_mailed_seq, %s)"
        " WHERE tenant_id = %s AND id = %s",
        [seq, tx.tenant_id, handoff_id],
    )
