"""Questions without an answer: what the team answers is kept, read, and comes back if it must."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import SourceId, TenantId, uuid7
from coccinelle.knowledge import actions, answers, gap_store, gaps, store
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import (
    ANSWERS_SLOT,
    AnswerNotFound,
    Gap,
    GapNotFound,
    Question,
    Source,
    SourceNotFound,
    TooManyAnswers,
    faq_source,
    text_source,
)
from tests.knowledge.ingest_worker import Services
from tests.knowledge.test_sources import agent

WHERE = "Où puis-je me garer ?"
PARK = "Dans la cour, derrière le garage."


async def ask(db: Database, tenant: TenantId, question: str = WHERE) -> None:
    async with db.tenant(tenant) as tx:
        await actions.record_gap(tx, question=question, best_score=0.1)


async def listed(db: Database, tenant: TenantId) -> list[Gap]:
    async with db.tenant(tenant) as tx:
        return (await gaps.listed(tx, limit=50))[0]


async def asked(db: Database, tenant: TenantId, question: str = WHERE) -> UUID:
    """The id of a question that was asked in vain."""
    await ask(db, tenant, question)
    return next(gap.id for gap in await listed(db, tenant) if gap.question == question)


async def answered(db: Database, tenant: TenantId, text: str = PARK) -> UUID:
    gap_id = await asked(db, tenant)
    async with db.tenant(tenant) as tx:
        await gaps.answer(tx, gap_id, text)
    return gap_id


async def source_of(db: Database, tenant: TenantId) -> Source:
    async with db.tenant(tenant) as tx:
        found = await answers.source(tx)
    assert found is not None
    return found


async def given(db: Database, tenant: TenantId) -> list[Question]:
    async with db.tenant(tenant) as tx:
        return await answers.given(tx)


async def test_an_answer_is_kept_for_all_agents_and_its_question_leaves_the_list(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await ask(db, nordlys)
    gap_id = await asked(db, rivoli)
    async with db.tenant(rivoli) as tx:
        settled = await gaps.answer(tx, gap_id, f"  {PARK} ")
    source = await source_of(db, rivoli)

    assert (settled.settled_as, settled.settled_at is not None) == ("answered", True)
    assert await listed(db, rivoli) == []
    assert await given(db, rivoli) == [Question(WHERE, PARK)]
    assert (source.title, source.kind, source.agents) == ("Réponses de l’équipe", "faq", [])
    assert source.state == "waiting"
    assert [gap.question for gap in await listed(db, nordlys)] == [WHERE]
    assert await given(db, nordlys) == []


async def test_it_comes_back_when_it_is_asked_in_vain_again_but_not_while_it_is_read(
    db: Database, rivoli: TenantId
) -> None:
    await answered(db, rivoli)
    await ask(db, rivoli)
    assert await listed(db, rivoli) == []

    source = await source_of(db, rivoli)
    await run_ingest(Services(db), rivoli, source.id, source.generation)
    assert await listed(db, rivoli) == []
    await ask(db, rivoli, WHERE.upper())
    (back,) = await listed(db, rivoli)
    assert (back.asked_count, back.settled_as) == (3, None)
    assert await given(db, rivoli) == [Question(WHERE, PARK)]


async def test_an_answer_that_could_not_be_read_is_not_lost(db: Database, rivoli: TenantId) -> None:
    await answered(db, rivoli)
    source = await source_of(db, rivoli)
    async with db.tenant(rivoli) as tx:
        await store.fail(
            tx, source_id=source.id, generation=source.generation, code="internal", values={}
        )
    assert await given(db, rivoli) == [Question(WHERE, PARK)]
    await ask(db, rivoli)
    assert [gap.question for gap in await listed(db, rivoli)] == [WHERE]


async def test_what_is_dismissed_stays_away_until_it_is_put_back(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    gap_id = await asked(db, rivoli)
    async with db.tenant(rivoli) as tx:
        assert (await gaps.dismiss(tx, gap_id)).settled_as == "dismissed"
    await ask(db, rivoli)
    assert await listed(db, rivoli) == []
    async with db.tenant(rivoli) as tx:
        assert await gap_store.count(tx) == 0
        await gaps.reopen(tx, gap_id)
        assert await gap_store.count(tx) == 1
    for act in (gaps.get, gaps.dismiss, gaps.reopen):
        async with db.tenant(nordlys) as tx:
            with pytest.raises(GapNotFound):
                await act(tx, gap_id)
    async with db.tenant(nordlys) as tx:
        with pytest.raises(GapNotFound):
            await gaps.answer(tx, gap_id, PARK)


async def test_the_most_asked_come_first_where_one_asks_for_them(
    db: Database, rivoli: TenantId
) -> None:
    for question in ("Un ?", "Deux ?", "Deux ?", "Trois ?", "Trois ?", "Trois ?", "Encore ?"):
        await ask(db, rivoli, question)
    seen: list[str] = []
    after = None
    while True:
        async with db.tenant(rivoli) as tx:
            found, after = await gaps.listed(tx, limit=1, after=after, order="most_asked")
        seen += [gap.question for gap in found]
        if after is None:
            break
    assert seen == ["Trois ?", "Deux ?", "Encore ?", "Un ?"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty"), (" \n", "empty"), ("é" * 4_001, "too_long"), ("a\x00", "")],
)
async def test_an_answer_that_is_none_changes_nothing(
    db: Database, rivoli: TenantId, text: str, code: str
) -> None:
    gap_id = await asked(db, rivoli)
    async with db.tenant(rivoli) as tx:
        with pytest.raises(Invalid) as refused:
            await gaps.answer(tx, gap_id, text)
    assert [error.field for error in refused.value.errors] == ["text"]
    assert refused.value.errors[0].code == (code or "unstorable_characters")
    assert len(await listed(db, rivoli)) == 1
    assert await given(db, rivoli) == []


async def test_answers_given_at_once_are_all_kept(db: Database, rivoli: TenantId) -> None:
    gap_id = await asked(db, rivoli)

    async def give(place: int) -> None:
        async with db.tenant(rivoli) as tx:
            if place == 0:
                await gaps.answer(tx, gap_id, PARK)
            else:
                await answers.give(tx, Question(f"Question {place} ?", "Oui."))

    await asyncio.gather(*(give(place) for place in range(4)))
    assert len(await given(db, rivoli)) == 4


async def test_a_newer_answer_takes_the_olders_place_and_one_is_withdrawn(
    db: Database, rivoli: TenantId
) -> None:
    for question, text in (("Un ?", "1"), ("Deux ?", "2"), ("un", "premier")):
        async with db.tenant(rivoli) as tx:
            await answers.give(tx, Question(question, text))
    assert await given(db, rivoli) == [Question("un", "premier"), Question("Deux ?", "2")]
    async with db.tenant(rivoli) as tx:
        await answers.withdraw(tx, "DEUX")
        with pytest.raises(AnswerNotFound):
            await answers.withdraw(tx, "Deux ?")
    assert await given(db, rivoli) == [Question("un", "premier")]
    async with db.tenant(rivoli) as tx:
        await answers.withdraw(tx, "Un ?")
        assert await answers.source(tx) is None


async def test_the_title_that_somebody_gave_the_answers_stays(
    db: Database, rivoli: TenantId
) -> None:
    await answered(db, rivoli)
    source = await source_of(db, rivoli)
    async with db.tenant(rivoli) as tx:
        await actions.rename(tx, source.id, "Nos réponses")
        await answers.give(tx, Question("Et le samedi ?", "Fermé."), locale="en")
    after = await source_of(db, rivoli)
    assert (after.id, after.title) == (source.id, "Nos réponses")


async def test_there_is_an_end_to_what_is_kept(db: Database, rivoli: TenantId) -> None:
    many = [Question(f"Question {place} ?", "Oui.") for place in range(1_000)]
    async with db.tenant(rivoli) as tx:
        await actions.keep(tx, faq_source(many, title="Beaucoup"), slot=ANSWERS_SLOT)
    async with db.tenant(rivoli) as tx:
        await answers.give(tx, Question("Question 3 ?", "Non."))
        with pytest.raises(TooManyAnswers):
            await answers.give(tx, Question("Une de plus ?", "Non."))
    assert len(await given(db, rivoli)) == 1_000


async def test_a_source_is_called_otherwise_and_read_anew_where_answers_say_its_name(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await agent(db, rivoli, "carole")
    async with db.tenant(rivoli) as tx:
        added = await actions.add(tx, text_source("Nous livrons.", title="Livraison"))
        same = await actions.rename(tx, added.source.id, "Livraison")
        other = await actions.rename(tx, added.source.id, "Nos livraisons")
    assert (same.generation, other.generation) == (1, 2)
    assert other.title == "Nos livraisons"
    for tenant, source_id in ((nordlys, added.source.id), (rivoli, SourceId(uuid7()))):
        async with db.tenant(tenant) as tx:
            with pytest.raises(SourceNotFound):
                await actions.rename(tx, source_id, "Autre")


async def test_an_answer_that_stands_elsewhere_too_is_the_teams_all_the_same(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    pair = Question(WHERE, PARK)
    for tenant in (rivoli, nordlys):
        async with db.tenant(tenant) as tx:
            elsewhere = await actions.add(tx, faq_source([pair], title="Questions fréquentes"))
            await answers.give(tx, pair)
            await actions.remove(tx, elsewhere.source.id)
            assert await answers.given(tx) == [pair]
