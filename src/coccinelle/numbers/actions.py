"""What is done to phone numbers: declared for an agent, withdrawn, listed."""

from __future__ import annotations

from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.ids import AgentId
from coccinelle.numbers import store
from coccinelle.numbers.model import Channel, Number
from coccinelle.tenants import audit
from coccinelle.tenants.model import Caller


async def declare(
    tx: TenantTx, *, e164: str, agent_id: AgentId, channel: Channel = "voice"
) -> None:
    """Let `e164` be the one number of the agent on this channel.

    A number that the tenant has already keeps what is known of it; a new one is declared, neither
    verified nor answered. The number that the agent had before is nobody's from now on.

    Raises:
        NumberTaken: another business has it; nothing that this transaction wrote stays.
    """
    await store.delete_others(tx, e164=e164, channel=channel, agent_id=agent_id)
    if not await store.lead_to(tx, e164=e164, channel=channel, agent_id=agent_id):
        await store.insert_number(tx, e164=e164, channel=channel, agent_id=agent_id)


async def withdraw(tx: TenantTx, caller: Caller, number_id: UUID) -> None:
    """The business has this number no longer, and whoever has it may declare it.

    Raises `NotFound` where the business has no such number.
    """
    if not await store.delete_number(tx, number_id):
        raise NotFound("number_not_found")
    await audit.record(tx, audit.actor_of(caller), "number.withdrawn", about=number_id)


async def listed(
    tx: TenantTx, *, limit: int, after: UUID | None = None
) -> tuple[list[Number], UUID | None]:
    """Numbers, the oldest first, and what to give as `after` for the next ones."""
    found = await store.numbers(tx, limit=limit + 1, after=after)
    return found[:limit], found[limit - 1].id if len(found) > limit else None
