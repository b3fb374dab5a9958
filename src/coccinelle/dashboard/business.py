"""The business that a page is of: itself, its language, its clock, its agents."""

from __future__ import annotations

from coccinelle.agents import store as agents_store
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.model import Tenant


async def tenant(tx: TenantTx) -> Tenant:
    """Itself. Raises `NotFound` once it is no more."""
    found = await tenants_store.tenant(tx)
    if found is None:
        raise NotFound("tenant_not_found")
    return found


async def locale(tx: TenantTx) -> Locale:
    """What it speaks with its customers, whatever language a reader chose."""
    return locale_of((await tenant(tx)).locale)


async def zone(tx: TenantTx) -> str:
    """Where it is: its clock."""
    return (await tenant(tx)).timezone


async def agents(tx: TenantTx) -> dict[str, str]:
    """The names of the agents that answer, by key."""
    return {agent.key: agent.name for agent in await agents_store.live_agents(tx)}
