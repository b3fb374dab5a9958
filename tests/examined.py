"""A business whose assistant has taken an exam, with something for its owner to do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from coccinelle.evals.exam import store
from coccinelle.evals.exam.model import Cited, Conflicting, Found, NewQuestion, Result, Side
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId

PAGE = "https://www.garage-dupont.example/tarifs"
GAP = "Peut-on se faire rembourser ?"
ANSWERED = "Quels sont vos horaires ?"
TOLD_TWICE = "Combien coûte une vidange ?"


@dataclass(frozen=True)
class Examined:
    """The exam, and its question that nothing answers."""

    exam_id: UUID
    gap_id: UUID


async def examined(db: Database, tenant_id: TenantId) -> Examined:
    """An exam that is done: an answer, a gap and a contradiction."""
    sides = tuple(Side("Tarifs", PAGE, f"Vidange : {euros} €", (f"{euros}",)) for euros in (89, 95))
    conflict = Conflicting("price", "Vidange", (sides[0], sides[1]))
    asked = [
        NewQuestion(ANSWERED, "pack", topic="hours"),
        NewQuestion(GAP, "pack", topic="refund"),
        NewQuestion(TOLD_TWICE, "content", conflict=conflict),
    ]
    answers = [
        Result("answered", "De 9 h à 18 h.", "leyna", "Leyna", 0.9, (Cited("Tarifs", PAGE),)),
        Result("gap", "Je n'ai pas cette information.", "leyna", "Leyna", 0.1, ()),
        Result("contradiction", "Vidange : 89 €", "leyna", "Leyna", 0.9, (Cited("Tarifs", PAGE),)),
    ]
    async with db.tenant(tenant_id) as tx:
        exam_id = await store.insert_exam(tx, locale="fr")
        assert exam_id is not None
        await store.begin(tx, exam_id=exam_id, found=Found(4, 2, ("hours",), ("refund",)))
        await store.insert_questions(tx, exam_id=exam_id, questions=asked)
        questions = await store.questions(tx, exam_id)
        for question, answer in zip(questions, answers, strict=True):
            await store.save_result(tx, question_id=question.id, result=answer)
        await store.finish(tx, exam_id=exam_id)
    return Examined(exam_id, questions[1].id)
