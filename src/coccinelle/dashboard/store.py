"""What the home page counts."""

from __future__ import annotations

from dataclasses import dataclass

from coccinelle.conversations.store import HELD
from coccinelle.foundation.database import TenantTx

# When today began where the business is; as a value of its own, so that an index begins there.
_MIDNIGHT = "(SELECT date_trunc('day', now(), timezone) FROM tenants WHERE id = %(tenant)s)"


@dataclass(frozen=True)
class Today:
    """What was said since midnight where the business is; `answered` by an assistant alone."""

    conversations: int
    turns: int
    answered: int


@dataclass(frozen=True)
class Needs:
    """What waits for somebody of the business.

    Customers whom nobody has taken yet, and for how many seconds the first of them waits;
    questions that were asked in vain; sources that could not be read; what is left to do of the
    latest exam that is over.
    """

    waiting: int
    waiting_seconds: float | None
    gaps: int
    failed_sources: int
    exam_questions: int


async def today(tx: TenantTx) -> Today:
    return await tx.one(
        Today,
        "SELECT count(DISTINCT conversation_id) AS conversations, count(*) AS turns,"
        " count(*) FILTER (WHERE state = 'answered') AS answered"
        f" FROM turns WHERE tenant_id = %(tenant)s AND accepted_at >= {_MIDNIGHT}",
        {"tenant": tx.tenant_id},
    )


async def needs(tx: TenantTx) -> Needs:
    return await tx.one(
        Needs,
        "SELECT h.waiting, h.waiting_seconds,"
        " (SELECT count(*) FROM knowledge_gaps WHERE tenant_id = %(tenant)s"
        "  AND settled_at IS NULL) AS gaps,"
        " (SELECT count(*) FROM sources WHERE tenant_id = %(tenant)s AND state = 'failed')"
        "  AS failed_sources,"
        " (SELECT count(*) FROM exam_questions q JOIN exams e ON e.tenant_id = q.tenant_id"
        "  AND e.id = q.exam_id WHERE q.tenant_id = %(tenant)s AND e.id ="
        "   (SELECT id FROM exams WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1)"
        "  AND e.finished_at IS NOT NULL AND q.verdict <> 'answered' AND q.resolved_at IS NULL)"
        "  AS exam_questions"
        " FROM (SELECT count(*) AS waiting,"
        "  extract(epoch FROM now() - min(h.opened_at))::float8 AS waiting_seconds FROM handoffs h"
        f"  WHERE h.tenant_id = %(tenant)s AND h.closed_at IS NULL AND NOT {HELD}) h",
        {"tenant": tx.tenant_id},
    )


async def spent_today(tx: TenantTx) -> int:
    """What models cost since midnight where the business is, in micro-euros; rehearsals of drafts
    are not counted.
    """
    found: int = await tx.value(
        "WITH spent AS (SELECT cost_microeur FROM turns"
        f"  WHERE tenant_id = %(tenant)s AND accepted_at >= {_MIDNIGHT}"
        " UNION ALL SELECT cost_microeur FROM exams"
        f"  WHERE tenant_id = %(tenant)s AND created_at >= {_MIDNIGHT}"
        " UNION ALL SELECT cost_microeur FROM onboarding_suggestions"
        f"  WHERE tenant_id = %(tenant)s AND created_at >= {_MIDNIGHT})"
        " SELECT coalesce(sum(cost_microeur), 0)::bigint FROM spent",
        {"tenant": tx.tenant_id},
    )
    return found
