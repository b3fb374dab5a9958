"""The routes of a session that take a while: its exam, and what a site proposes."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from coccinelle.foundation.database import Database
from coccinelle.onboarding import actions, exams, suggestions
from coccinelle.onboarding.api_ground import (
    Authenticate,
    Language,
    SessionInPath,
    problems_of,
)
from coccinelle.onboarding.api_model import AN_ID
from coccinelle.onboarding.exam_model import (
    AnswerBody,
    ExamOut,
    SuggestBody,
    SuggestionOut,
    exam_out,
    suggestion_out,
)
from coccinelle.tenants.audit import actor_of
from coccinelle.tenants.model import Caller

QuestionInPath = Annotated[UUID, Path(description="A question of the exam.", examples=[AN_ID])]


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of the exam, and of what a site proposes."""
    api = APIRouter()
    api.include_router(_exam_routes(db, caller))
    api.include_router(_correcting_routes(db, caller))
    api.include_router(_suggestion_routes(db, caller))
    return api


def _exam_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/session/{session_id}/exam",
        status_code=202,
        summary="Hold an exam",
        response_description="A worker asks; `GET` tells how far it is.",
        responses=problems_of(404, 409, 422, 429),
    )
    async def start_exam(who: Who, session_id: SessionInPath, locale: Language) -> ExamOut:
        """Twenty questions that customers are likely to ask, in the language of `Accept-Language`.

        It begins once all that was given has been read; one under way is given back. 409
        `step_too_early` while there is no assistant; 429 `too_many_exams` after ten in 24 hours.
        """
        async with db.tenant(who.tenant_id) as tx:
            exam = await exams.start(tx, actor_of(who), session_id, locale=locale)
        return exam_out(exam, locale)

    @api.get(
        "/session/{session_id}/exam",
        summary="See the exam",
        response_description="The latest exam, as far as it is.",
        responses=problems_of(404, 422),
    )
    async def get_exam(who: Who, session_id: SessionInPath, locale: Language) -> ExamOut:
        """Each question with its answer, its sources and its verdict; 404 `exam_not_found`."""
        async with db.tenant(who.tenant_id) as tx:
            return exam_out(await exams.get(tx, session_id), locale)

    return api


def _correcting_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/session/{session_id}/exam/questions/{question_id}/answer",
        summary="Answer a question of the exam",
        response_description="It is kept, and will be read.",
        responses=problems_of(404, 409, 413, 422),
    )
    async def answer_question(
        who: Who,
        session_id: SessionInPath,
        question_id: QuestionInPath,
        body: AnswerBody,
        locale: Language,
    ) -> ExamOut:
        """The assistant answers by it from then on, and a test that later changes must pass
        keeps it."""
        async with db.tenant(who.tenant_id) as tx:
            exam = await exams.answer(
                tx, actor_of(who), session_id, question_id, body.text, locale=locale
            )
        return exam_out(exam, locale)

    @api.post(
        "/session/{session_id}/exam/questions/{question_id}/dismiss",
        summary="Take a question off the list",
        response_description="It is off the list.",
        responses=problems_of(404, 422),
    )
    async def dismiss_question(
        who: Who, session_id: SessionInPath, question_id: QuestionInPath, locale: Language
    ) -> ExamOut:
        """It is right as it is."""
        async with db.tenant(who.tenant_id) as tx:
            exam = await exams.dismiss(tx, actor_of(who), session_id, question_id)
        return exam_out(exam, locale)

    return api


def _suggestion_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/session/{session_id}/suggest",
        status_code=202,
        summary="Have a site read for what to propose",
        response_description="A worker reads it; `GET` tells how far it is.",
        responses=problems_of(404, 413, 422),
    )
    async def start_suggestion(
        who: Who, session_id: SessionInPath, body: SuggestBody, locale: Language
    ) -> SuggestionOut:
        """Name, hours and services, each with where it stands. Nothing of the business is written:
        what is accepted is sent to the steps."""
        async with db.tenant(who.tenant_id) as tx:
            proposed = await actions.suggest(tx, actor_of(who), session_id, body.website)
        return suggestion_out(proposed, locale)

    @api.get(
        "/session/{session_id}/suggest",
        summary="See what the site proposes",
        response_description="The proposal, as far as it is.",
        responses=problems_of(404, 422),
    )
    async def get_suggestion(
        who: Who, session_id: SessionInPath, locale: Language
    ) -> SuggestionOut:
        """Kept for a day: 404 `suggestion_not_found` after that."""
        async with db.tenant(who.tenant_id) as tx:
            return suggestion_out(await suggestions.get(tx, session_id), locale)

    return api
