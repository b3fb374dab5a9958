"""Rows as turns, hand-offs and thumbs leave them, at whatever instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from coccinelle.agents import actions as agents
from coccinelle.conversations.model import State
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId, TurnId, UserId, uuid7
from tests.living import configuration


async def conversation(tx: TenantTx) -> UUID:
    """A conversation of a new customer."""
    customer_id, conversation_id = uuid7(), uuid7()
    await tx.run(
        "INSERT INTO customers (id, tenant_id) VALUES (%s, %s)", [customer_id, tx.tenant_id]
    )
    await tx.run(
        "INSERT INTO conversations (id, tenant_id, external_id, customer_id, channel)"
        " VALUES (%s, %s, %s, %s, 'chat_v2')",
        [conversation_id, tx.tenant_id, uuid4().hex, customer_id],
    )
    return conversation_id


async def turn(
    tx: TenantTx,
    at: datetime,
    state: State = "answered",
    *,
    of: UUID | None = None,
    agent_id: AgentId | None = None,
    first_text_ms: int | None = 400,
    latency_ms: int | None = 1_000,
    cost_microeur: int = 0,
    tokens: tuple[int, int] = (0, 0),
    steps: tuple[tuple[str, int], ...] = (),
    score: int | None = None,
) -> TurnId:
    """A turn that was accepted `at`, in the conversation `of`, else in one of its own."""
    turn_id, is_open = TurnId(uuid7()), state in ("accepted", "answering")
    await tx.run(
        "INSERT INTO turns (id, tenant_id, conversation_id, seq, channel, message_sha256, state,"
        " failure_code, lease_id, lease_expires_at, agent_id, first_text_ms, latency_ms,"
        " prompt_tokens, completion_tokens, cost_microeur, accepted_at, finished_at) VALUES"
        " (%(id)s, %(tenant)s, %(of)s, (SELECT count(*) * 2 + 1 FROM turns"
        "  WHERE tenant_id = %(tenant)s AND conversation_id = %(of)s), 'chat_v2', '', %(state)s,"
        " %(failure)s, %(lease)s, %(leased)s, %(agent)s, %(first)s, %(latency)s, %(prompt)s,"
        " %(completion)s, %(cost)s, %(at)s, %(finished)s)",
        {
            "id": turn_id,
            "tenant": tx.tenant_id,
            "of": of or await conversation(tx),
            "state": state,
            "failure": "crashed" if state == "failed" else None,
            "lease": uuid4() if is_open else None,
            "leased": at + timedelta(days=9_000) if is_open else None,
            "agent": agent_id,
            "first": first_text_ms,
            "latency": latency_ms,
            "prompt": tokens[0],
            "completion": tokens[1],
            "cost": cost_microeur,
            "at": at,
            "finished": None if is_open else at,
        },
    )
    for position, (step, duration_ms) in enumerate(steps, start=1):
        await tx.run(
            "INSERT INTO turn_steps (tenant_id, turn_id, position, step, started_ms, duration_ms)"
            " VALUES (%s, %s, %s, %s, 0, %s)",
            [tx.tenant_id, turn_id, position, step, duration_ms],
        )
    if score is not None:
        await tx.run(
            "INSERT INTO feedback (tenant_id, turn_id, score) VALUES (%s, %s, %s)",
            [tx.tenant_id, turn_id, score],
        )
    return turn_id


async def wish(
    tx: TenantTx,
    at: datetime,
    *,
    claimed_after_seconds: int | None = None,
    claimed_by: UserId | None = None,
    closed_after_seconds: int | None = None,
) -> None:
    """A customer who asked for a person, and what became of it."""

    def later(seconds: int | None) -> datetime | None:
        return None if seconds is None else at + timedelta(seconds=seconds)

    await tx.run(
        "INSERT INTO handoffs (id, tenant_id, conversation_id, reason, opened_at, claimed_at,"
        " claimed_by, closed_at) VALUES (%s, %s, %s, 'asked', %s, %s, %s, %s)",
        [uuid7(), tx.tenant_id, await conversation(tx), at, later(claimed_after_seconds)]
        + [claimed_by, later(closed_after_seconds)],
    )


async def agent(tx: TenantTx, key: str) -> AgentId:
    """An agent that is live, by the name of its key."""
    return await agents.create(tx, key=key, position=0, configuration=configuration(key, "tout"))
