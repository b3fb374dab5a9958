"""An engine that admits for real and answers by a script: the port that the channels speak to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from coccinelle.conversations import actions as conversations
from coccinelle.conversations.model import Admitted, Arrival, Draft, Limits, Source
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    AgentSelected,
    Inbound,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnResult,
    TurnStarted,
)
from coccinelle.engine.replay import replayed
from coccinelle.foundation import clock
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError, Unavailable

Script = Callable[[Inbound, LiveTurn], Awaitable[TurnResult]]

PIECES = ("Commencez par un premier e-mail. ", "Puis un deuxième.")


def result_of(inbound: Inbound, live: LiveTurn) -> TurnResult:
    """An answer by audrey."""
    return TurnResult(
        turn_id=live.turn_id,
        conversation_id=inbound.conversation_id,
        outcome="answered",
        text="".join(PIECES),
        agent="audrey",
        agent_name="Audrey",
        legacy_type="automation",
        confidence=0.93,
        reason="Question sur les e-mails.",
        finished_at=clock.now(),
        sources=(Source("Séquence de bienvenue", "https://example.com/bienvenue", 0.81),),
        prompt_tokens=812,
        completion_tokens=164,
    )


async def usual(inbound: Inbound, live: LiveTurn) -> TurnResult:
    """Two sentences, one after the other."""
    result = result_of(inbound, live)
    live.emit(AgentSelected(result.agent, result.agent_name, result.confidence, result.reason))
    for piece in PIECES:
        live.emit(TextDelta(piece))
    return result


class ScriptedEngine:
    """Answers as `script` says; remembers what came in and which turns were abandoned."""

    def __init__(self, db: Database, limits: Limits):
        self.db = db
        self.limits = limits
        self.script: Script = usual
        self.refusal: Exception | None = None
        self.grace_seconds = 0.0
        self.inbound: list[Inbound] = []
        self.abandoned: list[LiveTurn] = []
        self.left = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Forget everything that a test set or caused."""
        self.__init__(self.db, self.limits)  # type: ignore[misc]

    async def start(self, inbound: Inbound) -> LiveTurn:
        """See `Answering`."""
        self.inbound.append(inbound)
        if self.refusal is not None:
            raise self.refusal
        admitted = await conversations.admit(self.db, _arrival(inbound), self.limits)
        if not isinstance(admitted, Admitted):
            async with self.db.tenant(inbound.tenant_id) as tx:
                return await replayed(tx, admitted.turn_id)
        live = LiveTurn(admitted.turn_id, grace_seconds=self.grace_seconds)
        task = asyncio.create_task(self._run(inbound, live, admitted))
        live.when_abandoned(lambda: self._abandon(live, task))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return live

    def _abandon(self, live: LiveTurn, task: asyncio.Task[None]) -> None:
        self.abandoned.append(live)
        self.left.set()
        task.cancel()

    async def _run(self, inbound: Inbound, live: LiveTurn, admitted: Admitted) -> None:
        live.emit(TurnStarted(live.turn_id))
        draft = Draft(admitted.turn_id, admitted.conversation_id, admitted.seq, admitted.lease_id)
        try:
            result = await self.script(inbound, live)
        except CoccinelleError as error:
            await self._record(inbound, replace(draft, outcome="failed", failure_code=error.code))
            live.emit(TurnFailed(live.turn_id, error))
        except asyncio.CancelledError:
            await asyncio.shield(self._record(inbound, draft))
            raise
        else:
            draft = replace(draft, outcome=result.outcome, text=result.text)
            draft.confidence, draft.reason = result.confidence, result.reason
            await self._record(inbound, draft)
            live.emit(TurnFinished(result))

    async def _record(self, inbound: Inbound, draft: Draft) -> None:
        async with self.db.tenant(inbound.tenant_id) as tx:
            await conversations.finish(tx, draft)


async def fail(inbound: Inbound, live: LiveTurn) -> TurnResult:
    """No model answers."""
    raise Unavailable("answer_failed")


def _arrival(inbound: Inbound) -> Arrival:
    return Arrival(
        tenant_id=inbound.tenant_id,
        channel=inbound.channel,
        user_id=inbound.user_id,
        conversation_id=inbound.conversation_id,
        text=inbound.text,
        message_key=inbound.message_key,
        address=inbound.address,
    )
