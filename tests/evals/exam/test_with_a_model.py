"""With a language model an exam asks its questions too, lets it answer, and counts the cost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from coccinelle.evals.exam import actions
from coccinelle.evals.exam import run as exam_run
from coccinelle.evals.exam.run import run_exam
from coccinelle.foundation.database import Database
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.model import Deadlines, Endpoint
from coccinelle.providers.wire import Wire
from tests.embedder import WordEmbedder
from tests.evals.exam.sites import Services, business, hold, services
from tests.evals.exam.test_exam import learn
from tests.scripted_llm import Fail, Say, ScriptedLLM

WRITTEN = ["Faites-vous des chignons ?", "Prenez-vous les cartes bancaires ?"]


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


@pytest.fixture
async def parts(db: Database, llm: ScriptedLLM) -> AsyncIterator[Services]:
    wire = Wire()
    model = OpenAICompatible(
        wire, Endpoint(llm.base_url, "k"), "m", task="answer", deadlines=Deadlines(5, 5, 5)
    )
    yield services(db, WordEmbedder(), answer_model=lambda _: model)
    await wire.aclose()


async def test_the_model_writes_some_questions_and_its_cost_is_counted(
    parts: Services, llm: ScriptedLLM
) -> None:
    tenant = await business(parts.db, company="Atelier Mèche", sector="beaute")
    await learn(parts, tenant)
    llm.script(Say(json.dumps({"questions": WRITTEN}, ensure_ascii=False)), model="m")
    exam = await hold(parts, tenant)

    assert [q.text for q in exam.questions if q.origin == "model"] == WRITTEN
    assert exam.state == "done"
    assert exam.cost_microeur > 0
    assert len(llm.chats) > 2


async def test_a_model_that_fails_is_replaced_by_quotes(parts: Services, llm: ScriptedLLM) -> None:
    tenant = await business(parts.db, company="Atelier Mèche", sector="beaute")
    await learn(parts, tenant)
    for _ in range(60):
        llm.script(Fail("500"), model="m")
    exam = await hold(parts, tenant)
    answered = [q for q in exam.questions if q.verdict == "answered"]

    assert [q for q in exam.questions if q.origin == "model"] == []
    assert answered
    assert all(q.answer.startswith("Voici ce que j'ai trouvé") for q in answered)


async def test_above_its_budget_an_exam_goes_on_without_the_model(
    parts: Services, llm: ScriptedLLM
) -> None:
    tenant = await business(parts.db, company="Atelier Mèche", sector="beaute")
    await learn(parts, tenant)
    async with parts.db.tenant(tenant) as tx:
        exam_id = (await actions.start(tx)).id
        await tx.run(
            "UPDATE exams SET cost_microeur = %s WHERE id = %s",
            [exam_run.MOST_COST_MICROEUR, exam_id],
        )
    await run_exam(parts, tenant, exam_id)

    assert len(llm.chats) <= 2  # the questions alone, asked for once and repaired once
