"""One run of an exam: read the content, write the questions down, ask those without a verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from coccinelle.evals.exam import store
from coccinelle.evals.exam.asking import ExamServices, ask, judged, says
from coccinelle.evals.exam.model import Exam, ExamQuestion, StillReading, TestRun
from coccinelle.evals.exam.questions import composed, found
from coccinelle.evals.exam.reading import Content, Declared, read
from coccinelle.evals.exam.writing import likely
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge import answers
from coccinelle.knowledge.model import question_key
from coccinelle.providers.language.model import ModelCall
from coccinelle.tenants.model import Tenant

# Above one of these an exam goes on without a model: documents are quoted.
MOST_COST_MICROEUR = 200_000
MOST_SECONDS = 300.0


async def run_exam(services: ExamServices, tenant_id: TenantId, exam_id: UUID) -> None:
    """Ask what this exam has not asked yet, and finish it; finished before, it does nothing.

    Every verdict is kept as it falls, so that a run that was stopped goes on where it was.

    Raises:
        StillReading: what the business gave is being read.
        NotFound: the tenant has no agent (`no_agent`).
        Unavailable: the database is down. What was asked is kept.
    """
    exam = await _exam(services.db, tenant_id, exam_id)
    if exam is None or exam.is_over:
        return
    view = await services.views.get(tenant_id)
    content = await _content(services.db, view.tenant, waits=exam.state == "waiting")
    if exam.state == "waiting":
        await _prepare(services, view.tenant, exam, content)
        exam = await _exam(services.db, tenant_id, exam_id)
    if exam is not None:
        await _ask_all(services, tenant_id, exam, content)
        async with services.db.tenant(tenant_id) as tx:
            await store.finish(tx, exam_id=exam_id)


async def give_up(db: Database, tenant_id: TenantId, exam_id: UUID, code: str) -> None:
    """Say on the exam that it ended by an error; its owner may start another one."""
    async with db.tenant(tenant_id) as tx:
        await store.finish(tx, exam_id=exam_id, failure_code=code)


async def run_tests(services: ExamServices, tenant_id: TenantId) -> list[TestRun]:
    """Ask every question that the owner corrected, and keep whether she would still be content.

    Where the team has answered otherwise since, that is what she wants.

    Raises:
        NotFound: the tenant has no agent (`no_agent`).
    """
    async with services.db.tenant(tenant_id) as tx:
        kept, said = await store.tests(tx), await answers.given(tx)
    newest = {question_key(one.question): one.answer for one in said}
    runs = []
    for one in kept:
        test = replace(one, expected=newest.get(question_key(one.question), one.expected))
        answer = await ask(services, tenant_id, test.question)
        has_passed = answer.agent is not None and says(answer.text, test.expected)
        runs.append(TestRun(test, answer.text, has_passed))
        async with services.db.tenant(tenant_id) as tx:
            await store.save_run(tx, test_id=test.id, has_passed=has_passed)
    return runs


async def _exam(db: Database, tenant_id: TenantId, exam_id: UUID) -> Exam | None:
    async with db.tenant(tenant_id) as tx:
        return await store.exam(tx, exam_id)


async def _content(db: Database, tenant: Tenant, *, waits: bool) -> Content:
    async with db.tenant(tenant.id) as tx:
        if waits and await store.is_reading(tx):
            raise StillReading
        pieces = await store.pieces(tx)
    declared = Declared(tenant.company_name, tenant.phone, tenant.email)
    return await asyncio.to_thread(read, pieces, declared)


async def _prepare(services: ExamServices, tenant: Tenant, exam: Exam, content: Content) -> None:
    """Write the questions down, in one transaction: of two runs at once, one does."""
    view = await services.views.get(tenant.id)
    calls: list[ModelCall] = []
    written = await likely(
        services.answer_model(view.agents[0]),
        content,
        company=tenant.company_name,
        sector=tenant.sector,
        locale=exam.locale,
        calls=calls,
    )
    questions = composed(content, sector=tenant.sector, locale=exam.locale, written=written)
    counted = found(content, sector=tenant.sector)
    async with services.db.tenant(tenant.id) as tx:
        if await store.begin(tx, exam_id=exam.id, found=counted):
            await store.insert_questions(tx, exam_id=exam.id, questions=questions)
            await _charge(tx, exam.id, calls)


async def _ask_all(
    services: ExamServices, tenant_id: TenantId, exam: Exam, content: Content
) -> None:
    cost, started = exam.cost_microeur, time.monotonic()
    for question in exam.questions:
        if question.verdict is None:
            within = cost < MOST_COST_MICROEUR and time.monotonic() - started < MOST_SECONDS
            cost += await _ask_one(services, tenant_id, exam, question, content, within=within)


async def _ask_one(
    services: ExamServices,
    tenant_id: TenantId,
    exam: Exam,
    question: ExamQuestion,
    content: Content,
    *,
    within: bool,
) -> int:
    """What it cost, in micro-euros."""
    answer = await ask(services, tenant_id, question.text, may_write=within)
    result = judged(question, answer, content)
    async with services.db.tenant(tenant_id) as tx:
        await store.save_result(tx, question_id=question.id, result=result)
        return await _charge(tx, exam.id, answer.calls)


async def _charge(tx: TenantTx, exam_id: UUID, calls: Sequence[ModelCall]) -> int:
    cost = sum(call.usage.cost_microeur for call in calls)
    if calls:
        await store.add_cost(
            tx,
            exam_id=exam_id,
            prompt_tokens=sum(call.usage.prompt_tokens for call in calls),
            completion_tokens=sum(call.usage.completion_tokens for call in calls),
            cost_microeur=cost,
        )
    return cost
