"""What must be true of a business's conversations after anything at all, read from the database.

I1 a message that was acknowledged is there exactly once, and so is its answer; I2 every message has
one final state, or a lease that lives; I3 messages of a conversation are answered in the order of
their arrival; I5 no row is without its parent. The letters are those of the security notes. And
while a person has claimed a conversation no agent answers, and otherwise one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId

_I1 = {
    "a turn without exactly one message of its customer": """
        SELECT t.id FROM turns t LEFT JOIN messages m ON m.turn_id = t.id AND m.author = 'customer'
        GROUP BY t.id, t.seq HAVING count(m.id) <> 1 OR min(m.seq) <> t.seq""",
    "an answered turn without exactly one answer, right behind its message": """
        SELECT t.id FROM turns t LEFT JOIN messages m ON m.turn_id = t.id AND m.author = 'agent'
        WHERE t.state IN ('answered', 'escalated')
        GROUP BY t.id, t.seq HAVING count(m.id) <> 1 OR min(m.seq) <> t.seq + 1""",
    "an answer of a turn that has none": """
        SELECT t.id FROM turns t JOIN messages m ON m.turn_id = t.id AND m.author = 'agent'
        WHERE t.state IN ('accepted', 'answering', 'handed_over', 'failed')""",
    "one message id of two turns": """
        SELECT min(id::text) FROM turns WHERE message_key IS NOT NULL
        GROUP BY conversation_id, message_key HAVING count(*) > 1""",
    "a place in a conversation beyond its end": """
        SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.seq >= c.next_seq""",
}
_I2 = {
    "a turn that nobody answers and nobody ends": """
        SELECT id FROM turns WHERE state IN ('accepted', 'answering')
        AND (lease_expires_at < now() - interval '30 seconds'
             OR accepted_at < now() - interval '90 seconds')""",
    "a turn that is over without an end, a reason or a duration": """
        SELECT id FROM turns WHERE state NOT IN ('accepted', 'answering')
        AND (finished_at IS NULL OR latency_ms IS NULL OR finished_at < accepted_at
             OR (state = 'failed') <> (failure_code IS NOT NULL))""",
}
_I3 = {
    "an answer before that of an earlier message": """
        SELECT id FROM (SELECT id, finished_at, lag(finished_at) OVER
            (PARTITION BY conversation_id ORDER BY seq) AS before
            FROM turns WHERE state IN ('answered', 'escalated')) t
        WHERE finished_at < before""",
    "two turns of one conversation answering at once": """
        SELECT conversation_id FROM turns WHERE state = 'answering'
        GROUP BY conversation_id HAVING count(*) > 1""",
    "places that are not those of a question and its answer": """
        SELECT id FROM messages WHERE (author = 'customer') <> (seq % 2 = 1)""",
}
_WITH_A_PERSON = {
    "an agent that answers a message which came while a person had the conversation": """
        SELECT t.id FROM turns t JOIN handoffs h ON h.conversation_id = t.conversation_id
        WHERE t.state IN ('answered', 'escalated') AND t.accepted_at > h.claimed_at
        AND t.finished_at < coalesce(h.closed_at, 'infinity')""",
    "a message that is left to a person who is not there": """
        SELECT t.id FROM turns t WHERE t.state = 'handed_over' AND NOT EXISTS (
            SELECT FROM handoffs h WHERE h.conversation_id = t.conversation_id
            AND h.claimed_at < t.finished_at
            AND coalesce(h.closed_at, 'infinity') > t.accepted_at)""",
    "a model that is asked about what is a person's to answer": """
        SELECT t.id FROM turns t JOIN model_calls c ON c.turn_id = t.id
        WHERE t.state = 'handed_over'""",
}
_PARENTS = (
    ("conversations", "customer_id", "customers"),
    ("customer_identities", "customer_id", "customers"),
    ("turns", "conversation_id", "conversations"),
    ("messages", "conversation_id", "conversations"),
    ("messages", "turn_id", "turns"),
    ("turn_steps", "turn_id", "turns"),
    ("model_calls", "turn_id", "turns"),
    ("turn_sources", "turn_id", "turns"),
    ("feedback", "turn_id", "turns"),
    ("handoffs", "conversation_id", "conversations"),
)


@dataclass(frozen=True)
class Acknowledged:
    """What a client was told: that its message is written, and, where it was, the answer."""

    turn_id: UUID
    text: str
    answer: str | None = None


async def violations(
    db: Database, tenant_id: TenantId, acknowledged: Iterable[Acknowledged] = ()
) -> list[str]:
    """Every invariant that does not hold, with one row that breaks it."""
    async with db.tenant(tenant_id) as tx:
        found = [f"I1 {v}" for v in await _broken(tx, _I1)]
        found += [f"I2 {v}" for v in await _broken(tx, _I2)]
        found += [f"I3 {v}" for v in await _broken(tx, _I3)]
        found += await _broken(tx, _WITH_A_PERSON)
        found += [f"I5 {v}" for v in await _broken(tx, dict(map(_orphans, _PARENTS)))]
        for told in acknowledged:
            found += [f"I1 {v}" for v in await _lost(tx, told)]
    return found


async def _broken(tx: TenantTx, checks: dict[str, str]) -> list[str]:
    return [
        f"{promise}: {broken}"
        for promise, query in checks.items()
        if (broken := await tx.value(query)) is not None
    ]


def _orphans(relation: tuple[str, str, str]) -> tuple[str, str]:
    child, column, parent = relation
    return (
        f"a row of {child} without its {parent}",
        f"SELECT c.{column} FROM {child} c LEFT JOIN {parent} p ON p.id = c.{column}"
        f" AND p.tenant_id = c.tenant_id WHERE c.{column} IS NOT NULL AND p.id IS NULL",
    )


async def _lost(tx: TenantTx, told: Acknowledged) -> list[str]:
    said = "SELECT count(*) FROM messages WHERE turn_id = %s AND author = %s AND text = %s"
    lost = []
    if await tx.value(said, [told.turn_id, "customer", told.text]) != 1:
        lost.append(f"an acknowledged message is lost: {told.turn_id}")
    answer = told.answer
    if answer is not None and await tx.value(said, [told.turn_id, "agent", answer]) != 1:
        lost.append(f"an answer that was given is not there: {told.turn_id}")
    return lost
