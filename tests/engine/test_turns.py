"""A turn from its message to its record, on a real database, with two businesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from coccinelle.conversations import actions as conversations
from coccinelle.conversations.model import Limits, Message
from coccinelle.engine.model import (
    AgentSelected,
    EngineSettings,
    HandoffOpened,
    TextDelta,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from coccinelle.engine.turns import Engine
from coccinelle.foundation import metrics
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.foundation.errors import NotFound, Unavailable
from coccinelle.foundation.ids import TenantId, TurnId
from coccinelle.foundation.postgres import Addresses
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.conftest import Town
from tests.engine.setting import (
    EMAILS,
    HOURS,
    NORDLYS_CANARY,
    OUTSIDE,
    PRICE,
    REELS,
    UNKNOWN,
    row,
    rows,
    shown,
    talk,
    told,
)


async def turn_row(db: Database, town: Town, turn_id: TurnId) -> dict[str, Any]:
    return await row(db, town.rivoli, "SELECT * FROM turns WHERE id = %s", turn_id)


@pytest.mark.parametrize(("question", "key"), [(EMAILS, "audrey"), (REELS, "carole")])
async def test_a_question_is_answered_by_its_specialist_with_its_sources(
    engine: Engine, db: Database, town: Town, question: str, key: str
) -> None:
    result = await talk(engine, town.rivoli).say(question)

    assert (result.outcome, result.agent) == ("answered", key)
    assert result.text.startswith("Voici ce que disent nos documents :")
    assert result.sources
    assert NORDLYS_CANARY not in result.text
    assert 0 <= result.confidence <= 1


async def test_the_other_business_answers_the_same_question_from_its_own_documents(
    engine: Engine, town: Town
) -> None:
    assert NORDLYS_CANARY in (await talk(engine, town.nordlys).say(EMAILS)).text


async def test_the_events_tell_the_turn_as_it_happens(engine: Engine, town: Town) -> None:
    events = await told(await talk(engine, town.rivoli).start(EMAILS))

    assert isinstance(events[0], TurnStarted)
    assert isinstance(events[1], AgentSelected)
    assert all(isinstance(event, TextDelta) for event in events[2:-1])
    assert isinstance(events[-1], TurnFinished)
    assert shown(events) == events[-1].result.text


async def test_a_turn_is_a_row_with_all_that_was_done(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    result = await conversation.say(EMAILS)
    turn = await turn_row(db, town, result.turn_id)
    said = await rows(
        db,
        town.rivoli,
        "SELECT author, text FROM messages WHERE turn_id = %s ORDER BY seq",
        result.turn_id,
    )
    steps = await rows(
        db, town.rivoli, "SELECT step FROM turn_steps WHERE turn_id = %s", result.turn_id
    )

    assert turn["state"] == "answered"
    assert turn["finished_at"] is not None
    assert turn["route_method"] == "embedding"
    assert set(turn["route_scores"]) >= {"audrey", "carole"}
    assert turn["search_question"] == EMAILS
    assert turn["best_score"] >= turn["answer_threshold"]
    assert [(m["author"], m["text"]) for m in said] == [
        ("customer", EMAILS),
        ("agent", result.text),
    ]
    assert {step["step"] for step in steps} == {"admit", "route", "retrieve", "generate"}


async def test_what_no_document_answers_is_escalated_and_kept_as_a_gap(
    engine: Engine, db: Database, town: Town
) -> None:
    tenant = await setting.rivoli(db, WordEmbedder())
    for _ in range(2):
        result = await talk(engine, tenant).say("Comment programmer une newsletter ?")
        assert (result.outcome, result.agent) == ("escalated", "escalate")
        assert result.text == setting.AUDREY.fallback_message
        assert result.sources == ()
        assert not result.handoff

    gap = await row(db, tenant, "SELECT question, asked_count, best_score FROM knowledge_gaps")
    assert (gap["question"], gap["asked_count"]) == ("Comment programmer une newsletter ?", 2)
    assert await rows(db, town.nordlys, "SELECT 1 FROM knowledge_gaps") == []


async def test_what_is_nobodys_business_is_escalated_with_the_offer_of_a_person(
    engine: Engine, db: Database, town: Town
) -> None:
    result = await talk(engine, town.rivoli).say(OUTSIDE)

    assert (result.outcome, result.agent, result.agent_name) == ("escalated", "escalate", None)
    assert "personne" in result.text


async def test_what_all_may_answer_is_answered_though_it_is_no_agents_own(
    engine: Engine, town: Town
) -> None:
    result = await talk(engine, town.rivoli).say(HOURS)

    assert (result.outcome, result.agent) == ("answered", "audrey")
    assert "9h30" in result.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Bonjour", setting.AUDREY.greeting),
        ("Merci beaucoup !", "Avec plaisir ! Je reste là si vous avez une autre question."),
        ("Je ne comprends pas", "Pouvez-vous m'en dire un peu plus ?"),
        ("Thank you", "You are welcome! I am here if you have another question."),
    ],
)
async def test_a_courtesy_is_answered_by_the_first_agent(
    engine: Engine, town: Town, text: str, said: str
) -> None:
    result = await talk(engine, town.rivoli).say(text)

    assert (result.outcome, result.agent) == ("answered", "audrey")
    assert result.text.startswith(said)


async def test_a_courtesy_is_answered_by_the_agent_who_spoke_last(
    engine: Engine, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    await conversation.say(REELS)

    assert (await conversation.say("Merci")).agent == "carole"


async def test_who_asks_for_a_person_opens_one_hand_off(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    live = await conversation.start("Je veux parler à un humain")
    events = await told(live)
    finished = events[-1]
    assert isinstance(finished, TurnFinished)

    assert (finished.result.outcome, finished.result.agent) == ("escalated", "escalate")
    assert finished.result.handoff
    assert "01 99 00 12 34" in finished.result.text
    assert isinstance(events[-2], HandoffOpened)

    again = await conversation.say("Passez-moi un conseiller !")
    assert again.handoff
    await row(
        db,
        town.rivoli,
        "SELECT h.id FROM handoffs h JOIN conversations c ON c.id = h.conversation_id"
        " WHERE c.external_id = %s",
        conversation.conversation,
    )
    assert (await conversation.say(EMAILS)).outcome == "answered"


async def test_an_offer_that_is_accepted_opens_a_hand_off_and_a_yes_to_nothing_does_not(
    engine: Engine, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    await conversation.say("Comment programmer une newsletter ?")
    accepted = await conversation.say("Oui, je veux bien")
    elsewhere = talk(engine, town.rivoli)
    await elsewhere.say(EMAILS)
    yes = await elsewhere.say("Oui, je veux bien")

    assert accepted.handoff
    assert not yes.handoff


async def test_an_offer_that_is_refused_opens_nothing(engine: Engine, town: Town) -> None:
    conversation = talk(engine, town.rivoli)
    await conversation.say("Comment programmer une newsletter ?")

    assert not (await conversation.say("Non merci")).handoff


async def test_a_follow_up_stays_with_the_agent_and_is_searched_with_what_it_follows(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    await conversation.say(REELS)
    result = await conversation.say("Et pour les emails ?")
    turn = await turn_row(db, town, result.turn_id)

    assert turn["route_method"] == "sticky"
    assert turn["search_question"] == f"{REELS} Et pour les emails ?"
    assert result.agent == "carole"


async def test_a_question_that_begins_by_where_is_no_follow_up(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    await conversation.say(REELS)
    result = await conversation.say("Où automatiser mes emails de bienvenue ?")

    assert result.agent == "audrey"


async def test_an_agent_that_is_asked_for_answers(engine: Engine, db: Database, town: Town) -> None:
    result = await talk(engine, town.rivoli).say(HOURS, agent_key="carole")

    assert (result.agent, result.confidence) == ("carole", 1.0)
    assert (await turn_row(db, town, result.turn_id))["route_method"] == "forced"
    with pytest.raises(NotFound):
        await talk(engine, town.rivoli).say(HOURS, agent_key="personne")


async def test_an_agent_answers_from_its_own_documents_and_shared_ones_only(
    engine: Engine, town: Town
) -> None:
    result = await talk(engine, town.rivoli).say(EMAILS, agent_key="carole")

    assert "Systeme.io" not in result.text


async def test_a_neighbours_line_of_a_table_is_not_quoted(engine: Engine, town: Town) -> None:
    result = await talk(engine, town.rivoli).say(PRICE)

    assert "290 €" in result.text
    assert "190 €" not in result.text


async def test_what_the_client_says_was_said_before_is_used_and_not_stored(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    result = await conversation.say(
        "Et combien de temps ?", context=(Message("customer", EMAILS), Message("agent", "Voici."))
    )
    turn = await turn_row(db, town, result.turn_id)
    stored = await rows(
        db,
        town.rivoli,
        "SELECT m.text FROM messages m JOIN conversations c ON c.id = m.conversation_id"
        " WHERE c.external_id = %s AND m.author = 'customer'",
        conversation.conversation,
    )

    assert turn["search_question"] == f"{EMAILS} Et combien de temps ?"
    assert [m["text"] for m in stored] == ["Et combien de temps ?"]


async def test_the_same_thing_three_times_gets_the_offer_from_the_sixth_message_on(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    results = [await conversation.say(EMAILS) for _ in range(6)]
    marked = await row(
        db,
        town.rivoli,
        "SELECT opportunity_at FROM conversations WHERE external_id = %s",
        conversation.conversation,
    )

    assert [r.loop_detected for r in results] == [False] * 5 + [True]
    assert results[-1].text.endswith("Parlons-en de vive voix : https://rivoli.example/appel")
    assert "vive voix" not in results[-2].text
    assert marked["opportunity_at"] is not None


async def test_different_things_are_no_loop(engine: Engine, town: Town) -> None:
    conversation = talk(engine, town.rivoli)
    said = [EMAILS, EMAILS, EMAILS, EMAILS, REELS, EMAILS]

    assert not [r for r in [await conversation.say(t) for t in said] if r.loop_detected]


async def test_feedback_is_kept_and_the_last_word_counts(
    engine: Engine, db: Database, town: Town
) -> None:
    result = await talk(engine, town.rivoli).say(EMAILS)
    async with db.tenant(town.rivoli) as tx:
        await conversations.give_feedback(tx, turn_id=result.turn_id, score=1, comment=None)
        await conversations.give_feedback(tx, turn_id=result.turn_id, score=-1, comment="bof")
    kept = await row(
        db, town.rivoli, "SELECT score, comment FROM feedback WHERE turn_id = %s", result.turn_id
    )

    assert kept == {"score": -1, "comment": "bof"}
    async with db.tenant(town.nordlys) as tx:
        with pytest.raises(NotFound):
            await conversations.give_feedback(tx, turn_id=result.turn_id, score=1, comment=None)


async def test_a_conversation_is_its_users_own(engine: Engine, db: Database, town: Town) -> None:
    mine = talk(engine, town.rivoli)
    await mine.say(EMAILS)

    with pytest.raises(NotFound):
        await mine.say(EMAILS, user="quelqu'un d'autre")
    async with db.tenant(town.rivoli) as tx:
        with pytest.raises(NotFound):
            await conversations.read_history(
                tx, external_id=mine.conversation, user_id="autre", after_seq=0, limit=10
            )
        history = await conversations.read_history(
            tx, external_id=mine.conversation, user_id=mine.user, after_seq=0, limit=10
        )
    assert [item.author for item in history] == ["customer", "agent"]
    strangers = "SELECT count(*) AS n FROM customer_identities WHERE value = %s"
    assert (await row(db, town.rivoli, strangers, "quelqu'un d'autre"))["n"] == 0


async def test_the_same_ids_in_another_business_are_another_conversation(
    engine: Engine, db: Database, town: Town
) -> None:
    mine = talk(engine, town.rivoli)
    await mine.say(EMAILS, key="m-1")
    theirs = setting.Talk(engine, town.nordlys, mine.user, mine.conversation)
    result = await theirs.say(REELS, key="m-1")

    assert NORDLYS_CANARY in result.text
    turns = "SELECT t.id FROM turns t JOIN conversations c ON c.id = t.conversation_id"
    turns += " WHERE c.external_id = %s"
    assert len(await rows(db, town.rivoli, turns, mine.conversation)) == 1
    assert len(await rows(db, town.nordlys, turns, mine.conversation)) == 1


async def test_without_vectors_words_answer_what_they_can(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    engine = setting.engine_of(db, embedder)
    await talk(engine, town.rivoli).say("Bonjour")
    embedder.is_down = True
    answered = await talk(engine, town.rivoli).say(EMAILS)
    escalated = await talk(engine, town.rivoli).say(OUTSIDE)

    assert answered.outcome == "answered"
    assert "Systeme.io" in answered.text
    assert escalated.outcome == "escalated"


async def test_a_tenant_that_is_not_there_is_not_found(engine: Engine, town: Town) -> None:
    nobody = setting.Talk(engine, TenantId(uuid4()), "u", "c")

    with pytest.raises(NotFound):
        await nobody.say("Bonjour")


class Stage:
    """An answering model that waits to be told to go on."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.go = asyncio.Event()
        self.calls = 0

    async def stream(self, prompt: Any, *, calls: Any, until: Any = None) -> Any:
        from coccinelle.providers.language.model import Piece

        self.calls += 1
        for piece in self.pieces:
            yield Piece(piece)
        await self.go.wait()
        yield Piece("Fin.")

    async def complete(self, prompt: Any, **_: Any) -> str:
        raise AssertionError("not asked for")


def staged(db: Database, embedder: WordEmbedder, stage: Stage, grace_seconds: float) -> Engine:
    return setting.engine_of(
        db,
        embedder,
        answer_model=lambda agent: stage,
        settings=EngineSettings(disconnect_grace_seconds=grace_seconds),
        limits=Limits(messages=1000, lease_seconds=5),
    )


async def test_who_hangs_up_leaves_an_interrupted_turn_with_what_was_sent(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et puis")
    engine = staged(db, embedder, stage, 0.05)
    conversation = talk(engine, town.rivoli)
    live = await conversation.start(EMAILS, key="m-1")
    async for _, event in live.events():
        if isinstance(event, TextDelta):
            break
    async with asyncio.timeout(5):
        await engine.drain(5)
    turn = await turn_row(db, town, live.turn_id)
    repeated = await conversation.start(EMAILS, key="m-1")
    result = await repeated.result()

    assert turn["state"] == "interrupted"
    assert result.interrupted
    assert result.text.strip() == "Créez une séquence."
    assert stage.calls == 1


async def test_who_comes_back_in_time_goes_on_where_they_were(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et")
    conversation = talk(staged(db, embedder, stage, 5), town.rivoli)
    live = await conversation.start(EMAILS, key="m-1")
    last = 0
    async for number, event in live.events():
        last = number
        if isinstance(event, TextDelta):
            break
    again = await conversation.start(EMAILS, key="m-1")
    stage.go.set()
    rest = await told(again, after=last)

    assert again is live
    assert isinstance(rest[-1], TurnFinished)
    assert shown(rest) == "EtFin."
    assert rest[-1].result.outcome == "answered"
    assert stage.calls == 1


async def test_a_turn_whose_lease_is_lost_is_not_told_as_answered(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et")
    conversation = talk(staged(db, embedder, stage, 5), town.rivoli)
    live = await conversation.start(EMAILS)
    async for _, event in live.events():
        if isinstance(event, TextDelta):
            break
    async with db.tenant(town.rivoli) as tx:
        await tx.run(
            "UPDATE turns SET state = 'failed', failure_code = 'crashed', finished_at = now(),"
            " lease_expires_at = NULL WHERE tenant_id = %s AND id = %s",
            [town.rivoli, live.turn_id],
        )
    with pytest.raises(Unavailable):
        await live.result()
    said = "SELECT 1 FROM messages WHERE turn_id = %s AND author = 'agent'"
    assert await rows(db, town.rivoli, said, live.turn_id) == []


async def test_a_process_that_stops_lets_turns_end_and_interrupts_the_late_ones(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et")
    engine = staged(db, embedder, stage, 5)
    live = await talk(engine, town.rivoli).start(EMAILS)
    async for _, event in live.events():
        if isinstance(event, TextDelta):
            break
    await engine.drain(0.05)

    assert live.is_over
    assert (await turn_row(db, town, live.turn_id))["state"] == "interrupted"


async def test_a_failure_that_nobody_foresaw_fails_the_turn_and_tells_the_customer(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    class Broken(Stage):
        async def stream(self, prompt: Any, *, calls: Any, until: Any = None) -> Any:
            raise RuntimeError("secret detail")
            yield

    conversation = talk(staged(db, embedder, Broken(), 5), town.rivoli)
    live = await conversation.start(EMAILS, key="m-1")
    events = await told(live)

    assert isinstance(events[-1], TurnFailed)
    assert events[-1].error.code == "answer_failed"
    turn = await turn_row(db, town, live.turn_id)
    assert (turn["state"], turn["failure_code"]) == ("failed", "answer_failed")


async def test_a_failed_message_that_is_sent_again_is_answered_anew_under_new_numbers(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    class Twice(Stage):
        async def stream(self, prompt: Any, *, calls: Any, until: Any = None) -> Any:
            from coccinelle.providers.language.model import Piece

            self.calls += 1
            yield Piece("Créez une séquence [1]. Et ")
            if self.calls == 1:
                raise RuntimeError("once")

    stage = Twice()
    conversation = talk(staged(db, embedder, stage, 5), town.rivoli)
    first = await conversation.start(EMAILS, key="m-1")
    seen = [number async for number, _ in first.events()]
    again = await conversation.start(EMAILS, key="m-1")
    await again.result()
    events = await told(again, after=seen[-1])

    assert again.turn_id == first.turn_id
    assert isinstance(events[-1], TurnFinished)
    assert shown(events) == events[-1].result.text != ""
    said = "SELECT author FROM messages WHERE turn_id = %s ORDER BY seq"
    assert [m["author"] for m in await rows(db, town.rivoli, said, first.turn_id)] == [
        "customer",
        "agent",
    ]


async def test_what_a_model_says_that_cannot_be_stored_does_not_stop_the_record(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez\x00 une\ud800 séquence [1]. ")
    stage.go.set()
    result = await talk(staged(db, embedder, stage, 5), town.rivoli).say(EMAILS)

    assert result.text.startswith("Créez une séquence.")
    assert (await turn_row(db, town, result.turn_id))["state"] == "answered"


async def test_a_database_that_restarts_before_the_record_loses_no_answer(
    db: Database,
    town: Town,
    embedder: WordEmbedder,
    server: EmbeddedPostgres,
    addresses: Addresses,
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et ")
    conversation = talk(staged(db, embedder, stage, 5), town.rivoli)
    await asyncio.gather(*(talk(conversation.engine, town.rivoli).say("Bonjour") for _ in range(9)))
    live = await conversation.start(EMAILS)
    async for _, event in live.events():
        if isinstance(event, TextDelta):
            break
    dsn = server.dsn(database=str(conninfo_to_dict(addresses.login)["dbname"]))
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'coccinelle_login'"
        )
    stage.go.set()
    result = await live.result()

    assert result.outcome == "answered"
    assert (await turn_row(db, town, result.turn_id))["state"] == "answered"


async def test_a_message_that_waits_is_answered_though_the_database_restarts_meanwhile(
    db: Database,
    town: Town,
    embedder: WordEmbedder,
    server: EmbeddedPostgres,
    addresses: Addresses,
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et ")
    address = make_conninfo(addresses.login, application_name="restarted")
    own = Database(address, max_connections=3, wait_seconds=0.5)
    await own.open()
    try:
        conversation = talk(staged(own, embedder, stage, 5), town.rivoli)
        await conversation.start(EMAILS)
        waiting = await conversation.start(EMAILS)
        listening = asyncio.create_task(waiting.result())
        async with no_log_in(server, addresses):
            await asyncio.sleep(1.5)
            assert not listening.done()
        stage.go.set()
        result = await listening
    finally:
        await own.close()

    assert result.outcome == "answered"


@asynccontextmanager
async def no_log_in(server: EmbeddedPostgres, addresses: Addresses) -> AsyncIterator[None]:
    """The database is there for nobody."""
    name = str(conninfo_to_dict(addresses.login)["dbname"])
    async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as connection:
        await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND application_name = 'restarted'",
            [name],
        )
        try:
            yield
        finally:
            await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.parametrize("is_behind", [False, True])
async def test_a_turn_that_takes_too_long_waiting_or_answering_has_failed(
    db: Database, town: Town, embedder: WordEmbedder, is_behind: bool
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et")
    patient = talk(staged(db, embedder, stage, 30), town.rivoli)
    hurried = setting.engine_of(
        db,
        embedder,
        answer_model=lambda agent: stage,
        limits=Limits(messages=1000, turn_seconds=0.5),
    )
    if is_behind:
        await patient.start(EMAILS)
    late = await setting.Talk(hurried, town.rivoli, patient.user, patient.conversation).start(
        EMAILS
    )
    with pytest.raises(Unavailable) as failed:
        await asyncio.wait_for(late.result(), 30)
    turn = await turn_row(db, town, late.turn_id)
    stage.go.set()

    assert failed.value.code == "answer_failed"
    assert (turn["state"], turn["failure_code"]) == ("failed", "answer_failed")


async def test_a_turn_that_nobody_ever_attended_is_interrupted(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    stage = Stage("Créez une séquence [1]. ", "Et")
    engine = staged(db, embedder, stage, 0.1)
    live = await talk(engine, town.rivoli).start(EMAILS)
    async with asyncio.timeout(20):
        await engine.drain(60)

    assert (await turn_row(db, town, live.turn_id))["state"] == "interrupted"


async def test_who_leaves_while_a_failed_message_is_taken_up_again_leaves_it_to_nobody(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    class Once(Stage):
        async def stream(self, prompt: Any, *, calls: Any, until: Any = None) -> Any:
            from coccinelle.providers.language.model import Piece

            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("once")
            yield Piece("Créez une séquence [1]. ")

    stage = Once()
    slow = Leaving(db)
    engine = staged(cast(Database, slow), embedder, stage, 5)
    conversation = talk(engine, town.rivoli)
    first = await conversation.start(EMAILS, key="m-1")
    with pytest.raises(Unavailable):
        await first.result()
    slow.leaves = asyncio.create_task(conversation.start(EMAILS, key="m-1"))
    await asyncio.wait([slow.leaves])
    await engine.drain(10)

    assert slow.leaves.cancelled()
    assert (await turn_row(db, town, first.turn_id))["state"] == "answered"


async def test_a_record_whose_confirmation_is_lost_is_told_like_any_other(
    db: Database, town: Town, embedder: WordEmbedder
) -> None:
    silent = Unconfirmed(db)
    conversation = talk(setting.engine_of(cast(Database, silent), embedder), town.rivoli)
    await conversation.say("Bonjour")
    silent.is_armed = True
    turns = figure("coccinelle_turns_total", channel="chat_v2", outcome="escalated")
    events = await told(await conversation.start("Je veux parler à un humain"))

    assert not silent.is_armed
    assert isinstance(events[-1], TurnFinished)
    assert isinstance(events[-2], HandoffOpened)
    assert figure("coccinelle_turns_total", channel="chat_v2", outcome="escalated") == turns + 1


def figure(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


class Unconfirmed:
    """A database that once does not say that a hand-off is there, though it is."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.is_armed = False

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId, **how: Any) -> AsyncIterator[Any]:
        opened = "SELECT count(*) FROM handoffs WHERE tenant_id = %s"
        async with self.db.tenant(tenant_id, **how) as tx:
            before = await tx.value(opened, [tenant_id])
            yield tx
            is_new = await tx.value(opened, [tenant_id]) > before
        if self.is_armed and is_new:
            self.is_armed = False
            raise Unavailable("database_unavailable")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


class Leaving:
    """A database, and a customer who leaves as soon as their message is taken up again."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.leaves: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def tenant(self, tenant_id: TenantId, **how: Any) -> AsyncIterator[Any]:
        async with self.db.tenant(tenant_id, **how) as tx:
            yield tx
            state = "SELECT EXISTS (SELECT FROM turns WHERE tenant_id = %s AND state = 'accepted')"
            if self.leaves is not None and await tx.value(state, [tenant_id]):
                self.leaves.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


async def test_a_question_in_two_conversations_of_unknown_is_two_turns(
    engine: Engine, town: Town
) -> None:
    first, second = await asyncio.gather(
        talk(engine, town.rivoli).say(UNKNOWN), talk(engine, town.rivoli).say(UNKNOWN)
    )

    assert first.turn_id != second.turn_id
