"""What the wizard's screens ask of several rooms at once; they write through actions only."""

from __future__ import annotations

from coccinelle.foundation.database import TenantTx
from coccinelle.onboarding.model import Held


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
