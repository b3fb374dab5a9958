"""Whatever customers and people do to a conversation, in whatever order, its promises hold."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from coccinelle.conversations.jobs import sweep
from coccinelle.conversations.model import Arrival, Limits
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.turns import Engine
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Conflict, NotFound, TooMany
from coccinelle.foundation.ids import ConversationId, TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.handoffs import actions as handoffs
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.setting import EMAILS, HOURS, OUTSIDE, REELS, Talk, fresh
from tests.handoffs.people import member
from tests.journeys.invariants import Acknowledged, violations

WAITING = 3
TEXTS = st.sampled_from([EMAILS, REELS, HOURS, OUTSIDE, "Bonjour", "Merci", "Oui", "Un humain svp"])
KEYS = st.sampled_from(["m-1", "m-2", "m-3", "m-4"])
Result = TypeVar("Result")


class World:
    """One event loop, one database and one business for all runs; two processes' engines."""

    def __init__(self, addresses: Addresses):
        self.runner = asyncio.Runner()
        self.db = Database(addresses.login)
        self.tenant, self.engines = self.run(self._opened())
        self.lea = self.run(member(self.db, self.tenant))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def _opened(self) -> tuple[TenantId, list[Engine]]:
        await self.db.open()
        tenant = await setting.rivoli(self.db, WordEmbedder())
        limits = Limits(messages=100_000, waiting=WAITING)
        engines = [setting.engine_of(self.db, WordEmbedder(), limits=limits) for _ in range(2)]
        return tenant, engines

    def close(self) -> None:
        self.run(self.db.close())
        self.runner.close()


class Conversation(RuleBasedStateMachine):
    """What a customer did, what they were told, and what must therefore be so."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        user, conversation = fresh("u"), fresh()
        self.talks = [Talk(e, self.world.tenant, user, conversation) for e in self.world.engines]
        self.known: dict[str, tuple[str, object]] = {}
        self.flying: list[tuple[LiveTurn, str]] = []
        self.told: list[Acknowledged] = []
        self.turns: set[object] = set()

    @rule(text=TEXTS, process=st.integers(0, 1))
    def post(self, text: str, process: int) -> None:
        """Say something and wait for the answer."""
        self._wait()
        result = self.world.run(self.talks[process].say(text))
        assert result.turn_id not in self.turns
        self._note(result.turn_id, text, result.text)

    @rule(text=TEXTS, key=KEYS, process=st.integers(0, 1))
    def post_under_an_id(self, text: str, key: str, process: int) -> None:
        """Say something under an id, new or not."""
        self._wait()
        known = self.known.get(key)
        try:
            result = self.world.run(self.talks[process].say(text, key=key))
        except Conflict:
            assert known is not None
            assert known[0] != text
            return
        assert known is None or known == (text, result.turn_id)
        self.known[key] = (text, result.turn_id)
        self._note(result.turn_id, text, result.text)

    @rule(text=TEXTS, count=st.integers(2, 6), process=st.integers(0, 1))
    def post_at_once(self, text: str, count: int, process: int) -> None:
        """Say several things before the first is answered, on both processes in turn."""

        async def all_at_once() -> list[Any]:
            starts = (self.talks[(process + n) % 2].start(text) for n in range(count))
            return await asyncio.gather(*starts, return_exceptions=True)

        for found in self.world.run(all_at_once()):
            if isinstance(found, LiveTurn):
                self.flying.append((found, text))
            else:
                assert isinstance(found, TooMany)

    @rule(key=KEYS, text=TEXTS, count=st.integers(2, 5))
    def post_twins(self, key: str, text: str, count: int) -> None:
        """Say one thing several times at once."""
        self._wait()
        known = self.known.get(key)

        async def twins() -> list[Any]:
            says = (self.talks[n % 2].say(text, key=key) for n in range(count))
            return await asyncio.gather(*says, return_exceptions=True)

        found = self.world.run(twins())
        if known is not None and known[0] != text:
            assert all(isinstance(one, Conflict) for one in found)
            return
        assert len({(one.turn_id, one.text) for one in found}) == 1
        assert known is None or known[1] == found[0].turn_id
        self.known[key] = (text, found[0].turn_id)
        self._note(found[0].turn_id, text, found[0].text)

    @rule(text=TEXTS, key=st.none() | KEYS)
    def post_as_another(self, text: str, key: str | None) -> None:
        """Say something in somebody else's conversation."""
        if not self.turns:
            return
        try:
            self.world.run(self.talks[0].say(text, key=key, user=fresh("u")))
        except NotFound:
            return
        raise AssertionError("another user got into the conversation")

    @rule(key=KEYS)
    def reply_as_a_person(self, key: str) -> None:
        """Somebody of the business answers, and holds the conversation from now on."""
        if not self.turns:
            return

        async def reply() -> None:
            async with self.world.db.tenant(self.world.tenant) as tx:
                waiting = await handoffs.open(tx, conversation_id=self._id, reason="asked")
                await handoffs.reply(
                    tx, waiting, by=self.world.lea, text="J'arrive.", message_key=key
                )

        self.world.run(reply())

    @rule()
    def give_back(self) -> None:
        """Whoever held the conversation leaves it to the assistant."""

        async def close() -> None:
            async with self.world.db.tenant(self.world.tenant) as tx:
                for one in await handoffs.list_handoffs(tx, state="claimed"):
                    if one.conversation_id == self._id:
                        await handoffs.close(tx, one.id, by=self.world.lea)

        self.world.run(close())

    @rule()
    def wait(self) -> None:
        """Read every answer that is still to come."""
        self._wait()

    @rule()
    def sweep_up(self) -> None:
        """The sweeper finds nothing to end here (other tests' tenants may have dead turns)."""
        self.world.run(sweep(self.world.db))
        failed = "SELECT id FROM turns WHERE state = 'failed'"
        assert self.world.run(setting.rows(self.world.db, self.world.tenant, failed)) == []

    @invariant()
    def every_promise_holds(self) -> None:
        assert self.world.run(violations(self.world.db, self.world.tenant, self.told)) == []

    def teardown(self) -> None:
        self._wait()
        self.every_promise_holds()

    @property
    def _id(self) -> ConversationId:
        said = self.talks[0]
        return Arrival(
            said.tenant_id, "chat_v2", said.user, said.conversation, ""
        ).conversation_uuid

    def _wait(self) -> None:
        flying, self.flying = self.flying, []

        async def answers() -> list[Any]:
            return await asyncio.gather(*(live.result() for live, _ in flying))

        for (live, text), result in zip(flying, self.world.run(answers()), strict=True):
            assert result.turn_id == live.turn_id
            self._note(result.turn_id, text, result.text)

    def _note(self, turn_id: Any, text: str, answer: str) -> None:
        self.turns.add(turn_id)
        self.told.append(Acknowledged(turn_id, text, answer or None))


def test_whatever_is_done_to_a_conversation_its_promises_hold(addresses: Addresses) -> None:
    world = World(addresses)
    try:
        Conversation.world = world
        run_state_machine_as_test(
            Conversation,
            settings=settings(
                max_examples=12,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        world.close()
