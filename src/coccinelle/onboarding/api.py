"""Onboarding over HTTP, under /api/v1/onboarding: a session, its steps, their templates."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from coccinelle.agents.sectors import sectors
from coccinelle.foundation import problems
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.knowledge.model import Question
from coccinelle.onboarding import actions, exam_api
from coccinelle.onboarding.api_ground import (
    Authenticate,
    Language,
    SessionInPath,
    problems_of,
)
from coccinelle.onboarding.api_model import (
    AgentTypesOut,
    AssistantBody,
    BusinessBody,
    KnowledgeBody,
    SectorsOut,
    SessionOut,
    StaffBody,
    agent_types_out,
    sectors_out,
    session_out,
)
from coccinelle.onboarding.model import NUMBERS, Place
from coccinelle.tenants.audit import actor_of
from coccinelle.tenants.model import Caller

PREFIX = "/api/v1/onboarding"


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of onboarding.

    Args:
        caller: says who asks by her session, and raises unless she is an admin.
    """
    api = APIRouter(prefix=PREFIX, tags=["onboarding"])
    api.include_router(_session_routes(db, caller))
    api.include_router(_step_routes(db, caller))
    api.include_router(exam_api.routes(db, caller))
    api.include_router(_template_routes(caller))
    return api


def _session_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/session",
        status_code=201,
        summary="Open the onboarding session",
        response_description="It was opened.",
        responses={
            **problems_of(422),
            200: {"model": SessionOut, "description": "It was open already."},
        },
    )
    async def open_session(who: Who, response: Response) -> SessionOut:
        """One is open at a time; it goes on where it stopped, on any device."""
        async with db.tenant(who.tenant_id) as tx:
            session, is_new = await actions.open_session(tx, actor_of(who))
        response.status_code = 201 if is_new else 200
        return session_out(session)

    @api.get(
        "/session/{session_id}",
        summary="See an onboarding session",
        response_description="The session.",
        responses=problems_of(404, 422),
    )
    async def get_session(who: Who, session_id: SessionInPath) -> SessionOut:
        """The step to do next, and which steps are done."""
        async with db.tenant(who.tenant_id) as tx:
            return session_out(await actions.get(tx, session_id))

    return api


def _step_routes(db: Database, caller: Authenticate) -> APIRouter:
    async def submitted(request: Request, session_id: SessionInPath) -> Caller:
        who = await caller(request)
        request.state.submitted = (who.tenant_id, session_id)
        return who

    Who = Annotated[Caller, Depends(submitted)]  # noqa: N806
    api = APIRouter(route_class=_noting(db))

    @api.post(
        "/session/{session_id}/business",
        summary="Say what the business is",
        response_description="It is saved.",
        responses=problems_of(404, 413, 422),
    )
    async def save_business(who: Who, session_id: SessionInPath, body: BusinessBody) -> SessionOut:
        """The facts that every answer may state, from its next one on."""
        async with db.tenant(who.tenant_id) as tx:
            return session_out(
                await actions.save_business(
                    tx, actor_of(who), session_id, sector=body.sector, facts=body.facts()
                )
            )

    @api.post(
        "/session/{session_id}/staff",
        summary="Say who takes appointments, and the opening hours",
        response_description="They are saved.",
        responses=problems_of(404, 409, 413, 422),
    )
    async def save_staff(who: Who, session_id: SessionInPath, body: StaffBody) -> SessionOut:
        """What is not said is what the sector usually has. Answers know the hours at once."""
        async with db.tenant(who.tenant_id) as tx:
            return session_out(
                await actions.save_staff(
                    tx,
                    actor_of(who),
                    session_id,
                    members=body.new_members(),
                    hours=body.openings(),
                    closures=body.new_closures(),
                    closes_on_public_holidays=body.closes_on_public_holidays,
                )
            )

    @api.post(
        "/session/{session_id}/assistant",
        summary="Create the assistant",
        response_description="It is live.",
        responses=problems_of(404, 409, 413, 422),
    )
    async def save_assistant(
        who: Who, session_id: SessionInPath, body: AssistantBody
    ) -> SessionOut:
        """Its agent, its live version and its phone number; done again, it changes that agent.

        409 `number_taken` when another business has the number: nothing is written then.
        """
        async with db.tenant(who.tenant_id) as tx:
            return session_out(
                await actions.save_assistant(tx, actor_of(who), session_id, body.chosen())
            )

    @api.post(
        "/session/{session_id}/knowledge",
        summary="Give the assistant what it answers from",
        response_description="It is kept, and will be read.",
        responses=problems_of(404, 409, 413, 422),
    )
    async def save_knowledge(
        who: Who, session_id: SessionInPath, body: KnowledgeBody
    ) -> SessionOut:
        """Kept at once, read by a worker: `GET /api/v1/sources` tells how far it is."""
        async with db.tenant(who.tenant_id) as tx:
            return session_out(
                await actions.save_knowledge(
                    tx,
                    actor_of(who),
                    session_id,
                    website=body.website,
                    documents=[(one.title, one.content) for one in body.documents],
                    faqs=[Question(pair.question, pair.answer) for pair in body.faqs],
                )
            )

    @api.post(
        "/session/{session_id}/complete",
        summary="Complete the onboarding",
        response_description="It is complete.",
        responses=problems_of(404, 409, 422),
    )
    async def complete(who: Who, session_id: SessionInPath) -> SessionOut:
        """409 `onboarding_incomplete` while business, staff or assistant is `missing`."""
        async with db.tenant(who.tenant_id) as tx:
            return session_out(await actions.complete(tx, actor_of(who), session_id))

    return api


def _template_routes(caller: Authenticate) -> APIRouter:
    api = APIRouter(dependencies=[Depends(caller)])

    @api.get(
        "/agent-types",
        summary="List types of assistants",
        response_description="Every type.",
        responses=problems_of(422),
    )
    async def list_agent_types(locale: Language) -> AgentTypesOut:
        """What each fills in, in the language of `Accept-Language`."""
        return agent_types_out(locale)

    @api.get(
        "/sectors",
        summary="List sectors",
        response_description="Every sector.",
        responses=problems_of(422),
    )
    async def list_sectors(locale: Language) -> SectorsOut:
        """What a business of each begins with, in the language of `Accept-Language`."""
        return sectors_out(sectors(), locale)

    return api


def _noting(db: Database) -> type[APIRoute]:
    """Routes that remember each try that was refused, once it is known whose try it was."""

    class Noting(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            handle = super().get_route_handler()

            async def handle_and_note(request: Request) -> Response:
                try:
                    return await handle(request)
                except Exception as error:
                    await _note(db, request, error)
                    raise

            return handle_and_note

    return Noting


async def _note(db: Database, request: Request, error: Exception) -> None:
    submitted = getattr(request.state, "submitted", None)
    if submitted is None:
        return
    tenant_id, session_id = submitted
    place: Place = next(p for p in NUMBERS if request.url.path.endswith(f"/{p}"))
    code = problems.problem_of(error, locale="fr", request_id="").code
    with suppress(CoccinelleError, psycopg.Error):  # What cannot be noted is refused all the same.
        await actions.note_failure(db, tenant_id, session_id, place, code)
