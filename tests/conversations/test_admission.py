"""What is admitted, what it is taken for when it comes again, and in what order it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import psycopg
import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.conversations import store
from coccinelle.conversations.model import Limits
from coccinelle.engine.model import EngineSettings
from coccinelle.engine.turns import Engine
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Conflict, NotFound, TooMany
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.providers.language.model import LanguageModel, Piece
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.setting import EMAILS, REELS, Talk, fresh, row, rows, talk
from tests.journeys.watched import Recorder, WatchedDatabase


@pytest.fixture(scope="module")
async def rivoli(db: Database) -> TenantId:
    return await setting.rivoli(db, WordEmbedder())


@pytest.fixture
def engine(db: Database) -> Engine:
    return setting.engine_of(db, WordEmbedder(), limits=Limits())


@pytest.fixture
def patient(db: Database) -> Engine:
    """An engine that lets any number wait."""
    limits = Limits(messages=1000, waiting=1000)
    return setting.engine_of(db, WordEmbedder(), limits=limits)


async def turns_of(db: Database, conversation: Talk) -> list[dict[str, Any]]:
    return await rows(
        db,
        conversation.tenant_id,
        "SELECT t.* FROM turns t JOIN conversations c ON c.id = t.conversation_id"
        " WHERE c.external_id = %s ORDER BY t.seq",
        conversation.conversation,
    )


async def test_a_message_that_is_sent_again_gets_the_answer_that_it_has(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    first = await conversation.say(EMAILS, key="m-1")
    again = await conversation.say(EMAILS, key="m-1")

    assert (again.turn_id, again.text, again.agent) == (first.turn_id, first.text, first.agent)
    assert (again.sources, again.outcome) == (first.sources, first.outcome)
    assert again.confidence == pytest.approx(first.confidence, abs=1e-6)
    assert len(await turns_of(db, conversation)) == 1


async def test_an_id_that_is_used_for_another_message_is_a_conflict(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    await conversation.say(EMAILS, key="m-1")

    with pytest.raises(Conflict) as refused:
        await conversation.say(REELS, key="m-1")
    assert refused.value.code == "message_id_reused"
    assert len(await turns_of(db, conversation)) == 1


async def test_messages_without_an_id_are_each_answered(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    await conversation.say(EMAILS)
    await conversation.say(EMAILS)

    assert len(await turns_of(db, conversation)) == 2


async def test_an_id_is_known_for_a_day(engine: Engine, db: Database, rivoli: TenantId) -> None:
    conversation = talk(engine, rivoli)
    first = await conversation.say(EMAILS, key="m-1")
    for hours, is_known in ((23, True), (25, False)):
        async with db.tenant(rivoli) as tx:
            await tx.run(
                "UPDATE turns SET accepted_at = now() - make_interval(hours => %s)"
                " WHERE tenant_id = %s AND id = %s",
                [hours, rivoli, first.turn_id],
            )
        assert ((await conversation.say(EMAILS, key="m-1")).turn_id == first.turn_id) is is_known
    assert len(await turns_of(db, conversation)) == 2


async def test_fifty_at_once_of_one_message_are_one_turn(
    patient: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(patient, rivoli)
    results = await asyncio.gather(*(conversation.say(EMAILS, key="m-1") for _ in range(50)))

    assert len({result.turn_id for result in results}) == 1
    assert len({result.text for result in results}) == 1
    assert len(await turns_of(db, conversation)) == 1


async def test_the_eleventh_message_in_a_minute_is_too_many_and_says_when_to_come_back(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    for _ in range(10):
        await conversation.say("Bonjour")

    with pytest.raises(TooMany) as refused:
        await conversation.say("Bonjour")
    assert 50 <= refused.value.retry_after_seconds <= 60
    assert len(await turns_of(db, conversation)) == 10


async def test_a_new_conversation_does_not_evade_the_limit_nor_does_a_new_user_in_the_old_one(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    for number in range(10):
        await conversation.say("Bonjour", conversation=fresh() if number % 2 else "c-shared")

    with pytest.raises(TooMany):
        await conversation.say("Bonjour", conversation=fresh())
    with pytest.raises(NotFound):
        await conversation.say("Bonjour", conversation="c-shared", user=fresh("u"))
    assert (await talk(engine, rivoli).say("Bonjour")).outcome == "answered"


async def test_a_refused_message_is_not_counted_nor_is_one_that_comes_again(
    engine: Engine, db: Database, rivoli: TenantId
) -> None:
    conversation = talk(engine, rivoli)
    for number in range(10):
        await conversation.say("Bonjour", key=f"m-{number}")
    for _ in range(3):
        await conversation.say("Bonjour", key="m-0")
        with pytest.raises(TooMany):
            await conversation.say("Bonjour", key="m-new")
        with pytest.raises(Conflict):
            await conversation.say("Bonsoir", key="m-0")
    async with db.tenant(rivoli) as tx:
        counted = await store.hits(tx, subject=f"user:{conversation.user}", window_seconds=60)
        left = await conversations.remaining(
            tx, external_id=conversation.conversation, limits=Limits()
        )

    assert (counted, left) == (10, 0)


async def test_the_window_slides(engine: Engine, db: Database, rivoli: TenantId) -> None:
    conversation = talk(engine, rivoli)
    for _ in range(10):
        await conversation.say("Bonjour")
    async with db.tenant(rivoli) as tx:
        await tx.run(
            "UPDATE rate_limits SET hits = ARRAY(SELECT h - interval '58 seconds' * (n <= 3)::int"
            " FROM unnest(hits) WITH ORDINALITY AS u (h, n)) WHERE tenant_id = %s"
            " AND subject IN (%s, %s)",
            [rivoli, f"user:{conversation.user}", f"conversation:{conversation.conversation}"],
        )
    with pytest.raises(TooMany) as refused:
        await conversation.say("Bonjour")
    assert refused.value.retry_after_seconds <= 3
    async with db.tenant(rivoli) as tx:
        await tx.run(
            "UPDATE rate_limits SET hits = ARRAY(SELECT h - interval '3 seconds' FROM unnest(hits)"
            " AS h) WHERE tenant_id = %s",
            [rivoli],
        )
    for _ in range(3):
        await conversation.say("Bonjour")
    with pytest.raises(TooMany):
        await conversation.say("Bonjour")


async def test_an_address_has_a_limit_of_its_own_whoever_writes_from_it(
    engine: Engine, rivoli: TenantId
) -> None:
    address = fresh("203.0.113.")
    for _ in range(60):
        await talk(engine, rivoli).say("Bonjour", address=address)

    with pytest.raises(TooMany) as refused:
        await talk(engine, rivoli).say("Bonjour", address=address)
    assert refused.value.retry_after_seconds > 30
    assert (await talk(engine, rivoli).say("Bonjour", address=fresh("a"))).text
    assert (await talk(engine, rivoli).say("Bonjour", address=None)).text


async def test_retry_after_counts_from_what_is_over_its_limit(
    db: Database, rivoli: TenantId
) -> None:
    engine = setting.engine_of(db, WordEmbedder(), limits=Limits(messages=1))
    address = fresh("a")
    await talk(engine, rivoli).say("Bonjour", address=address)
    async with db.tenant(rivoli) as tx:
        await tx.run(
            "UPDATE rate_limits SET hits = ARRAY[now() - interval '58 seconds']"
            " WHERE tenant_id = %s AND subject = %s",
            [rivoli, f"address:{address}"],
        )
    conversation = talk(engine, rivoli)
    await conversation.say("Bonjour", address=address)

    with pytest.raises(TooMany) as refused:
        await conversation.say("Bonjour", address=address)
    assert refused.value.retry_after_seconds > 50


class Gate(LanguageModel):
    """An answering model that waits, and says how many it answered and in what order."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked: list[str] = []

    async def stream(
        self, prompt: Any, *, calls: Any, until: Any = None
    ) -> AsyncGenerator[Any, None]:
        self.asked.append(prompt.messages[-1].content)
        await self.open.wait()
        yield Piece("Voici la séquence.")

    async def complete(self, prompt: Any, **_: Any) -> str:
        raise AssertionError("not asked for")


async def test_more_than_three_that_wait_are_too_many(db: Database, rivoli: TenantId) -> None:
    gate = Gate()
    engine = setting.engine_of(
        db,
        WordEmbedder(),
        answer_model=lambda agent: gate,
        limits=Limits(),
    )
    conversation = talk(engine, rivoli)
    lives = [await conversation.start(EMAILS, key="m-0")]
    lives += [await conversation.start(EMAILS, key=f"m-{n}") for n in (1, 2, 3)]
    with pytest.raises(TooMany) as refused:
        await conversation.start(EMAILS, key="m-4")
    repeated = await conversation.start(EMAILS, key="m-3")
    states = [turn["state"] for turn in await turns_of(db, conversation)]
    gate.open.set()
    results = [await live.result() for live in lives]

    assert refused.value.retry_after_seconds >= 1
    assert repeated is lives[-1]
    assert states == ["answering", "accepted", "accepted", "accepted"]
    assert [result.outcome for result in results] == ["answered"] * 4


async def test_twenty_at_once_are_answered_one_by_one_in_the_order_of_their_arrival(
    db: Database, rivoli: TenantId
) -> None:
    gate = Gate()
    gate.open.set()
    limits = Limits(messages=1000, waiting=1000)
    engines = [
        setting.engine_of(db, WordEmbedder(), answer_model=lambda agent: gate, limits=limits)
        for _ in range(2)
    ]
    user, conversation_id = fresh("u"), fresh()
    talks = [Talk(engine, rivoli, user, conversation_id) for engine in engines]
    await asyncio.gather(*(talks[n % 2].say(f"{EMAILS} {n}") for n in range(20)))
    turns = await turns_of(db, talks[0])
    messages = await rows(
        db,
        rivoli,
        "SELECT author, seq, text FROM messages WHERE conversation_id = %s ORDER BY seq",
        turns[0]["conversation_id"],
    )

    assert len(turns) == 20
    finished = [turn["finished_at"] for turn in turns]
    assert finished == sorted(finished)
    assert [m["text"] for m in messages if m["author"] == "customer"] == gate.asked
    assert [m["author"] for m in messages] == ["customer", "agent"] * 20


async def test_two_first_messages_at_once_make_one_conversation(
    patient: Engine, db: Database, rivoli: TenantId
) -> None:
    for _ in range(5):
        conversation = talk(patient, rivoli)
        await asyncio.gather(*(conversation.say("Bonjour") for _ in range(4)))

        assert len(await turns_of(db, conversation)) == 4


async def test_one_user_in_many_conversations_at_once_is_one_customer(
    patient: Engine, db: Database, rivoli: TenantId
) -> None:
    user = fresh("u")
    talks = [Talk(patient, rivoli, user, fresh()) for _ in range(8)]
    await asyncio.gather(*(t.say("Bonjour") for t in talks))

    known = "SELECT customer_id FROM customer_identities WHERE value = %s"
    await row(db, rivoli, known, user)


async def test_a_turn_is_two_transactions_that_write_and_one_short_read(
    addresses: Addresses, rivoli: TenantId
) -> None:
    recorder = Recorder()
    watched = WatchedDatabase(addresses.login, recorder)
    await watched.open()
    try:
        engine = setting.engine_of(watched, WordEmbedder())
        conversation = talk(engine, rivoli)
        await conversation.say("Bonjour")
        recorder.statements.clear()
        await conversation.say(EMAILS)
    finally:
        await watched.close()

    begins = [s for s in recorder.statements if s.startswith("BEGIN")]
    commits = [s for s in recorder.statements if s == "COMMIT"]
    others = [s for s in recorder.statements if s not in (*begins, *commits)]
    assert len(begins) == len(commits) == 3
    assert len(others) == 4
    assert len(begins) + len(others) <= 8


async def test_no_transaction_is_open_while_a_provider_is_waited_for(
    db: Database, addresses: Addresses, rivoli: TenantId, server: Any
) -> None:
    idle: list[int] = []
    dsn = server.dsn(database=psycopg.conninfo.conninfo_to_dict(addresses.login)["dbname"])

    async def look() -> None:
        await asyncio.sleep(0.05)
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND usename = 'coccinelle_login'"
                " AND state <> 'idle'"
            )
            found = await cursor.fetchone()
            assert found is not None
            idle.append(found[0])

    class Watching(WordEmbedder):
        async def embed_queries(self, texts: Any) -> Any:
            await look()
            return await super().embed_queries(texts)

    class Looking(Gate):
        async def stream(
            self, prompt: Any, *, calls: Any, until: Any = None
        ) -> AsyncGenerator[Any, None]:
            await look()
            self.open.set()
            async for piece in super().stream(prompt, calls=calls):
                await look()
                yield piece

    engine = setting.engine_of(
        db,
        Watching(),
        answer_model=lambda agent: Looking(),
        settings=EngineSettings(),
    )
    conversation = talk(engine, rivoli)
    assert (await conversation.say(EMAILS)).outcome == "answered"
    assert (await conversation.say(EMAILS)).outcome == "answered"

    assert len(idle) >= 6
    assert set(idle) == {0}
