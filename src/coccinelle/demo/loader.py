"""Loads the demo: each tenant whole in one transaction, then its knowledge, resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coccinelle.agents import actions as agents
from coccinelle.channels.widget import actions as widget
from coccinelle.demo import content
from coccinelle.demo.content import DemoTenant
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.foundation.ids import SourceId, TenantId, uuid7
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import Source
from coccinelle.knowledge.search import search
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store as tenants_store

AT_ONCE = 2
MOST_SOURCES = 200

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Loaded:
    """A demo tenant; `is_new` when this run made it; `failed` are files that it could not read."""

    tenant_id: TenantId
    slug: str
    is_new: bool
    failed: tuple[Source, ...]


async def load(
    services: KnowledgeServices, progress: Progress = lambda done, total: None
) -> list[Loaded]:
    """Make the demo tenants that are missing, and see every source of theirs through.

    A tenant whose short name exists is left as its owner has it; of one whose loading was
    interrupted the sources that wait are ingested now. Any number of processes may do this at
    once.

    Args:
        progress: called with (sources done, sources in all).

    Raises:
        Conflict: a host name of the demo belongs to another tenant.
        Unavailable: the database or the embedder is down. What was done is kept.
    """
    made = [(tenant, *await _ensured(services.db, tenant)) for tenant in content.tenants()]
    ids = [tenant_id for _, tenant_id, _ in made]
    todo = [(tenant_id, s) for tenant_id in ids for s in await sources(services.db, tenant_id)]
    await _ingest(services, todo, progress)
    waiting = frozenset(source.id for _, source in todo if not source.is_settled)
    return [
        Loaded(tenant_id, tenant.slug, is_new, await _failed(services.db, tenant_id, waiting))
        for tenant, tenant_id, is_new in made
    ]


async def is_searchable(db: Database) -> bool:
    """Whether every demo tenant is there, with nothing left to ingest, and can be searched."""
    for tenant in content.tenants():
        try:
            tenant_id = (await tenants.find(db, tenant.slug)).id
        except NotFound:
            return False
        if not all(source.is_settled for source in await sources(db, tenant_id)):
            return False
        async with db.tenant(tenant_id) as tx:
            await search(tx, question="horaires", vector=None, agent_id=None, limit=1)
    return True


async def sources(db: Database, tenant_id: TenantId) -> list[Source]:
    """The tenant's sources, as far as the demo reaches."""
    async with db.tenant(tenant_id) as tx:
        return (await knowledge.listed(tx, limit=MOST_SOURCES))[0]


async def _ensured(db: Database, tenant: DemoTenant) -> tuple[TenantId, bool]:
    try:
        return (await tenants.find(db, tenant.slug)).id, False
    except NotFound:
        tenant_id = TenantId(uuid7())
    try:
        async with db.tenant(tenant_id) as tx:
            await _create(tx, tenant)
    except tenants_store.SlugTaken:  # Another process loads the demo, too, and was faster.
        return (await tenants.find(db, tenant.slug)).id, False
    return tenant_id, True


async def _create(tx: TenantTx, tenant: DemoTenant) -> None:
    """All rows of a tenant, appearing together or not at all; its jobs do the rest."""
    facts = {name: tenant.facts.get(name) for name in tenants.OPTIONAL_FACTS}
    await tenants_store.insert_tenant(
        tx, slug=tenant.slug, company_name=tenant.company_name, facts=facts
    )
    for host in tenant.hosts:
        await tenants.bind_host(tx, host=host)
    await widget.change(tx, **tenant.widget)
    for position, agent in enumerate(tenant.agents):
        configuration = agent.configuration()
        await agents.create(tx, key=agent.key, position=position, configuration=configuration)
    for source in tenant.sources:
        await knowledge.add(tx, source.new, agents=source.agents)


async def _ingest(
    services: KnowledgeServices, todo: Sequence[tuple[TenantId, Source]], progress: Progress
) -> None:
    left = iter(todo)
    done = 0

    async def settle_some() -> None:
        nonlocal done
        for tenant_id, source in left:
            if not source.is_settled:
                await run_ingest(services, tenant_id, source.id, source.generation)
            done += 1
            progress(done, len(todo))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(settle_some())
    except* CoccinelleError as failures:
        raise failures.exceptions[0] from failures


async def _failed(
    db: Database, tenant_id: TenantId, among: frozenset[SourceId]
) -> tuple[Source, ...]:
    found = await sources(db, tenant_id)
    return tuple(source for source in found if source.state == "failed" and source.id in among)
