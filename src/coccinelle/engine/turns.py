"""The turn engine: admit, route and retrieve, generate, record; silent while a person answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, TypeVar

import structlog

from coccinelle.conversations import actions as conversations
from coccinelle.conversations import store as rows
from coccinelle.conversations.model import (
    OPEN_STATES,
    Admitted,
    Arrival,
    Context,
    Draft,
    Limits,
    Repeated,
    State,
    Step,
)
from coccinelle.engine.answering import Answering, AnswerModel
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    EngineSettings,
    HandoffOpened,
    Inbound,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from coccinelle.engine.observed import observe, observe_calls
from coccinelle.engine.orchestrator import Orchestrator
from coccinelle.engine.replay import replayed
from coccinelle.engine.turn import Turn, add_offer, call_record, note_decision, result
from coccinelle.engine.view import View, Views
from coccinelle.foundation import clock
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError, Conflict, NotFound, Unavailable
from coccinelle.foundation.ids import TurnId
from coccinelle.handoffs import actions as handoffs
from coccinelle.knowledge import actions as knowledge
from coccinelle.providers.language.model import ModelFailed

log = structlog.get_logger(__name__)

RECORD_SECONDS = 5.0
RECORD_AGAIN_SECONDS = 0.25
WAIT_SECONDS = 0.1
TWIN_RETRY_SECONDS = 5

T = TypeVar("T")


class Engine:
    """Answers messages, each in one turn, whatever channel brought it."""

    def __init__(
        self,
        db: Database,
        views: Views,
        orchestrator: Orchestrator,
        *,
        answer_model: AnswerModel,
        settings: EngineSettings,
        limits: Limits,
    ):
        self._db = db
        self._views = views
        self._orchestrator = orchestrator
        self._answering = Answering(answer_model, settings)
        self._settings = settings
        self._limits = limits
        self._live: dict[TurnId, LiveTurn] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, inbound: Inbound) -> LiveTurn:
        """Admit a message, and answer it from now on, attended or not (see `LiveTurn`).

        A message that was sent before gets the turn that it has: live, or told again.

        Raises:
            NotFound: no such conversation for this user, no such agent, or no tenant that answers.
            Conflict: the message id was used for another message, or its twin takes too long.
            TooMany: over a limit; says when to come back.
            Unavailable: the database is down.
        """
        started = time.perf_counter()
        view = await self._views.get(inbound.tenant_id)
        if inbound.agent_key is not None and view.agent_by_key(inbound.agent_key) is None:
            raise NotFound("agent_not_found")
        admitting = self._kept(asyncio.create_task(self._admit(inbound, view, started)))
        # Who hangs up meanwhile leaves no turn behind that nobody answers.
        admitted = await asyncio.shield(admitting)
        if isinstance(admitted, Repeated):
            return await self._again(inbound, view, admitted, started)
        return admitted

    async def drain(self, seconds: float) -> None:
        """Let the turns that are being answered end, for at most `seconds`; then interrupt them."""
        end_at = time.monotonic() + seconds
        while self._tasks and (left := end_at - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        late = set(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=RECORD_SECONDS)

    async def _admit(self, inbound: Inbound, view: View, started: float) -> LiveTurn | Repeated:
        admitted = await conversations.admit(self._db, _arrival(inbound), self._limits)
        if isinstance(admitted, Repeated):
            return admitted
        return self._begin(inbound, view, admitted, started)

    def _begin(
        self,
        inbound: Inbound,
        view: View,
        admitted: Admitted,
        started: float,
        *,
        again: bool = False,
    ) -> LiveTurn:
        grace = self._settings.disconnect_grace_seconds
        live = LiveTurn(admitted.turn_id, grace_seconds=grace, again=again)
        draft = Draft(admitted.turn_id, admitted.conversation_id, admitted.seq, admitted.lease_id)
        turn = Turn(inbound, view, live, admitted, draft, started)
        task = self._kept(asyncio.create_task(self._run(turn)))
        live.when_abandoned(task.cancel)
        self._live[admitted.turn_id] = live
        return live

    def _kept(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _again(
        self, inbound: Inbound, view: View, repeated: Repeated, started: float
    ) -> LiveTurn:
        """The turn of a repeated message; one that failed is answered anew."""
        deadline = time.monotonic() + self._settings.twin_wait_seconds
        state = repeated.state
        while (live := self._live.get(repeated.turn_id)) is None:
            if state == "failed":
                reopening = self._reopened(inbound, view, repeated.turn_id, started)
                # As when it is admitted: a hang-up does not leave it to nobody.
                reopened = await asyncio.shield(self._kept(asyncio.create_task(reopening)))
                if reopened is not None:
                    return reopened
            elif state not in OPEN_STATES:
                async with self._db.tenant(inbound.tenant_id) as tx:
                    return await replayed(tx, repeated.turn_id)
            if time.monotonic() > deadline:
                raise Conflict("twin_in_flight", retry_after_seconds=TWIN_RETRY_SECONDS)
            await asyncio.sleep(WAIT_SECONDS)
            state = await self._state(inbound, repeated.turn_id)
        return live

    async def _reopened(
        self, inbound: Inbound, view: View, turn_id: TurnId, started: float
    ) -> LiveTurn | None:
        async with self._db.tenant(inbound.tenant_id) as tx:
            admitted = await conversations.reopen(tx, turn_id, self._limits)
        if admitted is None:
            return None
        return self._begin(inbound, view, admitted, started, again=True)

    async def _state(self, inbound: Inbound, turn_id: TurnId) -> State:
        """The turn's state, after its death was noticed. Raises `NotFound` where it was erased."""
        async with self._db.tenant(inbound.tenant_id) as tx:
            await rows.fail_dead_turns(tx)
            state = await rows.turn_state(tx, turn_id)
        if state is None:
            raise NotFound("turn_not_found")
        return state

    async def _run(self, turn: Turn) -> None:
        """Answer, then record whatever came of it; a cancelled turn was abandoned."""
        turn.live.emit(TurnStarted(turn.draft.turn_id))
        renewing = asyncio.create_task(self._keep_lease(turn, asyncio.current_task()))
        failure: CoccinelleError | None = None
        try:
            async with asyncio.timeout(self._limits.turn_seconds):
                await self._converse(turn)
        except (ModelFailed, TimeoutError) as error:
            code = error.code if isinstance(error, ModelFailed) else "turn_timeout"
            log.warning("turn_not_answered", turn_id=str(turn.draft.turn_id), code=code)
            failure = Unavailable("answer_failed")
        except CoccinelleError as error:
            failure = error
        except Exception:
            log.exception("turn_failed", turn_id=str(turn.draft.turn_id))
            failure = Unavailable("answer_failed")
            raise
        finally:
            # A customer who hangs up cancels the answer, and not its record.
            renewing.cancel()
            await self._end(turn, failure)

    async def _end(self, turn: Turn, failure: CoccinelleError | None) -> None:
        """Record the turn, then let its readers know; nothing that is cancelled stops either."""
        if failure is not None:
            turn.draft.outcome = "failed"
            turn.draft.failure_code = failure.code
        recording = asyncio.create_task(self._recorded(turn))
        while not recording.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([recording])
        not_recorded = recording.result()
        observe_calls(turn.draft)
        if not_recorded is None:
            self._tell(turn)
        failure = not_recorded or failure
        self._live.pop(turn.draft.turn_id, None)
        if failure is None:
            turn.live.emit(TurnFinished(result(turn)))
        else:
            turn.live.emit(TurnFailed(turn.draft.turn_id, failure))

    async def _recorded(self, turn: Turn) -> Unavailable | None:
        """Record the turn, trying for a few seconds; or why it is not in the database as it was."""
        since = turn.elapsed_ms()
        turn.draft.calls = [call_record(call) for call in turn.calls]
        turn.draft.latency_ms = since
        turn.draft.finished_at = clock.now()
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                written = await self._persisted(turn)
        except Exception:
            log.exception("turn_not_recorded", turn_id=str(turn.draft.turn_id))
            return Unavailable("database_unavailable")
        turn.step("record", since)
        return None if written else Unavailable("answer_failed")

    def _tell(self, turn: Turn) -> None:
        """Let figures, log and readers know of what is recorded."""
        observe(turn.draft, channel=turn.inbound.channel)
        if turn.handoff_reason is not None and turn.draft.outcome == "escalated":
            turn.live.emit(HandoffOpened(turn.handoff_reason))

    async def _persisted(self, turn: Turn) -> bool:
        with contextlib.suppress(Unavailable):
            return await self._record(turn)
        while True:
            await asyncio.sleep(RECORD_AGAIN_SECONDS)
            with contextlib.suppress(Unavailable):
                # A commit whose answer was lost has been done all the same.
                return await self._record(turn) or await self._is_recorded(turn)

    async def _is_recorded(self, turn: Turn) -> bool:
        async with self._db.tenant(turn.inbound.tenant_id) as tx:
            return await rows.is_ended(tx, turn.draft)

    async def _converse(self, turn: Turn) -> None:
        turn.context = await self._wait_for_turn(turn)
        turn.step("admit", 0)
        if turn.context.handoff_claimed:
            turn.draft.outcome = "handed_over"
            return
        since = turn.elapsed_ms()
        decision = await self._orchestrator.decide(
            turn.inbound, turn.view, turn.context, turn.calls
        )
        note_decision(turn, decision)
        turn.draft.steps.append(Step("route", since, decision.route_ms))
        turn.draft.steps.append(Step("retrieve", since, decision.retrieve_ms))
        since = turn.elapsed_ms()
        await self._answering.respond(turn, decision)
        if decision.says_the_same:
            add_offer(turn)
        turn.step("generate", since)

    async def _wait_for_turn(self, turn: Turn) -> Context:
        """Messages of a conversation are answered one by one, in the order of their arrival."""
        if not turn.admitted.waiting:
            return turn.admitted.context
        while True:
            # A database that restarts meanwhile costs the customer time, and not the answer.
            with contextlib.suppress(Unavailable):
                async with self._db.tenant(turn.inbound.tenant_id) as tx:
                    context = await conversations.start_waiting(tx, turn.admitted, self._limits)
                if context is not None:
                    return context
            await asyncio.sleep(WAIT_SECONDS)

    async def _record(self, turn: Turn) -> bool:
        draft = turn.draft
        async with self._db.tenant(turn.inbound.tenant_id) as tx:
            written = await conversations.finish(tx, draft)
            if written and draft.gap_question is not None and draft.outcome == "escalated":
                await knowledge.record_gap(
                    tx, question=draft.gap_question, best_score=draft.best_score
                )
            if written and turn.handoff_reason is not None and draft.outcome == "escalated":
                await handoffs.open(
                    tx, conversation_id=draft.conversation_id, reason=turn.handoff_reason
                )
        return written

    async def _keep_lease(self, turn: Turn, running: asyncio.Task[None] | None) -> None:
        """Renew the turn's lease; a turn that somebody else has ended is ours no longer."""
        seconds = self._limits.lease_seconds
        while True:
            await asyncio.sleep(seconds / 3)
            try:
                async with self._db.tenant(turn.inbound.tenant_id) as tx:
                    held = await rows.renew_lease(
                        tx,
                        turn_id=turn.draft.turn_id,
                        lease_id=turn.draft.lease_id,
                        lease_seconds=seconds,
                    )
            except Unavailable:
                continue
            if not held and running is not None:
                running.cancel()
                return


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
