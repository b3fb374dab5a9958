"""What a crash left open is ended, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.conversations import store
from coccinelle.conversations.jobs import prune, sweep
from coccinelle.conversations.model import Admitted, Arrival, CallRecord, Draft, Limits
from coccinelle.engine.turns import Engine
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
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


async def renewed(tx: TenantTx, turn: Admitted) -> int:
    return await store.renew_lease(
        tx, turn_id=turn.turn_id, lease_id=turn.lease_id, lease_seconds=15
    )


def answered(turn: Admitted, *calls: CallRecord) -> Draft:
    draft = Draft(turn.turn_id, turn.conversation_id, turn.seq, turn.lease_id)
    draft.outcome, draft.text, draft.calls = "answered", "Oui.", list(calls)
    return draft


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
        assert await renewed(tx, turn) == 0
        assert not await conversations.finish(tx, answered(turn))
    assert await state(db, businesses[0], turn) == "failed"


async def test_a_turn_that_is_renewed_is_not_ended(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    turn = await admitted(db, businesses[0], fresh())
    await die(db, businesses[0], turn)
    async with db.tenant(businesses[0]) as tx:
        assert await renewed(tx, turn) == 1
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


CALL = CallRecord("answer", "p", "m", "ok", 5, 9, 100, 20, 7, estimated=False)


async def test_a_turn_that_is_weeks_old_is_ended_too(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    turn = await admitted(db, businesses[0], fresh())
    async with db.tenant(businesses[0]) as tx:
        await tx.run(
            "UPDATE turns SET accepted_at = now() - interval '30 days',"
            " lease_expires_at = now() - interval '30 days' WHERE tenant_id = %s AND id = %s",
            [businesses[0], turn.turn_id],
        )
    await sweep(db)

    assert await state(db, businesses[0], turn) == "failed"


async def test_what_goes_wrong_for_one_business_is_said_and_stops_no_other(
    db: Database, businesses: tuple[TenantId, TenantId], addresses: Addresses
) -> None:
    dead = [(tenant, await admitted(db, tenant, fresh())) for tenant in businesses]
    for tenant, turn in dead:
        await die(db, tenant, turn)
    (broken, other) = dead if businesses[0] < businesses[1] else reversed(dead)
    async with stuck(addresses, broken[1]):
        with pytest.raises(ExceptionGroup):
            await sweep(db)
    assert await state(db, *broken) == "answering"
    assert await state(db, *other) == "failed"
    await sweep(db)
    assert await state(db, *broken) == "failed"


@asynccontextmanager
async def stuck(addresses: Addresses, turn: Admitted) -> AsyncIterator[None]:
    """No statement can end this turn."""
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute(
            "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RAISE division_by_zero; END'"
        )
        await owner.execute(
            "CREATE TRIGGER stuck BEFORE UPDATE ON turns FOR EACH ROW"
            f" WHEN (OLD.id = '{turn.turn_id}') EXECUTE FUNCTION stuck()"
        )
        try:
            yield
        finally:
            await owner.execute("DROP FUNCTION stuck() CASCADE")


async def test_who_lost_a_turn_neither_keeps_nor_starts_nor_ends_the_next_attempt(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    tenant = businesses[0]
    lost = await admitted(db, tenant, fresh())
    await die(db, tenant, lost)
    await sweep(db)
    async with db.tenant(tenant) as tx:
        ours = await conversations.reopen(tx, lost.turn_id, LIMITS)
        assert ours is not None
        assert await renewed(tx, lost) == 0
        assert await conversations.start_waiting(tx, lost, LIMITS) is None
        assert not await conversations.finish(tx, answered(lost))
        assert not await store.is_ended(tx, answered(lost))
    assert await state(db, tenant, lost) == "accepted"
    async with db.tenant(tenant) as tx:
        assert await renewed(tx, ours) == 1
        assert await conversations.start_waiting(tx, ours, LIMITS) is not None
        assert await conversations.start_waiting(tx, ours, LIMITS) is not None
        assert await conversations.finish(tx, answered(ours))
        assert await store.is_ended(tx, answered(ours))
        assert not await store.is_ended(tx, answered(lost))


async def test_every_call_is_kept_once_whoever_ended_the_turn_and_the_turn_is_their_sum(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    tenant = businesses[0]
    lost = await admitted(db, tenant, fresh())
    await die(db, tenant, lost)
    await sweep(db)
    async with db.tenant(tenant) as tx:
        assert not await conversations.finish(tx, answered(lost, CALL, CALL))
        assert not await conversations.finish(tx, answered(lost, CALL, CALL))
        ours = await conversations.reopen(tx, lost.turn_id, LIMITS)
        assert ours is not None
        assert await conversations.finish(tx, answered(ours, CALL))
    kept = "SELECT position, cost_microeur FROM model_calls WHERE turn_id = %s ORDER BY position"
    calls = await rows(db, tenant, kept, lost.turn_id)
    spent = "SELECT prompt_tokens, completion_tokens, cost_microeur FROM turns WHERE id = %s"
    (turn,) = await rows(db, tenant, spent, lost.turn_id)

    assert [call["position"] for call in calls] == [1, 2, 3]
    assert tuple(turn.values()) == (300, 60, 21)


async def test_counts_are_forgotten_when_their_window_is_over_and_not_before(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    for tenant in businesses:
        async with db.tenant(tenant) as tx:
            for subject in ("old", "new"):
                await store.count_hit(tx, subject=subject, window_seconds=60, most=10)
            await tx.run(
                "UPDATE rate_limits SET hits = ARRAY[now() - interval '61 seconds']"
                " WHERE tenant_id = %s AND subject = 'old'",
                [tenant],
            )
    assert await prune(db, window_seconds=60) >= 2
    for tenant in businesses:
        left = await rows(db, tenant, "SELECT subject FROM rate_limits")
        assert "old" not in {row["subject"] for row in left}
        assert "new" in {row["subject"] for row in left}


async def test_who_is_over_the_limit_is_not_counted_for_ever(
    db: Database, businesses: tuple[TenantId, TenantId]
) -> None:
    subject = fresh("address:")
    async with db.tenant(businesses[0]) as tx:
        counted = [
            await store.count_hit(tx, subject=subject, window_seconds=60, most=2) for _ in range(5)
        ]

    assert counted == [1, 2, 3, 3, 3]
