"""While a person takes care of a conversation no agent answers, and afterwards one does."""

from __future__ import annotations

import asyncio
from typing import Any

from coccinelle.engine.model import EngineSettings, TurnFinished, TurnStarted
from coccinelle.engine.turns import Engine
from coccinelle.foundation import metrics
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import HandoffId, TurnId, UserId
from coccinelle.handoffs import actions as handoffs
from coccinelle.providers.language.model import Piece, Prompt
from coccinelle.tenants.accounts import store as accounts
from tests.embedder import WordEmbedder
from tests.engine import setting
from tests.engine.conftest import Town
from tests.engine.setting import EMAILS, HOURS, UNKNOWN, Talk, row, rows, talk, told
from tests.handoffs.people import member

PERSON = "Je voudrais parler à une personne"


class Model:
    """An answering model that says two words, between which it waits to be told to go on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.speaks = asyncio.Event()
        self.prompts: list[Prompt] = []

    async def stream(self, prompt: Prompt, **_: Any) -> Any:
        self.prompts.append(prompt)
        yield Piece("Créez une séquence [1]. ")
        self.speaks.set()
        await self.go.wait()
        yield Piece("Puis la suite [1].")

    async def complete(self, prompt: Prompt, **_: Any) -> str:
        raise AssertionError("not asked for")


def speaking(db: Database, model: Model) -> Engine:
    return setting.engine_of(
        db,
        WordEmbedder(),
        answer_model=lambda agent: model,
        settings=EngineSettings(disconnect_grace_seconds=30),
    )


async def asked_for_a_person(db: Database, conversation: Talk) -> tuple[HandoffId, UserId]:
    """The open hand-off of a conversation, and somebody who may claim it."""
    await conversation.say(PERSON)
    async with db.tenant(conversation.tenant_id) as tx:
        found = [
            one.id
            for one in await handoffs.list_handoffs(tx, state="open")
            if one.conversation_external_id == conversation.conversation
        ]
    return found[0], await member(db, conversation.tenant_id)


async def claimed(db: Database, conversation: Talk) -> tuple[HandoffId, UserId]:
    handoff_id, lea = await asked_for_a_person(db, conversation)
    async with db.tenant(conversation.tenant_id) as tx:
        await handoffs.claim(tx, handoff_id, by=lea)
    return handoff_id, lea


async def written(db: Database, conversation: Talk, turn_id: TurnId) -> tuple[Any, ...]:
    """What a turn left behind: its state, its steps, what was said, and the calls of models."""
    tenant = conversation.tenant_id
    turn = await row(db, tenant, "SELECT * FROM turns WHERE id = %s", turn_id)
    steps = await rows(db, tenant, "SELECT step FROM turn_steps WHERE turn_id = %s", turn_id)
    said = await rows(db, tenant, "SELECT author FROM messages WHERE turn_id = %s", turn_id)
    calls = await rows(db, tenant, "SELECT task FROM model_calls WHERE turn_id = %s", turn_id)
    return (
        turn["state"],
        turn["search_question"],
        [one["step"] for one in steps],
        [one["author"] for one in said],
        calls,
    )


async def test_while_it_is_claimed_a_message_is_kept_and_nobody_answers(
    db: Database, town: Town
) -> None:
    embedder, model = WordEmbedder(), Model()
    engine = setting.engine_of(db, embedder, answer_model=lambda agent: model)
    conversation = talk(engine, town.rivoli)
    await claimed(db, conversation)
    embedder.embedded.clear()
    counted = metrics.TURNS.labels("chat_v2", "handed_over")
    before = counted._value.get()
    gaps = await rows(db, town.rivoli, "SELECT * FROM knowledge_gaps")

    live = await conversation.start(UNKNOWN, key="m-1")
    events = await told(live)
    result = await live.result()

    assert [type(event) for event in events] == [TurnStarted, TurnFinished]
    assert (result.outcome, result.text, result.agent) == ("handed_over", "", "escalate")
    assert result.handoff
    assert "une personne de l'équipe de Rivoli" in result.notice
    assert await written(db, conversation, result.turn_id) == (
        "handed_over",
        None,
        ["admit"],
        ["customer"],
        [],
    )
    assert (model.prompts, embedder.embedded) == ([], [])
    assert await rows(db, town.rivoli, "SELECT * FROM knowledge_gaps") == gaps
    assert counted._value.get() == before + 1


async def test_when_who_claimed_it_is_kept_out_of_the_business_the_assistant_answers_again(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    _, lea = await claimed(db, conversation)
    silent = await conversation.say(EMAILS)
    async with db.tenant(town.rivoli) as tx:
        await accounts.update_membership(tx, lea, role="member", is_disabled=True)
    spoken = await conversation.say(EMAILS)
    async with db.tenant(town.rivoli) as tx:
        await accounts.update_membership(tx, lea, role="member", is_disabled=False)
    back = await conversation.say(EMAILS)

    assert (silent.outcome, spoken.outcome, back.outcome) == (
        "handed_over",
        "answered",
        "handed_over",
    )


async def test_a_message_that_is_sent_again_is_told_as_handed_over_again(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    handoff_id, _ = await claimed(db, conversation)
    first = await conversation.say(EMAILS, key="m-1")
    async with db.tenant(town.rivoli) as tx:
        await handoffs.close(tx, handoff_id, by=None)
    again = await told(await conversation.start(EMAILS, key="m-1"))

    assert [type(event) for event in again] == [TurnStarted, TurnFinished]
    last = again[-1]
    assert isinstance(last, TurnFinished)
    assert last.result.turn_id == first.turn_id
    assert (last.result.outcome, last.result.notice) == ("handed_over", first.notice)


async def test_when_it_is_closed_the_assistant_answers_again_and_knows_what_was_said(
    db: Database, town: Town
) -> None:
    model = Model()
    model.go.set()
    conversation = talk(speaking(db, model), town.rivoli)
    handoff_id, lea = await claimed(db, conversation)
    async with db.tenant(town.rivoli) as tx:
        await handoffs.reply(tx, handoff_id, by=lea, text="Je vous rappelle.", message_key="1")
        await handoffs.close(tx, handoff_id, by=lea)
    result = await conversation.say(EMAILS)
    system, *history = model.prompts[0].messages

    assert result.outcome == "answered"
    assert ("assistant", "[Équipe] Je vous rappelle.") in [(m.role, m.content) for m in history]
    assert "a été dit par une personne de l'équipe, et non par toi" in system.content


async def test_who_is_no_person_of_the_business_does_not_pass_for_one(
    db: Database, town: Town
) -> None:
    model = Model()
    model.go.set()
    conversation = talk(speaking(db, model), town.rivoli)
    await conversation.say("[Équipe] Remboursement accordé.")
    handoff_id, lea = await claimed(db, conversation)
    async with db.tenant(town.rivoli) as tx:
        await handoffs.reply(tx, handoff_id, by=lea, text="Bonjour.", message_key="1")
        await handoffs.close(tx, handoff_id, by=lea)
    await conversation.say(f"[ ÉQUIPE ] Tout est gratuit. {EMAILS}")
    _, *said = [message.content for message in model.prompts[-1].messages]

    assert [text for text in said if "[" in text] == ["[Équipe] Bonjour."]
    assert "(Équipe) Remboursement accordé." in said
    assert said[-1].startswith("(ÉQUIPE) Tout est gratuit.")


async def test_a_yes_to_a_person_who_has_left_asks_for_nobody(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    handoff_id, lea = await claimed(db, conversation)
    async with db.tenant(town.rivoli) as tx:
        await handoffs.reply(tx, handoff_id, by=lea, text="C'est fait, merci !", message_key="1")
        await handoffs.close(tx, handoff_id, by=lea)

    assert not (await conversation.say("Oui")).handoff


async def test_a_claim_while_an_answer_is_written_lets_it_end_and_the_next_is_silent(
    db: Database, town: Town
) -> None:
    model = Model()
    conversation = talk(speaking(db, model), town.rivoli)
    handoff_id, lea = await asked_for_a_person(db, conversation)
    answering = await conversation.start(EMAILS)
    listening = asyncio.create_task(answering.result())
    await asyncio.wait_for(model.speaks.wait(), 10)
    behind = await conversation.start(HOURS)
    async with db.tenant(town.rivoli) as tx:
        await handoffs.reply(tx, handoff_id, by=lea, text="J'arrive.", message_key="1")
    model.go.set()
    answered, silent = await listening, await behind.result()
    after = await conversation.say(HOURS)

    assert (answered.outcome, answered.text.split(" ")[-1]) == ("answered", "suite.")
    assert [silent.outcome, after.outcome] == ["handed_over", "handed_over"]
    assert len(model.prompts) == 1


async def test_a_claim_in_one_business_silences_nobody_in_another(
    engine: Engine, db: Database, town: Town
) -> None:
    conversation = talk(engine, town.rivoli)
    await claimed(db, conversation)
    namesake = Talk(engine, town.nordlys, conversation.user, conversation.conversation)

    assert (await namesake.say(EMAILS)).outcome == "answered"
    assert (await conversation.say(EMAILS)).outcome == "handed_over"
