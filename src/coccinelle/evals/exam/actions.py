"""What an owner does with an exam: start it, look at it, answer in the assistant's place."""

from __future__ import annotations

import math
from contextlib import suppress
from uuid import UUID

from coccinelle.evals.exam import store
from coccinelle.evals.exam.jobs import hold_exam
from coccinelle.evals.exam.model import (
    MAX_EXAMS_A_DAY,
    MAX_TESTS,
    Exam,
    ExamNotFound,
    ExamQuestionNotFound,
    KeptTest,
    TooManyAnswers,
    TooManyExams,
)
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict
from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge import answers
from coccinelle.knowledge.model import AnswerNotFound, Question, question_key


async def start(tx: TenantTx, *, locale: Locale = "fr") -> Exam:
    """Have a worker hold an exam, whose questions are in `locale`; one under way is given back.

    It begins once what the business gave has been read.

    Raises:
        TooManyExams: ten were asked for in the last 24 hours, whatever became of them.
    """
    await store.one_at_a_time(tx)
    under_way = await store.exam_under_way(tx)
    if under_way is not None:
        return await get(tx, under_way)
    held, seconds = await store.held_lately(tx)
    if held >= MAX_EXAMS_A_DAY:
        wait = max(1, seconds)
        hours = math.ceil(wait / 3600)
        raise TooManyExams(retry_after_seconds=wait, most=MAX_EXAMS_A_DAY, hours=hours)
    exam_id = await store.insert_exam(tx, locale=locale)
    if exam_id is None:
        raise Conflict
    await tx.defer(hold_exam, lock=f"exam:{exam_id}", exam_id=str(exam_id))
    return await get(tx, exam_id)


async def get(tx: TenantTx, exam_id: UUID | None = None) -> Exam:
    """That exam, or the latest one, as far as it is. Raises `ExamNotFound`."""
    found = await store.exam(tx, exam_id)
    if found is None:
        raise ExamNotFound
    return found


async def answer(tx: TenantTx, question_id: UUID, text: str, *, locale: Locale = "fr") -> KeptTest:
    """Let the assistant answer a question of an exam by `text`, from now on.

    It becomes knowledge of all agents, once a worker has read it, and a test that later changes
    must pass. The same question answered again takes the newer answer.

    Raises:
        ExamQuestionNotFound: the business has no such question.
        Invalid: `text` is empty, too long, or cannot be stored.
        TooManyAnswers: 500 answers are kept already.
    """
    expected = answers.checked(text, "text")
    await store.one_at_a_time(tx)
    question = await store.question(tx, question_id)
    if question is None:
        raise ExamQuestionNotFound
    test_id = await store.keep_test(
        tx,
        question=question.text,
        question_sha256=question_key(question.text),
        expected=expected,
    )
    await store.resolve(tx, question_id)
    kept = await store.tests(tx)
    if len(kept) > MAX_TESTS:
        raise TooManyAnswers
    await answers.give(tx, Question(question.text, expected), locale=locale)
    return next(test for test in kept if test.id == test_id)


async def dismiss(tx: TenantTx, question_id: UUID) -> None:
    """Take a question off the owner's list without an answer: it is right as it is.

    Raises:
        ExamQuestionNotFound: the business has no such question, or it was not asked yet.
    """
    if not await store.resolve(tx, question_id):
        raise ExamQuestionNotFound


async def withdraw(tx: TenantTx, test_id: UUID, *, locale: Locale = "fr") -> None:
    """Forget an answer: the assistant does not know it any more, and no test expects it.

    Raises:
        ExamQuestionNotFound: the business has no such answer.
    """
    await store.one_at_a_time(tx)
    question = await store.delete_test(tx, test_id)
    if question is None:
        raise ExamQuestionNotFound
    with suppress(AnswerNotFound):  # Somebody withdrew it where knowledge is kept.
        await answers.withdraw(tx, question, locale=locale)


async def tests(tx: TenantTx) -> list[KeptTest]:
    """Every answer that the owner gave, the oldest first."""
    return await store.tests(tx)
