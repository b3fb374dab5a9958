"""Rows of phone numbers."""

from __future__ import annotations

from uuid import UUID

from psycopg.errors import UniqueViolation

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.ids import AgentId, uuid7
from coccinelle.numbers.model import Channel, Number


class NumberTaken(Conflict):
    """This phone number already answers for another business."""

    default_code = "number_taken"


async def lead_to(tx: TenantTx, *, e164: str, channel: Channel, agent_id: AgentId) -> int:
    """0 where the tenant has no such number."""
    return await tx.run(
        "UPDATE phone_numbers SET agent_id = %s"
        " WHERE tenant_id = %s AND e164 = %s AND channel = %s",
        [agent_id, tx.tenant_id, e164, channel],
    )


async def delete_others(tx: TenantTx, *, e164: str, channel: Channel, agent_id: AgentId) -> None:
    """Of the agent, on this channel."""
    await tx.run(
        "DELETE FROM phone_numbers"
        " WHERE tenant_id = %s AND agent_id = %s AND channel = %s AND e164 <> %s",
        [tx.tenant_id, agent_id, channel, e164],
    )


async def insert_number(tx: TenantTx, *, e164: str, channel: Channel, agent_id: AgentId) -> None:
    try:
        await tx.run(
            "INSERT INTO phone_numbers (id, tenant_id, e164, channel, agent_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            [uuid7(), tx.tenant_id, e164, channel, agent_id],
        )
    except UniqueViolation as error:
        raise NumberTaken from error


async def delete_number(tx: TenantTx, number_id: UUID) -> int:
    """0 where the tenant has no such number."""
    return await tx.run(
        "DELETE FROM phone_numbers WHERE tenant_id = %s AND id = %s", [tx.tenant_id, number_id]
    )


async def numbers(tx: TenantTx, *, limit: int, after: UUID | None) -> list[Number]:
    """The oldest first; those after `after`."""
    return await tx.all(
        Number,
        "SELECT n.id, n.e164, n.channel, a.key AS agent, n.declared_at, n.verified_at,"
        " n.active_since FROM phone_numbers n"
        " LEFT JOIN agents a ON a.tenant_id = n.tenant_id AND a.id = n.agent_id"
        " WHERE n.tenant_id = %(tenant)s AND (%(after)s::uuid IS NULL OR n.id > %(after)s)"
        " ORDER BY n.id LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "after": after, "limit": limit},
    )
