"""What the assistant was asked: the tester of a question, and those that it had no answer to."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from coccinelle.dashboard import business
from coccinelle.dashboard import knowledge_views as views
from coccinelle.dashboard.knowledge import KNOWLEDGE
from coccinelle.dashboard.pages import Form, Pages, checked, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import CoccinelleError, Invalid
from coccinelle.knowledge import answers, gap_store, gaps
from coccinelle.knowledge.gap_model import SearchBody
from coccinelle.knowledge.model import Gap, GapNotFound, Order, Question, question_key
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.knowledge.tester import tried
from coccinelle.tenants.model import Caller

SEARCH = f"{KNOWLEDGE}/search"
QUESTIONS = f"{KNOWLEDGE}/questions"
GAPS_SHOWN = 20

After = Annotated[UUID | None, Query()]
Ordered = Annotated[Order, Query()]


def routes(pages: Pages, services: KnowledgeServices, *, passages: int) -> APIRouter:
    """The pages of the tester and of unanswered questions, for every member.

    Args:
        passages: that an answer is made from.
    """
    asked = _Asked(pages, services, passages)
    router = pages.router()
    router.add_api_route(SEARCH, asked.tester, methods=["GET"])
    router.add_api_route(SEARCH, asked.test, methods=["POST"])
    router.add_api_route(QUESTIONS, asked.questions, methods=["GET"])
    router.add_api_route(QUESTIONS + "/{gap_id}", asked.settle, methods=["POST"])
    return router


class _Asked:
    def __init__(self, pages: Pages, services: KnowledgeServices, passages: int) -> None:
        self._pages = pages
        self._services = services
        self._passages = passages

    async def tester(self, request: Request) -> Response:
        """The form that tries a question."""
        caller = await self._pages.signed_in(request)
        return await self._tested(request, caller, Form([]), None)

    async def test(self, request: Request) -> Response:
        """What the assistant would answer from, and whether it would."""
        caller = await self._pages.signed_in(request)
        form = await read_form(request)
        try:
            body = checked(SearchBody, {name: form.get(name) for name in ("question", "agent")})
            found = await tried(self._services, caller.tenant_id, body.question, agent=body.agent)
        except Invalid as error:
            about = await self._about(caller)
            return self._pages.refused(
                request, "knowledge/search.html", error, form=form, verdict=None, **about
            )
        verdict = views.verdict(found, passages=self._passages)
        return await self._tested(request, caller, form, verdict)

    async def questions(
        self,
        request: Request,
        after: After = None,
        order: Ordered = "latest",
        gap: Annotated[UUID | None, Query()] = None,
    ) -> Response:
        """Questions without an answer, each with a box for it; `gap` was dealt with just now."""
        caller = await self._pages.signed_in(request)
        found = await self._open(request, caller, after, order)
        done = request.query_params.get("done", "")
        dealt = str(gap or "")
        return self._pages.render(
            request, "knowledge/questions.html", done=done, gap=dealt, form=Form([]), **found
        )

    async def settle(
        self, request: Request, gap_id: UUID, after: After = None, order: Ordered = "latest"
    ) -> Response:
        """Answer a question, take it off the list, or put it back."""
        caller = await self._pages.signed_in(request)
        form = await read_form(request)
        try:
            async with self._services.db.tenant(caller.tenant_id) as tx:
                done = await _settle(tx, gap_id, form)
        except GapNotFound:
            raise
        except CoccinelleError as error:
            found = await self._open(request, caller, after, order)
            return self._pages.refused(
                request,
                "knowledge/questions.html",
                error,
                form=form,
                done="",
                gap=str(gap_id),
                path=QUESTIONS,
                **found,
            )
        kept = {"after": after, "order": order, "done": done, "gap": gap_id}
        return see_other(f"{QUESTIONS}?{urlencode({k: v for k, v in kept.items() if v})}")

    async def _tested(
        self, request: Request, caller: Caller, form: Form, verdict: views.Verdict | None
    ) -> Response:
        about = await self._about(caller)
        return self._pages.render(
            request, "knowledge/search.html", form=form, verdict=verdict, **about
        )

    async def _about(self, caller: Caller) -> dict[str, Any]:
        async with self._services.db.tenant(caller.tenant_id) as tx:
            return {"agents": await business.agents(tx)}

    async def _open(
        self, request: Request, caller: Caller, after: UUID | None, order: Order
    ) -> dict[str, Any]:
        async with self._services.db.tenant(caller.tenant_id) as tx:
            found, following = await gaps.listed(tx, limit=GAPS_SHOWN, after=after, order=order)
            source = await answers.source(tx)
            known = await views.known(tx, [source] if source else [], language_of(request))
            before = {question_key(one.question): one for one in await answers.given(tx)}
            waiting, zone = await gap_store.count(tx), await business.zone(tx)
        return {
            "gaps": [(gap, _earlier(gap, before)) for gap in found],
            "own": known[0] if known else None,
            "waiting": waiting,
            "after": after,
            "order": order,
            "following": following,
            "zone": zone,
        }


async def _settle(tx: TenantTx, gap_id: UUID, form: Form) -> str:
    match form.get("do"):
        case "dismiss":
            await gaps.dismiss(tx, gap_id)
            return "dismissed"
        case "reopen":
            await gaps.reopen(tx, gap_id)
            return "reopened"
        case _:
            locale = await business.locale(tx)
            await gaps.answer(tx, gap_id, form.get("text", ""), locale=locale)
            return "answered"


def _earlier(gap: Gap, answered: dict[bytes, Question]) -> str:
    """What the team answered before, where the question was asked in vain all the same."""
    known = answered.get(question_key(gap.question))
    return known.answer if known else ""
