"""What the team answers in the assistant's place: one source of questions and answers that grows.

Whoever corrects an answer gives it here: the exam, the list of questions without an answer, the
pages of knowledge. All agents use it, once a worker has read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import FieldError, Invalid
from coccinelle.foundation.i18n import Locale
from coccinelle.knowledge import actions, store
from coccinelle.knowledge.model import (
    ANSWERS_SLOT,
    MAX_ANSWER_CHARS,
    MAX_ANSWERS,
    AnswerNotFound,
    Question,
    Source,
    TooManyAnswers,
    faq_source,
    question_key,
    questions,
    storable,
)

_TITLES: dict[Locale, str] = {"fr": "Réponses de l’équipe", "en": "The team’s answers"}


async def source(tx: TenantTx) -> Source | None:
    """The source of the answers; None while there is none."""
    source_id = await store.in_slot(tx, ANSWERS_SLOT)
    return None if source_id is None else await actions.get(tx, source_id)


async def given(tx: TenantTx) -> list[Question]:
    """Every answer, in the order in which its question was first answered."""
    content = await store.content_in_slot(tx, ANSWERS_SLOT)
    return questions(content) if content else []


async def give(tx: TenantTx, answered: Question, *, locale: Locale = "fr") -> None:
    """Answer a question from now on; the same question answered again takes the newer answer.

    Raises:
        TooManyAnswers: 1,000 answers are kept already.
    """
    await one_at_a_time(tx)
    kept = _by_key(await given(tx))
    kept[question_key(answered.question)] = answered
    if len(kept) > MAX_ANSWERS:
        raise TooManyAnswers
    await _keep(tx, kept.values(), locale)


async def withdraw(tx: TenantTx, question: str, *, locale: Locale = "fr") -> None:
    """Forget the answer to a question. Raises `AnswerNotFound`."""
    await one_at_a_time(tx)
    kept = _by_key(await given(tx))
    if kept.pop(question_key(question), None) is None:
        raise AnswerNotFound
    if kept:
        await _keep(tx, kept.values(), locale)
    else:
        await actions.clear(tx, slot=ANSWERS_SLOT)


async def one_at_a_time(tx: TenantTx) -> None:
    """Wait until nobody else answers for this business."""
    await store.lock_tenant(tx)


def checked(text: str, field: str) -> str:
    """What somebody wrote as an answer.

    Raises:
        Invalid: for `field`: it is empty, too long, or cannot be stored.
    """
    found = storable(text.strip(), field)
    if not found:
        raise Invalid(errors=(FieldError(field, "empty"),))
    if len(found) > MAX_ANSWER_CHARS:
        values = (("max_length", MAX_ANSWER_CHARS),)
        raise Invalid(errors=(FieldError(field, "too_long", values),))
    return found


def _by_key(pairs: Iterable[Question]) -> dict[bytes, Question]:
    return {question_key(pair.question): pair for pair in pairs}


async def _keep(tx: TenantTx, pairs: Iterable[Question], locale: Locale) -> None:
    """The source keeps the title that somebody gave it, and is kept whatever others say."""
    known = await source(tx)
    title = known.title if known else _TITLES[locale]
    own = faq_source(list(pairs), title=title, slot=ANSWERS_SLOT)
    await actions.keep(tx, own, slot=ANSWERS_SLOT)
