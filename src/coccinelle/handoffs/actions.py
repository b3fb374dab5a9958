"""What is done to a hand-off: opened once, claimed by a person, answered, closed."""

from __future__ import annotations

from uuid import uuid5

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict, NotFound
from coccinelle.foundation.ids import ConversationId, HandoffId, MessageId, UserId, uuid7
from coccinelle.handoffs import store
from coccinelle.handoffs.jobs import REPLIES_AFTER_SECONDS, mail_handoff, mail_replies
from coccinelle.handoffs.model import (
    MAX_REASON_CHARS,
    Handoff,
    HandoffClaimed,
    HandoffClosed,
    HandoffState,
    Presence,
    contact,
    reply_text,
)
from coccinelle.tenants import audit


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


async def claim(
    tx: TenantTx, handoff_id: HandoffId, *, by: UserId, take_over: bool = False
) -> Handoff:
    """Let `by` take care of the customer: the assistant is silent from the next message on.

    A second time changes nothing. What somebody holds who has left the business is free.

    Args:
        take_over: take it from who holds it; for those alone who may (an admin).

    Raises:
        NotFound: there is no such hand-off.
        HandoffClaimed: somebody else holds it.
        HandoffClosed: it is over.
    """
    if await store.claim(tx, handoff_id, by=by, take_over=take_over):
        await audit.record(tx, audit.user(by), "handoff.claimed", about=handoff_id)
    found = await one(tx, handoff_id)
    if found.state == "closed":
        raise HandoffClosed
    if found.claimed_by != by:
        raise HandoffClaimed
    return found


async def reply(
    tx: TenantTx, handoff_id: HandoffId, *, by: UserId, text: str, message_key: str
) -> MessageId:
    """Say something to the customer, in the conversation; claims what nobody has claimed.

    The same key again is the same message, and says nothing twice. A customer who left an e-mail
    address and does not see it within two minutes gets it by mail, if and only if `tx` commits.

    Raises:
        Invalid: blank, or more than `MAX_REPLY_CHARS`.
        NotFound, HandoffClaimed, HandoffClosed: as `claim`.
        Conflict: `message_id_reused`: the key was used for another text.
    """
    said = reply_text(text)
    held = await store.hold_conversation(tx, handoff_id)
    if held is None:
        raise NotFound("handoff_not_found")
    message_id = MessageId(uuid5(handoff_id, f"person:{by}:{message_key}"))
    before = await store.reply_of(tx, message_id)
    if before is None:
        found = await claim(tx, handoff_id, by=by)
        await store.insert_reply(tx, message_id=message_id, held=held, by=by, text=said)
        await audit.record(
            tx, audit.user(by), "handoff.replied", about=handoff_id, message_id=message_id
        )
        if found.email is not None:
            await _mail_later(tx, handoff_id)
    elif before != said:
        raise Conflict("message_id_reused")
    return message_id


async def _mail_later(tx: TenantTx, handoff_id: HandoffId) -> None:
    await tx.defer(
        mail_replies,
        handoff_id=str(handoff_id),
        lock=f"replies:{handoff_id}",
        schedule_in={"seconds": REPLIES_AFTER_SECONDS},
    )


async def see(tx: TenantTx, *, conversation_external_id: str, seq: int) -> None:
    """The customer was shown what was said up to `seq`: it need not be mailed."""
    await store.see(tx, conversation_external_id=conversation_external_id, seq=seq)


async def close(
    tx: TenantTx,
    handoff_id: HandoffId,
    *,
    by: UserId | None,
    actor: audit.Actor = audit.OPERATOR,
) -> None:
    """It is taken care of, and the assistant answers again; a second time changes nothing.

    Args:
        by: the person who closes it; whoever may do so, and not only who has claimed it.
        actor: who closes it when it is no person.

    Raises:
        NotFound: there is no such hand-off.
    """
    if await store.close(tx, handoff_id, by=by):
        who = actor if by is None else audit.user(by)
        await audit.record(tx, who, "handoff.closed", about=handoff_id)
    else:
        await one(tx, handoff_id)


async def presence(tx: TenantTx, *, conversation_external_id: str) -> Presence | None:
    """Whether the conversation's customer waits for a person, or is with one, and with whom."""
    return await store.presence(tx, conversation_external_id=conversation_external_id)


async def one(tx: TenantTx, handoff_id: HandoffId) -> Handoff:
    """The hand-off. Raises `NotFound`."""
    found = await store.handoff(tx, handoff_id)
    if found is None:
        raise NotFound("handoff_not_found")
    return found


async def list_handoffs(
    tx: TenantTx,
    *,
    state: HandoffState | None = None,
    limit: int = 50,
    before: HandoffId | None = None,
) -> list[Handoff]:
    """Hand-offs of the tenant, newest first, from the one before `before` on; None: any state."""
    return await store.listed(tx, state=state, limit=limit, before=before)
