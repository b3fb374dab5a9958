"""What is done to a hand-off: opened once, listed, closed."""

from __future__ import annotations

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.ids import ConversationId, HandoffId, uuid7
from coccinelle.handoffs import store
from coccinelle.handoffs.jobs import mail_handoff
from coccinelle.handoffs.model import MAX_REASON_CHARS, Handoff, contact


async def open(  # noqa: A001  (the verb of the business: a hand-off is opened)
    tx: TenantTx,
    *,
    conversation_id: ConversationId,
    reason: str,
    email: str | None = None,
    phone: str | None = None,
    note: str | None = None,
) -> HandoffId:
    """Ask for a person, once a conversation: an open hand-off is returned as it is.

    What the customer newly says of themselves is added to it. The business is mailed when there is
    something new to say, if and only if `tx` commits.

    Raises:
        Invalid: an e-mail address or a phone number that is none, or a note too long.
    """
    row = await store.open_or_update(
        tx,
        handoff_id=HandoffId(uuid7()),
        conversation_id=conversation_id,
        reason=reason[:MAX_REASON_CHARS],
        contact=contact(email=email, phone=phone, note=note),
    )
    if row.is_changed:
        await tx.defer(mail_handoff, handoff_id=str(row.id), lock=f"handoff:{row.id}")
    return row.id


async def close(tx: TenantTx, handoff_id: HandoffId) -> None:
    """A person took care of it; a second time changes nothing. Raises `NotFound`."""
    if not await store.close(tx, handoff_id) and not await store.exists(tx, handoff_id):
        raise NotFound("handoff_not_found")


async def is_open(tx: TenantTx, *, conversation_external_id: str) -> bool:
    """Whether the conversation's customer waits for a person."""
    return await store.is_open(tx, conversation_external_id=conversation_external_id)


async def list_handoffs(tx: TenantTx, *, only_open: bool = True, limit: int = 50) -> list[Handoff]:
    """Hand-offs of the tenant, newest first."""
    return await store.listed(tx, only_open=only_open, limit=limit)
