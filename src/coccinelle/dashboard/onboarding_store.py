"""What the wizard's screens ask of several rooms at once; they write through actions only."""

from __future__ import annotations

from dataclasses import dataclass

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import SourceId
from coccinelle.onboarding.model import Held


@dataclass(frozen=True)
class Read:
    """What was read of a source: documents that answer, documents that could not be read."""

    source_id: SourceId
    documents: int
    failed: int


async def latest_onboarding(tx: TenantTx) -> Held | None:
    """The session that is open, else the one that was opened last."""
    return await tx.maybe(
        Held,
        "SELECT id, current_step, agent_id, completed_at FROM onboarding_sessions"
        " WHERE tenant_id = %s ORDER BY completed_at IS NULL DESC, started_at DESC LIMIT 1",
        [tx.tenant_id],
    )


async def has_taken_exam(tx: TenantTx) -> bool:
    """Whether the assistant has been asked all of an exam."""
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM exams WHERE tenant_id = %s AND state = 'done')",
        [tx.tenant_id],
    )
    return found


async def documents_read(tx: TenantTx) -> list[Read]:
    """By source, those that have any."""
    return await tx.all(
        Read,
        "SELECT source_id, count(*) FILTER (WHERE failure_code IS NULL) AS documents,"
        " count(*) FILTER (WHERE failure_code IS NOT NULL) AS failed"
        " FROM documents WHERE tenant_id = %s GROUP BY source_id",
        [tx.tenant_id],
    )
