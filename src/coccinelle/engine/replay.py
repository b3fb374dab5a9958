"""A turn that has ended, told again from its rows."""

from __future__ import annotations

from typing import cast

from coccinelle.conversations import store
from coccinelle.conversations.model import Outcome, StoredTurn, distinct
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    ESCALATE,
    AgentSelected,
    TextDelta,
    TurnFinished,
    TurnResult,
    TurnStarted,
)
from coccinelle.engine.turn import notice
from coccinelle.foundation import clock
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.ids import TurnId


async def replayed(tx: TenantTx, turn_id: TurnId) -> LiveTurn:
    """The turn's events, its text in one piece. Raises `NotFound`."""
    stored = await store.stored_turn(tx, turn_id)
    if stored is None:
        raise NotFound("turn_not_found")
    sources = await store.turn_sources(tx, turn_id)
    outcome = cast(Outcome, stored.state)
    result = TurnResult(
        turn_id=stored.id,
        conversation_id=stored.conversation_external_id,
        outcome=outcome,
        text=stored.text or "",
        agent=stored.agent_key or ESCALATE,
        agent_name=stored.agent_name,
        legacy_type=stored.legacy_type,
        confidence=stored.confidence or 0.0,
        reason=stored.reason or "",
        finished_at=stored.finished_at or clock.now(),
        sources=distinct(sources),
        handoff=stored.handoff_open,
        notice=notice(outcome, company=stored.company_name, locale=stored.locale),
        variant=stored.variant,
        loop_detected=stored.loop_detected,
    )
    return LiveTurn.replay(turn_id, [*_events(stored, result), TurnFinished(result)])


def _events(
    stored: StoredTurn, result: TurnResult
) -> list[TurnStarted | AgentSelected | TextDelta]:
    if result.outcome == "handed_over":
        return [TurnStarted(stored.id)]
    selected = AgentSelected(result.agent, stored.agent_name, result.confidence, result.reason)
    said = [TextDelta(result.text)] if result.text else []
    return [TurnStarted(stored.id), selected, *said]
