"""What is done to phone numbers: declared for an agent, listed."""

from __future__ import annotations

from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId
from coccinelle.numbers import store
from coccinelle.numbers.model import Channel, Number


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


async def listed(
    tx: TenantTx, *, limit: int, after: UUID | None = None
) -> tuple[list[Number], UUID | None]:
    """Numbers, the oldest first, and what to give as `after` for the next ones."""
    found = await store.numbers(tx, limit=limit + 1, after=after)
    return found[:limit], found[limit - 1].id if len(found) > limit else None
