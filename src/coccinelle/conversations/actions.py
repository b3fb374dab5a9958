"""What is done to a conversation: a message admitted, a turn started, ended, told again."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid4, uuid5

from psycopg.errors import UniqueViolation

from coccinelle.conversations import store
from coccinelle.conversations.model import (
    Admitted,
    Arrival,
    Context,
    Draft,
    HistoryItem,
    Limits,
    Message,
    Outcome,
    Repeated,
    State,
)
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import Conflict, FieldError, Invalid, NotFound, TooMany
from coccinelle.foundation.ids import ConversationId, TurnId, uuid7
from coccinelle.tenants.model import is_email

RACE_ATTEMPTS = 5


async def admit(db: Database, arrival: Arrival, limits: Limits) -> Admitted | Repeated:
    """Write a message and its turn in one transaction, or say which turn it already has.

    A message that was sent before is neither counted nor queued.

    Raises:
        NotFound: the conversation is another user's.
        Conflict: this message id was used for another message.
        TooMany: too many messages of this user, conversation or address, or too many waiting.
    """
    for attempt in range(RACE_ATTEMPTS):
        try:
            async with db.tenant(arrival.tenant_id) as tx:
                return await _admit(tx, arrival, limits)
        except UniqueViolation:
            # Two first messages of one conversation at once: the other one has made it by now.
            if attempt == RACE_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _admit(tx: TenantTx, arrival: Arrival, limits: Limits) -> Admitted | Repeated:
    conversation = await store.open_conversation(tx, arrival)
    if conversation.customer_id != conversation.asking_customer_id:
        raise NotFound("conversation_not_found")
    turn_id, lease_id = TurnId(uuid7()), uuid4()
    row = await _write(tx, arrival, conversation, turn_id, lease_id, limits)
    if row.repeated_id is not None and row.repeated_stale:
        await store.forget_key(tx, turn_id=row.repeated_id)
        row = await _write(tx, arrival, conversation, turn_id, lease_id, limits)
    if row.repeated_id is not None and row.repeated_state is not None:
        if not row.repeated_same:
            raise Conflict("message_id_reused")
        return Repeated(row.repeated_id, row.repeated_state)
    _check_counts(row, limits)
    context = _context(row)
    seq = conversation.next_seq
    return Admitted(turn_id, conversation.id, seq, lease_id, row.is_waiting, context)


async def _write(
    tx: TenantTx,
    arrival: Arrival,
    conversation: store.ConversationRow,
    turn_id: TurnId,
    lease_id: UUID,
    limits: Limits,
) -> store.AdmissionRow:
    subjects = [f"user:{arrival.user_id}", f"conversation:{arrival.conversation_id}"]
    if arrival.address is not None:
        subjects.append(f"address:{arrival.address}")
    return await store.admit(
        tx,
        arrival=arrival,
        conversation_id=conversation.id,
        seq=conversation.next_seq,
        turn_id=turn_id,
        lease_id=lease_id,
        message_id=_message_id(arrival, turn_id),
        message_sha256=hashlib.sha256(arrival.text.encode()).digest(),
        subjects=subjects,
        limits=limits,
    )


def _message_id(arrival: Arrival, turn_id: TurnId) -> UUID:
    """Derived from the turn, which is the one that a repeated message finds again."""
    return uuid5(turn_id, f"customer:{arrival.message_key or ''}")


def _check_counts(row: store.AdmissionRow, limits: Limits) -> None:
    if row.most_hits > limits.messages or row.address_hits > limits.address_messages:
        raise TooMany("rate_limited", retry_after_seconds=max(1, row.wait_seconds))
    if row.waiting_count >= limits.waiting and row.is_waiting:
        raise TooMany("rate_limited", retry_after_seconds=2)


def _context(row: store.AdmissionRow | store.ContextRow) -> Context:
    history = tuple(Message(item["author"], item["text"]) for item in row.history)  # type: ignore[arg-type]
    return Context(
        history=history,
        customer_messages=row.customer_messages,
        last_agent_id=row.last_agent_id,
        last_outcome=_outcome(row.last_state),
        handoff_open=row.handoff_open,
        handoff_claimed=row.handoff_claimed,
    )


def _outcome(state: State | None) -> Outcome | None:
    return None if state in (None, "accepted", "answering") else state  # type: ignore[return-value]


async def start_waiting(tx: TenantTx, admitted: Admitted, limits: Limits) -> Context | None:
    """The turn's context once it is first in its conversation and now answering; else None."""
    await store.fail_dead_turns(tx, conversation_id=admitted.conversation_id)
    if not await store.start_waiting_turn(tx, admitted, lease_seconds=limits.lease_seconds):
        return None
    row = await store.context(
        tx,
        conversation_id=admitted.conversation_id,
        seq=admitted.seq,
        history_messages=limits.history_messages,
    )
    return _context(row)


async def reopen(tx: TenantTx, turn_id: TurnId, limits: Limits) -> Admitted | None:
    """A failed turn, waiting to be answered again; None when it is not failed (any more)."""
    lease_id = uuid4()
    row = await store.reopen_turn(
        tx, turn_id=turn_id, lease_id=lease_id, lease_seconds=limits.lease_seconds
    )
    if row is None:
        return None
    conversation_id = ConversationId(row["conversation_id"])
    return Admitted(turn_id, conversation_id, row["seq"], lease_id, True, Context())


async def finish(tx: TenantTx, draft: Draft) -> bool:
    """Record what became of a turn; false when it is no longer the draft's lease that holds it.

    Its calls to language models are recorded all the same: they were paid for.
    """
    written = await store.finish_turn(tx, draft, message_id=uuid5(draft.turn_id, "agent"))
    if not written and draft.calls:
        await store.record_calls(tx, draft)
    return written == 1


async def give_feedback(tx: TenantTx, *, turn_id: TurnId, score: int, comment: str | None) -> None:
    """Keep what a customer thought of an answer; the last word counts. Raises `NotFound`."""
    if await store.turn_state(tx, turn_id) is None:
        raise NotFound("turn_not_found")
    await store.save_feedback(tx, turn_id=turn_id, score=score, comment=comment)


async def read_history(
    tx: TenantTx,
    *,
    external_id: str,
    user_id: str,
    after_seq: int,
    limit: int,
    only_settled: bool = False,
) -> list[HistoryItem]:
    """What was said after `after_seq`, oldest first.

    Args:
        only_settled: nothing that is later than an answer that is still to come: all that will be
            said has a higher `seq` than what is given.

    Raises:
        NotFound: the conversation is not there, or not that user's.
    """
    conversation_id = await store.conversation_of(tx, external_id=external_id, user_id=user_id)
    if conversation_id is None:
        raise NotFound("conversation_not_found")
    return await store.history(
        tx,
        conversation_id=conversation_id,
        after_seq=after_seq,
        limit=limit,
        only_settled=only_settled,
    )


async def remaining(tx: TenantTx, *, external_id: str, limits: Limits) -> int:
    """How many messages this conversation and its user may send now."""
    user = await store.user_of(tx, external_id=external_id)
    window = limits.window_seconds
    used = await store.hits(tx, subject=f"conversation:{external_id}", window_seconds=window)
    if user is not None:
        by_user = await store.hits(tx, subject=f"user:{user}", window_seconds=window)
        used = max(used, by_user)
    return max(0, limits.messages - used)


async def identify(
    tx: TenantTx, *, external_id: str, user_id: str, identity: str, email: str | None
) -> str | None:
    """Note who the customer of a conversation is, by an id that the caller knows to be proven.

    It is of this conversation, and not of whatever else was said from the same browser: on a shared
    one, the next person may be another. The e-mail address is only what the page says; the last
    word counts. Returns the address as it is kept.

    Raises:
        NotFound: there is no such conversation of that user.
        Invalid: an e-mail address that is none.
    """
    address = (email or "").strip() or None
    if address and not is_email(address):
        raise Invalid(errors=(FieldError("email", "bad_email"),))
    found = await store.conversation_of(tx, external_id=external_id, user_id=user_id)
    if found is None:
        raise NotFound("conversation_not_found")
    await store.identify(tx, found, identity=identity, email=address)
    return address
