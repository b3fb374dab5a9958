"""An exam in a real database: held by a worker, once, for its own business, and corrected."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from coccinelle.evals.exam import actions, store
from coccinelle.evals.exam.asking import says
from coccinelle.evals.exam.model import (
    MAX_EXAMS_A_DAY,
    Exam,
    ExamNotFound,
    ExamQuestionNotFound,
    StillReading,
    TooManyExams,
    conflict_of,
    conflict_record,
)
from coccinelle.evals.exam.run import run_exam, run_tests
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid, NotFound
from coccinelle.foundation.ids import SourceId, TenantId
from coccinelle.foundation.jobs import queue, work
from coccinelle.foundation.postgres import Addresses
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge import answers
from coccinelle.knowledge import store as knowledge_store
from coccinelle.knowledge.ingest import run_ingest
from coccinelle.knowledge.model import (
    ANSWERS_SLOT,
    Question,
    faq_source,
    questions,
    text_source,
)
from tests.embedder import WordEmbedder
from tests.evals.exam.sites import Services, business, hold, services

FAQ = [
    Question("Quels sont vos horaires ?", "Du mardi au samedi de 9 h à 19 h."),
    Question("Où êtes-vous situés ?", "14 rue Crébillon, 44000 Nantes."),
    Question("Y a-t-il un parking ?", "Le parking Graslin est à cent mètres."),
    Question("Combien coûte une coupe femme ?", "La coupe femme est à 42 €."),
]
REFUND = "Nous reprenons la coupe gratuitement sous 7 jours, sans remboursement."


@pytest.fixture
def parts(db: Database) -> Services:
    return services(db, WordEmbedder())


async def salon(parts: Services, **facts: Any) -> TenantId:
    """A hairdresser who knows a few answers."""
    made = await business(parts.db, company="Atelier Mèche", sector="beaute", **facts)
    await learn(parts, made)
    return made


async def learn(parts: Services, tenant_id: TenantId) -> None:
    async with parts.db.tenant(tenant_id) as tx:
        added = await knowledge.add(tx, faq_source(FAQ, title="Questions"))
    await run_ingest(parts, tenant_id, added.source.id, added.source.generation)


async def rows(db: Database, tenant_id: TenantId, table: str) -> int:
    async with db.tenant(tenant_id) as tx:
        return int(await tx.value(f"SELECT count(*) FROM {table}"))


def gap(exam: Exam, topic: str) -> Any:
    return next(question for question in exam.questions if question.topic == topic)


async def test_an_exam_is_no_customers_turn(parts: Services) -> None:
    tenant = await salon(parts)
    await hold(parts, tenant)

    for table in ("conversations", "messages", "customers", "turns", "knowledge_gaps"):
        assert await rows(parts.db, tenant, table) == 0


async def test_another_business_sees_neither_exam_nor_question(parts: Services) -> None:
    tenant, other = await salon(parts), await salon(parts)
    exam = await hold(parts, tenant)

    async with parts.db.tenant(other) as tx:
        with pytest.raises(ExamNotFound):
            await actions.get(tx, exam.id)
        with pytest.raises(ExamNotFound):
            await actions.get(tx)
        with pytest.raises(ExamQuestionNotFound):
            await actions.answer(tx, exam.questions[0].id, "Autre chose.")
        with pytest.raises(ExamQuestionNotFound):
            await actions.dismiss(tx, exam.questions[0].id)


async def test_a_second_start_gives_the_exam_that_is_under_way(parts: Services) -> None:
    tenant = await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        one = await actions.start(tx)
    async with parts.db.tenant(tenant) as tx:
        assert (await actions.start(tx)).id == one.id

    await run_exam(parts, tenant, one.id)
    async with parts.db.tenant(tenant) as tx:
        assert (await actions.start(tx)).id != one.id
    assert await rows(parts.db, tenant, "exams") == 2


async def test_two_starts_at_once_make_one_exam(parts: Services) -> None:
    tenant = await salon(parts)

    async def start() -> Exam:
        async with parts.db.tenant(tenant) as tx:
            return await actions.start(tx)

    one, other = await asyncio.gather(start(), start())
    assert one.id == other.id


async def test_what_exams_cost_in_a_day_is_bounded_for_each_business(parts: Services) -> None:
    tenant, other = await salon(parts), await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        for _ in range(MAX_EXAMS_A_DAY):
            exam = await actions.start(tx, locale="fr")
            assert await store.finish(tx, exam_id=exam.id, failure_code="exam_crashed")

    with pytest.raises(TooManyExams) as refused:
        async with parts.db.tenant(tenant) as tx:
            await actions.start(tx, locale="fr")
    async with parts.db.tenant(other) as tx:
        assert (await actions.start(tx, locale="fr")).state == "waiting"

    assert 23 * 3600 < refused.value.retry_after_seconds <= 24 * 3600
    async with parts.db.tenant(tenant) as tx:
        await tx.run(
            "UPDATE exams SET created_at = created_at - interval '1 day' WHERE id ="
            " (SELECT min(id::text)::uuid FROM exams WHERE tenant_id = %s)",
            [tenant],
        )
        assert (await actions.start(tx, locale="fr")).state == "waiting"


async def test_a_worker_holds_it_and_a_second_run_does_nothing(
    parts: Services, addresses: Addresses
) -> None:
    tenant = await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        started = await actions.start(tx)
    async with queue(addresses.login) as app:
        await work(app, parts, concurrency=2, until_idle=True)
    async with parts.db.tenant(tenant) as tx:
        exam = await actions.get(tx)
    await run_exam(parts, tenant, started.id)
    async with parts.db.tenant(tenant) as tx:
        assert await actions.get(tx) == exam

    assert (started.state, exam.state) == ("waiting", "done")
    assert exam.asked == len(exam.questions) > 10


async def test_a_run_that_was_stopped_goes_on_where_it_was(
    parts: Services,
) -> None:
    tenant = await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        exam_id = (await actions.start(tx)).id
    running = asyncio.create_task(run_exam(parts, tenant, exam_id))
    while not (await seen(parts, tenant)).asked:  # noqa: ASYNC110  (a row has no event)
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    half = await seen(parts, tenant)
    embedder = parts.embedder
    assert isinstance(embedder, WordEmbedder)
    embedder.embedded.clear()

    await asyncio.gather(run_exam(parts, tenant, exam_id), run_exam(parts, tenant, exam_id))
    whole = await seen(parts, tenant)
    assert half.state == "asking"
    assert 0 < half.asked < len(half.questions)
    assert whole.asked == len(whole.questions) == len(half.questions)
    kept = [q for q in half.questions if q.verdict]
    assert {q.text for q in kept}.isdisjoint(embedder.embedded)
    assert [q for q in whole.questions if q.id in {k.id for k in kept}] == kept


async def seen(parts: Services, tenant: TenantId) -> Exam:
    async with parts.db.tenant(tenant) as tx:
        return await actions.get(tx)


async def test_an_exam_waits_until_what_was_given_is_read(parts: Services) -> None:
    tenant = await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        await knowledge.add(tx, text_source("Nous fermons en août.", title="Vacances"))
        exam_id = (await actions.start(tx)).id

    with pytest.raises(StillReading):
        await run_exam(parts, tenant, exam_id)
    assert (await seen(parts, tenant)).state == "waiting"


async def test_a_business_without_an_agent_is_told_so(parts: Services, rivoli: TenantId) -> None:
    async with parts.db.tenant(rivoli) as tx:
        await tx.run(
            "INSERT INTO exams (id, tenant_id, locale) VALUES (%s, %s, 'fr')", [uuid4(), rivoli]
        )
        exam = await actions.get(tx)
    with pytest.raises(NotFound, match="no_agent"):
        await run_exam(parts, rivoli, exam.id)


async def test_the_answer_box_teaches_and_keeps_a_test(parts: Services) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    question = gap(exam, "refund")
    async with parts.db.tenant(tenant) as tx:
        kept = await actions.answer(tx, question.id, f"  {REFUND} ")
    await read_corrections(parts, tenant)
    after = await seen(parts, tenant)
    parts.views.forget(tenant)
    runs = await run_tests(parts, tenant)

    assert question.verdict == "gap"
    assert question in exam.to_do
    assert question.id not in {q.id for q in after.to_do}
    assert kept.expected == REFUND
    assert [run.has_passed for run in runs] == [True]
    assert REFUND in runs[0].answer
    again = await hold(parts, tenant)
    assert gap(again, "refund").verdict == "answered"


async def read_corrections(parts: Services, tenant: TenantId) -> SourceId:
    async with parts.db.tenant(tenant) as tx:
        source_id = await knowledge_store.in_slot(tx, ANSWERS_SLOT)
        assert source_id is not None
        source = await knowledge.get(tx, source_id)
    await run_ingest(parts, tenant, source_id, source.generation)
    return source_id


async def corrections(parts: Services, tenant: TenantId) -> list[Question]:
    async with parts.db.tenant(tenant) as tx:
        content = await knowledge_store.content_in_slot(tx, ANSWERS_SLOT)
    return questions(content) if content else []


async def test_corrections_share_one_source_and_a_newer_answer_takes_the_olders_place(
    parts: Services,
) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    refund, card = gap(exam, "refund"), gap(exam, "gift_card")
    for question, text in ((refund, "Non."), (card, "Oui, dès 20 €."), (refund, REFUND)):
        async with parts.db.tenant(tenant) as tx:
            await actions.answer(tx, question.id, text)

    assert await corrections(parts, tenant) == [
        Question(refund.text, REFUND),
        Question(card.text, "Oui, dès 20 €."),
    ]
    assert await rows(parts.db, tenant, "sources") == 2


async def test_two_answers_at_once_are_both_kept(parts: Services) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    asked = [gap(exam, "refund"), gap(exam, "gift_card"), gap(exam, "student_discount")]

    async def give(question: Any) -> None:
        async with parts.db.tenant(tenant) as tx:
            await actions.answer(tx, question.id, f"Réponse à {question.topic}.")

    await asyncio.gather(*(give(question) for question in asked))
    assert {one.question for one in await corrections(parts, tenant)} == {q.text for q in asked}


async def test_a_change_that_breaks_a_corrected_answer_is_found(parts: Services) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    async with parts.db.tenant(tenant) as tx:
        await actions.answer(tx, gap(exam, "refund").id, REFUND)
    source_id = await read_corrections(parts, tenant)
    assert [run.has_passed for run in await run_tests(parts, tenant)] == [True]

    async with parts.db.tenant(tenant) as tx:
        await knowledge.remove(tx, source_id)
    assert [run.has_passed for run in await run_tests(parts, tenant)] == [False]
    async with parts.db.tenant(tenant) as tx:
        assert [test.has_passed for test in await actions.tests(tx)] == [False]


async def test_what_the_team_answers_elsewhere_since_is_what_a_test_expects(
    parts: Services,
) -> None:
    tenant = await salon(parts)
    question = gap(await hold(parts, tenant), "refund")
    async with parts.db.tenant(tenant) as tx:
        await actions.answer(tx, question.id, REFUND)
    newer = "Toute prestation est remboursée pendant 30 jours, en boutique."
    async with parts.db.tenant(tenant) as tx:
        await answers.give(tx, Question(question.text, newer))
    await read_corrections(parts, tenant)

    runs = await run_tests(parts, tenant)
    assert [(run.test.expected, run.has_passed) for run in runs] == [(newer, True)]


@pytest.mark.parametrize(
    ("answer", "expected", "is_said"),
    [
        ("Oui, dès 20 €, valable un an.", "Oui, valable un an, dès 20 €.", True),
        ("Oui, dès 25 €, valable un an.", "Oui, valable un an, dès 20 €.", False),
        ("Nous fermons le lundi.", "Les chiens calmes sont les bienvenus.", False),
        ("", "Oui.", False),
    ],
)
def test_an_answer_says_what_is_expected_with_its_figures_and_half_its_words(
    answer: str, expected: str, is_said: bool
) -> None:
    assert says(answer, expected) == is_said


async def test_an_answer_can_be_withdrawn(parts: Services) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    async with parts.db.tenant(tenant) as tx:
        kept = await actions.answer(tx, gap(exam, "refund").id, REFUND)
    async with parts.db.tenant(tenant) as tx:
        await actions.withdraw(tx, kept.id)
    async with parts.db.tenant(tenant) as tx:
        assert await actions.tests(tx) == []
        with pytest.raises(ExamQuestionNotFound):
            await actions.withdraw(tx, kept.id)

    assert await corrections(parts, tenant) == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001, "nul\0"])
async def test_an_answer_that_cannot_be_kept_changes_nothing(parts: Services, text: str) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)

    with pytest.raises(Invalid):
        async with parts.db.tenant(tenant) as tx:
            await actions.answer(tx, gap(exam, "refund").id, text)
    assert (await seen(parts, tenant)).to_do == exam.to_do


async def test_what_is_dismissed_leaves_the_list(parts: Services) -> None:
    tenant = await salon(parts)
    exam = await hold(parts, tenant)
    async with parts.db.tenant(tenant) as tx:
        await actions.dismiss(tx, exam.to_do[0].id)

    assert (await seen(parts, tenant)).to_do == tuple(
        q for q in exam.to_do if q.id != exam.to_do[0].id
    )


async def test_the_business_s_own_number_is_compared_with_its_pages(parts: Services) -> None:
    tenant = await salon(parts, phone="02 40 35 18 20", email="contact@meche.example")
    async with parts.db.tenant(tenant) as tx:
        text = "Appelez-nous au 02 40 35 81 20.\n\nÉcrivez à contact@meche.example."
        added = await knowledge.add(tx, text_source(text, title="Contact"))
    await run_ingest(parts, tenant, added.source.id, 1)
    exam = await hold(parts, tenant)
    conflicts = [q.conflict for q in exam.questions if q.conflict]

    assert [(c.kind, [s.is_declared for s in c.sides]) for c in conflicts] == [
        ("phone", [True, False])
    ]
    assert [side.values for side in conflicts[0].sides] == [("0240351820",), ("0240358120",)]


async def test_a_contradiction_is_kept_as_it_was_found(parts: Services) -> None:
    tenant = await salon(parts, phone="02 40 35 18 20")
    async with parts.db.tenant(tenant) as tx:
        added = await knowledge.add(tx, text_source("Tél. 02 40 35 81 20", title="Contact"))
    await run_ingest(parts, tenant, added.source.id, 1)
    exam = await hold(parts, tenant)
    found = next(q.conflict for q in exam.questions if q.conflict)

    assert conflict_of(conflict_record(found)) == found


async def test_an_english_exam_asks_in_english(parts: Services) -> None:
    tenant = await salon(parts)
    async with parts.db.tenant(tenant) as tx:
        exam_id = (await actions.start(tx, locale="en")).id
    await run_exam(parts, tenant, exam_id)
    exam = await seen(parts, tenant)

    assert exam.questions[0].text == "What are your opening hours?"
    assert "opening hours: yes" in exam.found.told("en")
