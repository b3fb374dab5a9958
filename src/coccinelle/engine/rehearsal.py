"""Asks an agent as its draft has it, as a customer would, without a customer.

Route, search and words are the engine's own; nothing is admitted, recorded, counted or handed over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Admitted, Context, Draft, Message
from coccinelle.engine.answering import Answering, AnswerModel
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import ESCALATE, EngineSettings, Inbound, TurnResult
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.turn import Turn, add_offer, call_record, note_decision, result
from coccinelle.engine.view import View, Views
from coccinelle.foundation.errors import Unavailable
from coccinelle.foundation.ids import ConversationId, TenantId, TurnId
from coccinelle.providers.language.model import ModelFailed

ANSWER_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Line:
    """One thing said in a rehearsal; `agent` is the key of who answered, or `escalate`, and None
    for the one who asks."""

    text: str
    agent: str | None = None


class Rehearsals:
    """Answers questions from drafts."""

    def __init__(
        self,
        views: Views,
        orchestrator: Orchestrator,
        *,
        answer_model: AnswerModel,
        settings: EngineSettings,
    ) -> None:
        self._views = views
        self._orchestrator = orchestrator
        self._answering = Answering(answer_model, settings)

    async def ask(
        self, tenant_id: TenantId, draft: Agent, text: str, *, said: Sequence[Line] = ()
    ) -> TurnResult:
        """The answer that a customer would get if `draft` were live, by whoever would give it.

        Args:
            said: before, oldest first.

        Raises:
            NotFound: there is no such tenant.
            Unavailable: no model answered in time.
        """
        view = await self._views.with_draft(tenant_id, draft)
        turn = _turn(view, text, said)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._converse(turn)
        except (ModelFailed, TimeoutError) as error:
            code = error.code if isinstance(error, ModelFailed) else "turn_timeout"
            log.warning("rehearsal_not_answered", code=code)
            raise Unavailable("answer_failed") from error
        turn.draft.calls = [call_record(call) for call in turn.calls]
        turn.draft.latency_ms = turn.elapsed_ms()
        return result(turn)

    async def _converse(self, turn: Turn) -> None:
        decision = await self._orchestrator.decide(
            turn.inbound, turn.view, turn.context, turn.calls
        )
        note_decision(turn, decision)
        await self._answering.respond(turn, decision)
        if decision.says_the_same:
            add_offer(turn)


def _turn(view: View, text: str, said: Sequence[Line]) -> Turn:
    """A turn that no row stands for."""
    inbound = Inbound(view.tenant.id, "cli", "rehearsal", "rehearsal", text)
    turn_id, conversation_id = TurnId(uuid4()), ConversationId(uuid4())
    admitted = Admitted(turn_id, conversation_id, 0, uuid4(), False, _context(view, said))
    draft = Draft(turn_id, conversation_id, 0, admitted.lease_id)
    began = time.perf_counter()
    return Turn(inbound, view, LiveTurn(turn_id), admitted, draft, began, admitted.context)


def _context(view: View, said: Sequence[Line]) -> Context:
    history = tuple(Message("agent" if line.agent else "customer", line.text) for line in said)
    last = next((line.agent for line in reversed(said) if line.agent), None)
    agent = view.agent_by_key(last) if last else None
    return Context(
        history=history,
        customer_messages=sum(line.agent is None for line in said),
        last_agent_id=agent.id if agent else None,
        last_outcome="escalated" if last == ESCALATE else "answered" if last else None,
    )
