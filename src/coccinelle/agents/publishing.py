"""Changes of agents that customers meet at once: the running engine is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from coccinelle.agents import actions
from coccinelle.agents.actions import Recognised
from coccinelle.agents.model import Configuration, Managed
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants.audit import Actor


class Running(Protocol):
    """The running engine, as far as it knows agents."""

    async def recognised(self, configuration: Configuration) -> Recognised | None:
        """By what an agent of this configuration is recognised; None where that is not known."""
        ...

    async def refresh(self, tenant_id: TenantId) -> None:
        """Know the tenant's agents as they are now. Never fails."""
        ...


class Publishing:
    """Publishes, restores, retires and orders agents: each is one transaction, then it is known."""

    def __init__(self, db: Database, running: Running) -> None:
        self._db = db
        self._running = running

    async def publish(
        self, tenant_id: TenantId, actor: Actor, key: str, *, revision: int | None = None
    ) -> Managed:
        """See `actions.publish_draft`. What recognises the draft is made while nobody waits."""
        async with self._db.tenant(tenant_id) as tx:
            agent = await actions.one(tx, key)
        draft = agent.draft
        recognised = await self._running.recognised(draft.configuration) if draft else None
        async with self._db.tenant(tenant_id) as tx:
            seen = agent.revision if revision is None else revision
            published = await actions.publish_draft(
                tx, actor, key, revision=seen, recognised=recognised
            )
        await self._running.refresh(tenant_id)
        return published

    async def restore(
        self,
        tenant_id: TenantId,
        actor: Actor,
        key: str,
        number: int,
        *,
        revision: int | None = None,
    ) -> Managed:
        """See `actions.restore`."""
        async with self._db.tenant(tenant_id) as tx:
            restored = await actions.restore(tx, actor, key, number, revision=revision)
        await self._running.refresh(tenant_id)
        return restored

    async def retire(
        self, tenant_id: TenantId, actor: Actor, key: str, *, revision: int | None = None
    ) -> Managed:
        """See `actions.retire`."""
        async with self._db.tenant(tenant_id) as tx:
            retired = await actions.retire(tx, actor, key, revision=revision)
        await self._running.refresh(tenant_id)
        return retired

    async def order(self, tenant_id: TenantId, actor: Actor, keys: Sequence[str]) -> list[Managed]:
        """See `actions.put_in_order`."""
        async with self._db.tenant(tenant_id) as tx:
            ordered = await actions.put_in_order(tx, actor, keys)
        await self._running.refresh(tenant_id)
        return ordered
