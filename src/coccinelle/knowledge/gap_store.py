"""Rows of questions that the knowledge had no answer to, and what became of them."""

from __future__ import annotations

from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import uuid7
from coccinelle.knowledge.model import Gap, Order, Settled

_GAP = (
    "SELECT id, question, best_score, asked_count, first_asked_at, last_asked_at, settled_as,"
    " settled_at FROM knowledge_gaps"
)
# The first column that a list is ordered by, the rest alike: a list goes on below its last item.
_RANKS = {
    "latest": "last_asked_at, id",
    "most_asked": "asked_count, last_asked_at, id",
}


async def record(
    tx: TenantTx,
    *,
    question: str,
    question_sha256: bytes,
    best_score: float | None,
    answers_slot: str,
) -> None:
    """Asked again, a question counts once more; one that was answered is open again, unless what
    answers it, in `answers_slot`, is being read."""
    await tx.run(
        "INSERT INTO knowledge_gaps AS g (id, tenant_id, question, question_sha256, best_score)"
        " VALUES (%(id)s, %(tenant)s, %(question)s, %(sha256)s, %(score)s)"
        " ON CONFLICT (tenant_id, question_sha256) DO UPDATE SET asked_count = g.asked_count + 1,"
        " last_asked_at = now(), best_score = excluded.best_score,"
        " (settled_as, settled_at) = (SELECT s.settled_as, s.settled_at"
        "  FROM (VALUES (g.settled_as, g.settled_at)) s (settled_as, settled_at)"
        "  WHERE s.settled_as = 'dismissed' OR EXISTS (SELECT FROM sources"
        "   WHERE tenant_id = %(tenant)s AND slot = %(slot)s"
        "   AND state IN ('waiting', 'reading', 'embedding')))",
        {
            "id": uuid7(),
            "tenant": tx.tenant_id,
            "question": question,
            "sha256": question_sha256,
            "score": best_score,
            "slot": answers_slot,
        },
    )


async def gaps(tx: TenantTx, *, limit: int, after: UUID | None, order: Order) -> list[Gap]:
    """Those that are open, the first by `order` first; those after the gap `after`."""
    rank = _RANKS[order]
    descending = ", ".join(f"{column} DESC" for column in rank.split(", "))
    return await tx.all(
        Gap,
        f"{_GAP} WHERE tenant_id = %(tenant)s AND settled_at IS NULL AND (%(after)s::uuid IS NULL"
        f" OR ({rank}) < (SELECT {rank} FROM knowledge_gaps"
        "   WHERE tenant_id = %(tenant)s AND id = %(after)s))"
        f" ORDER BY {descending} LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "after": after, "limit": limit},
    )


async def gap(tx: TenantTx, gap_id: UUID) -> Gap | None:
    """It is not changed by anybody else before this transaction ends."""
    return await tx.maybe(
        Gap, _GAP + " WHERE tenant_id = %s AND id = %s FOR UPDATE", [tx.tenant_id, gap_id]
    )


async def count(tx: TenantTx) -> int:
    """How many are open."""
    found: int = await tx.value(
        "SELECT count(*) FROM knowledge_gaps WHERE tenant_id = %s AND settled_at IS NULL",
        [tx.tenant_id],
    )
    return found


async def settle(tx: TenantTx, gap_id: UUID, settled_as: Settled | None) -> Gap | None:
    """None as `settled_as` opens it again."""
    return await tx.maybe(
        Gap,
        "UPDATE knowledge_gaps SET settled_as = %(as)s::text,"
        " settled_at = CASE WHEN %(as)s::text IS NOT NULL THEN now() END"
        " WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING id, question, best_score,"
        " asked_count, first_asked_at, last_asked_at, settled_as, settled_at",
        {"as": settled_as, "tenant": tx.tenant_id, "id": gap_id},
    )
