"""Rows of onboarding sessions and of what happened in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId, uuid7
from coccinelle.onboarding.hours import SLOT as HOURS_SLOT
from coccinelle.onboarding.model import STEPS, Held, Kind, Place, Session, Step, progress_of

_DONE = {
    "business": "EXISTS (SELECT FROM tenants WHERE id = s.tenant_id AND described_at IS NOT NULL)",
    "staff": "EXISTS (SELECT FROM staff WHERE tenant_id = s.tenant_id)",
    "assistant": "EXISTS (SELECT FROM agents WHERE tenant_id = s.tenant_id"
    " AND live_version_id IS NOT NULL)",
    "knowledge": "EXISTS (SELECT FROM sources WHERE tenant_id = s.tenant_id"
    f" AND slot IS DISTINCT FROM '{HOURS_SLOT}')",
}
_STEPS = ", ".join(
    f"{_DONE[step]} AS {step}_done, {step}.at AS {step}_at, {step}.ms AS {step}_ms"
    for step in STEPS
)
# When a step was first saved, and how long after it was last entered before.
_FIRST_SAVED = " ".join(
    f"LEFT JOIN LATERAL (SELECT saved.happened_at AS at,"
    f" (extract(epoch FROM saved.happened_at - max(entered.happened_at)) * 1000)::integer AS ms"
    f" FROM onboarding_events saved LEFT JOIN onboarding_events entered"
    f" ON entered.tenant_id = saved.tenant_id AND entered.session_id = saved.session_id"
    f" AND entered.step = saved.step AND entered.kind = 'entered'"
    f" AND entered.happened_at <= saved.happened_at"
    f" WHERE saved.tenant_id = s.tenant_id AND saved.session_id = s.id"
    f" AND saved.step = '{step}' AND saved.kind = 'saved'"
    f" GROUP BY saved.id ORDER BY saved.happened_at LIMIT 1) {step} ON true"
    for step in STEPS
)


async def insert_session(tx: TenantTx, session_id: UUID) -> bool:
    """False where one is open. It is about the same agent as the one before."""
    return bool(
        await tx.run(
            "INSERT INTO onboarding_sessions (id, tenant_id, agent_id)"
            " SELECT %(id)s, %(tenant)s, (SELECT agent_id FROM onboarding_sessions"
            " WHERE tenant_id = %(tenant)s ORDER BY started_at DESC LIMIT 1)"
            " ON CONFLICT DO NOTHING",
            {"id": session_id, "tenant": tx.tenant_id},
        )
    )


async def open_session(tx: TenantTx) -> Held | None:
    return await tx.maybe(
        Held,
        "SELECT id, current_step, agent_id, completed_at FROM onboarding_sessions"
        " WHERE tenant_id = %s AND completed_at IS NULL",
        [tx.tenant_id],
    )


async def hold(tx: TenantTx, session_id: UUID) -> Held | None:
    return await tx.maybe(
        Held,
        "SELECT id, current_step, agent_id, completed_at FROM onboarding_sessions"
        " WHERE tenant_id = %s AND id = %s FOR UPDATE",
        [tx.tenant_id, session_id],
    )


async def advance(tx: TenantTx, session_id: UUID, current_step: int) -> None:
    await tx.run(
        "UPDATE onboarding_sessions SET current_step = %s WHERE tenant_id = %s AND id = %s",
        [current_step, tx.tenant_id, session_id],
    )


async def set_agent(tx: TenantTx, session_id: UUID, agent_id: AgentId) -> None:
    await tx.run(
        "UPDATE onboarding_sessions SET agent_id = %s WHERE tenant_id = %s AND id = %s",
        [agent_id, tx.tenant_id, session_id],
    )


async def complete(tx: TenantTx, session_id: UUID) -> None:
    await tx.run(
        "UPDATE onboarding_sessions SET current_step = 6, completed_at = clock_timestamp()"
        " WHERE tenant_id = %s AND id = %s",
        [tx.tenant_id, session_id],
    )


async def describe(tx: TenantTx) -> None:
    await tx.run("UPDATE tenants SET described_at = now() WHERE id = %s", [tx.tenant_id])


async def session(tx: TenantTx, session_id: UUID) -> Session | None:
    rows = await tx.records(
        f"SELECT s.id, s.current_step, s.started_at, s.completed_at, {_STEPS}"
        f" FROM onboarding_sessions s {_FIRST_SAVED} WHERE s.tenant_id = %s AND s.id = %s",
        [tx.tenant_id, session_id],
    )
    if not rows:
        return None
    row = rows[0]
    started: datetime = row["started_at"]
    return Session(row["id"], row["current_step"], started, row["completed_at"], progress_of(row))


async def done(tx: TenantTx) -> list[Step]:
    """Steps whose rows are there, whether onboarding wrote them or somebody else did."""
    columns = ", ".join(f"{_DONE[step]} AS {step}" for step in STEPS)
    row = (
        await tx.records(f"SELECT {columns} FROM (SELECT %s::uuid AS tenant_id) s", [tx.tenant_id])
    )[0]
    return [step for step in STEPS if row[step]]


async def insert_events(
    tx: TenantTx,
    session_id: UUID,
    events: Sequence[tuple[Place, Kind]],
    *,
    failure_code: str | None = None,
) -> None:
    await tx.run(
        "INSERT INTO onboarding_events (id, tenant_id, session_id, step, kind, code, happened_at)"
        " SELECT e.id, %s, %s, e.step, e.kind, %s, clock_timestamp()"
        " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS e (id, step, kind)",
        [tx.tenant_id, session_id, failure_code, [uuid7() for _ in events]]
        + [[step for step, _ in events], [kind for _, kind in events]],
    )
