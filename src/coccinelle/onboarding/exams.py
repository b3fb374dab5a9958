"""The exam of an onboarding session: what `evals.exam` does, by an owner who is that far."""

from __future__ import annotations

from uuid import UUID

from coccinelle.evals.exam import actions
from coccinelle.evals.exam.model import Exam
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.i18n import Locale
from coccinelle.onboarding import store
from coccinelle.onboarding.model import SessionNotFound, check_order
from coccinelle.tenants import audit
from coccinelle.tenants.audit import Actor


async def start(tx: TenantTx, actor: Actor, session_id: UUID, *, locale: Locale = "fr") -> Exam:
    """Have a worker hold an exam; one under way is given back.

    Raises:
        SessionNotFound
        StepTooEarly: there is no assistant yet.
        TooManyExams: ten were held in 24 hours.
    """
    held = await store.hold(tx, session_id)
    if held is None:
        raise SessionNotFound
    check_order(held, "knowledge")
    exam = await actions.start(tx, locale=locale)
    await audit.record(tx, actor, "onboarding.exam_started", about=exam.id)
    return exam


async def get(tx: TenantTx, session_id: UUID) -> Exam:
    """The latest exam, as far as it is. Raises `SessionNotFound`, `ExamNotFound`."""
    if await store.session(tx, session_id) is None:
        raise SessionNotFound
    return await actions.get(tx)


async def answer(
    tx: TenantTx,
    actor: Actor,
    session_id: UUID,
    question_id: UUID,
    text: str,
    *,
    locale: Locale = "fr",
) -> Exam:
    """Let the assistant answer a question by `text` from now on, and keep it as a test.

    Raises:
        SessionNotFound, ExamQuestionNotFound, TooManyAnswers
        Invalid: `text` is empty or too long.
    """
    await _check(tx, session_id)
    await actions.answer(tx, question_id, text, locale=locale)
    await audit.record(tx, actor, "onboarding.exam_answered", about=question_id)
    return await actions.get(tx)


async def dismiss(tx: TenantTx, actor: Actor, session_id: UUID, question_id: UUID) -> Exam:
    """Take a question off the list: it is right as it is.

    Raises:
        SessionNotFound, ExamQuestionNotFound
    """
    await _check(tx, session_id)
    await actions.dismiss(tx, question_id)
    await audit.record(tx, actor, "onboarding.exam_dismissed", about=question_id)
    return await actions.get(tx)


async def _check(tx: TenantTx, session_id: UUID) -> None:
    if await store.hold(tx, session_id) is None:
        raise SessionNotFound
