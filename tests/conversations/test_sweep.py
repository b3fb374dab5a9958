"""What a crash left open is ended, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.conversations import store
from coccinelle.conversations.jobs import sweep
from coccinelle.conversations.model import Admitted, Arrival, Draft, Limits
from coccinelle.engine.turns import Engine
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.setting import EMAILS, Talk, fresh, rows

LIMITS = Limits(messages=1000)


@pytest.fixture(scope="module")
async def businesses(db: Database) -> tuple[TenantId, TenantId]:
    words = WordEmbedder()
    return await setting.rivoli(db, words), await setting.nordlys(db, words)


async def admitted(db: Database, tenant: TenantId, conversation: str, **more: Any) -> Admitted:
    arrival = Arrival(tenant, "chat_v2", more.pop("user", "u"), conversation, EMAILS, **more)
    found = await conversations.admit(db, arrival, LIMITS)
    assert isinstance(found, Admitted)
    return found


async def die(db: Database, tenant: TenantId, turn: Admitted) -> None:
    """Its process renews it no more."""
    async with db.tenant(tenant) as tx:
        await tx.run(
            "UPDATE turns SET lease_expires_at = now() - interval '1 second'"
            " WHERE tenant_id = %s AND id = %s",
            [tenant, turn.turn_id],
        )


async def state(db: Database, tenant: TenantId, turn: Admitted) -> Any:
    async with db.tenant(tenant) as tx:
        return await store.turn_state(tx, turn.turn_id)


async def test_dead_turns_end_in_every_tenant_and_living_ones_go_on(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    dead = [(tenant, await admitted(db, tenant, fresh())) for tenant in businesses]
    alive = [(tenant, await admitted(db, tenant, fresh())) for tenant in businesses]
    for tenant, turn in dead:
        await die(db, tenant, turn)

    assert await sweep(db) >= 2
    assert [await state(db, *one) for one in dead] == ["failed", "failed"]
    assert [await state(db, *one) for one in alive] == ["answering", "answering"]
    failed = await rows(
        db,
        businesses[0],
        "SELECT failure_code, finished_at, lease_expires_at FROM turns WHERE id = %s",
        dead[0][1].turn_id,
    )
    assert failed[0]["failure_code"] == "crashed"
    assert failed[0]["finished_at"] is not None
    assert failed[0]["lease_expires_at"] is None


async def test_a_message_behind_a_dead_one_is_answered(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    conversation, user = fresh(), fresh("u")
    dead = await admitted(db, businesses[0], conversation, user=user)
    await die(db, businesses[0], dead)
    engine = setting.engine_of(db, WordEmbedder())
    result = await Talk(engine, businesses[0], user, conversation).say(EMAILS)

    assert result.outcome == "answered"
    assert await state(db, businesses[0], dead) == "failed"


async def test_a_message_whose_turn_died_is_answered_when_it_comes_again(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    conversation, user = fresh(), fresh("u")
    dead = await admitted(db, businesses[0], conversation, user=user, message_key="m-1")
    await die(db, businesses[0], dead)
    engine = setting.engine_of(db, WordEmbedder())
    result = await Talk(engine, businesses[0], user, conversation).say(EMAILS, key="m-1")

    assert (result.turn_id, result.outcome) == (dead.turn_id, "answered")


async def test_many_who_send_a_dead_message_again_get_one_answer(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    conversation, user = fresh(), fresh("u")
    dead = await admitted(db, businesses[0], conversation, user=user, message_key="m-1")
    await die(db, businesses[0], dead)
    engines: list[Engine] = [setting.engine_of(db, WordEmbedder()) for _ in range(3)]
    results = await asyncio.gather(
        *(
            Talk(engine, businesses[0], user, conversation).say(EMAILS, key="m-1")
            for engine in engines
            for _ in range(3)
        )
    )

    assert {result.turn_id for result in results} == {dead.turn_id}
    assert len({result.text for result in results}) == 1
    said = "SELECT 1 FROM messages WHERE turn_id = %s AND author = 'agent'"
    assert len(await rows(db, businesses[0], said, dead.turn_id)) == 1


async def test_a_turn_that_was_ended_is_not_renewed_nor_recorded(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    turn = await admitted(db, businesses[0], fresh())
    await die(db, businesses[0], turn)
    await sweep(db)
    async with db.tenant(businesses[0]) as tx:
        draft = Draft(turn.turn_id, turn.conversation_id, turn.seq, outcome="answered", text="Oui.")

        assert await store.renew_lease(tx, turn_id=turn.turn_id, lease_seconds=15) == 0
        assert not await conversations.finish(tx, draft)
    assert await state(db, businesses[0], turn) == "failed"


async def test_a_turn_that_is_renewed_is_not_ended(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    turn = await admitted(db, businesses[0], fresh())
    await die(db, businesses[0], turn)
    async with db.tenant(businesses[0]) as tx:
        assert await store.renew_lease(tx, turn_id=turn.turn_id, lease_seconds=15) == 1
    await sweep(db)

    assert await state(db, businesses[0], turn) == "answering"


async def test_a_dead_turn_is_taken_up_again_by_one_alone(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    turn = await admitted(db, businesses[0], fresh())
    async with db.tenant(businesses[0]) as tx:
        assert await conversations.reopen(tx, turn.turn_id, LIMITS) is None
    await die(db, businesses[0], turn)
    await sweep(db)
    async with db.tenant(businesses[0]) as tx:
        taken = await conversations.reopen(tx, turn.turn_id, LIMITS)
        assert await conversations.reopen(tx, turn.turn_id, LIMITS) is None

    assert taken is not None
    assert (taken.seq, taken.conversation_id) == (turn.seq, turn.conversation_id)


async def test_a_turn_of_one_tenant_is_not_anothers_to_end(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    mine = await admitted(db, businesses[0], fresh())
    await die(db, businesses[0], mine)
    async with db.tenant(businesses[1]) as tx:
        await store.fail_dead_turns(tx)
        assert await store.turn_state(tx, mine.turn_id) is None
        assert await conversations.reopen(tx, mine.turn_id, LIMITS) is None

    assert await state(db, businesses[0], mine) == "answering"
    assert await state(db, TenantId(uuid4()), mine) is None
