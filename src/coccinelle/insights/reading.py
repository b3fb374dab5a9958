"""The figures that are asked for, read in the transaction that is given."""

from __future__ import annotations

from coccinelle.foundation.clock import now
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.insights import store
from coccinelle.insights.model import (
    ByAgent,
    Day,
    Figures,
    OfAgent,
    Period,
    Thumbs,
    Volume,
    Wanted,
    period_of,
)
from coccinelle.tenants import store as tenants

STAGED_TURNS = 2_000
"""Of a period, those whose steps are read: its latest."""


async def period(tx: TenantTx, wanted: Wanted) -> Period:
    """The days that are meant, where the business is. Raises `Invalid`."""
    tenant = await tenants.tenant(tx)
    if tenant is None:
        raise NotFound
    return period_of(wanted, at=now(), timezone=tenant.timezone)


async def volume(tx: TenantTx, chosen: Period, *, with_latency: bool = True) -> Volume:
    """What was asked of all agents together, and what came of it."""
    span = chosen.span
    counted = await store.counted(tx, [span], with_latency=with_latency)
    return Volume(await store.conversations(tx, span), counted[0])


async def figures(tx: TenantTx, chosen: Period, *, with_latency: bool = True) -> Figures:
    """The same, with what customers and the business's people made of it."""
    span = chosen.span
    asked = await volume(tx, chosen, with_latency=with_latency)
    said = (await store.thumbs(tx, span)).values()
    return Figures(
        asked.conversations,
        asked.counted,
        waits=await store.waits(tx, span),
        thumbs=Thumbs(sum(one.up for one in said), sum(one.down for one in said)),
    )


async def series(tx: TenantTx, chosen: Period, *, with_latency: bool = True) -> list[Day]:
    """Each day of the period, those without a turn too."""
    found = await store.counted(tx, chosen.day_spans, with_latency=with_latency)
    return [Day(*pair) for pair in zip(chosen.days, found, strict=True)]


async def by_agent(tx: TenantTx, chosen: Period, *, staged_turns: int = STAGED_TURNS) -> ByAgent:
    """Each agent by itself, and what the steps of the latest `staged_turns` turns took."""
    span = chosen.span
    said = await store.thumbs(tx, span)
    steps = await store.stages(tx, span, most_turns=staged_turns)
    agents = [
        OfAgent(
            agent_id=row.agent_id,
            key=row.key,
            name=row.name,
            counted=row.counted,
            thumbs=said.get(row.agent_id, Thumbs()),
            stages=steps.get((True, row.agent_id), []),
        )
        for row in await store.agents(tx, span)
    ]
    return ByAgent(chosen, agents, steps.get((False, None), []))
