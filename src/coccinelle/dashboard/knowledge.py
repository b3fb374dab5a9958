"""What the assistant knows: sources, how far they are read, what is in them, and their settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from coccinelle.dashboard import business
from coccinelle.dashboard import knowledge_views as views
from coccinelle.dashboard.pages import Form, Pages, checked, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.dashboard.uploads import read_upload
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import CoccinelleError, FieldError, Invalid
from coccinelle.foundation.ids import DocumentId, SourceId
from coccinelle.foundation.outgoing import MAX_URL_CHARS
from coccinelle.knowledge import actions, answers, gap_store
from coccinelle.knowledge.api import MAX_FILES
from coccinelle.knowledge.api_model import MAX_QUESTION_CHARS, Body, Line
from coccinelle.knowledge.model import (
    MAX_ANSWER_CHARS,
    MAX_TITLE_CHARS,
    NewSource,
    Question,
    web_source,
)
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.onboarding.model import web_address
from coccinelle.tenants.model import Caller

KNOWLEDGE = "/dashboard/knowledge"
SOURCES_SHOWN = 30
DOCUMENTS_SHOWN = 50
PASSAGES_SHOWN = 30

_LIST = "knowledge/sources.html"
_ONE = "knowledge/source.html"
# Refusals that name no field, and the field beside which they are told.
_AT = {"bad_address": "website", "answer_not_found": "question"}

Before = Annotated[UUID | None, Query()]
After = Annotated[int, Query(ge=-1, le=2**31 - 1)]


class SiteBody(Body):
    """A site to read, or one of its pages."""

    website: Line = Field(min_length=1, max_length=MAX_URL_CHARS)
    kind: Literal["site", "page"] = "site"


class PairBody(Body):
    """A question, and what the team answers."""

    question: Line = Field(min_length=1, max_length=MAX_QUESTION_CHARS)
    answer: Line = Field(min_length=1, max_length=MAX_ANSWER_CHARS)


class TitleBody(Body):
    """What a source is called."""

    title: Line = Field(min_length=1, max_length=MAX_TITLE_CHARS)


def routes(pages: Pages, services: KnowledgeServices) -> APIRouter:
    """The pages of sources and documents, for every member."""
    known = _Knowledge(pages, services)
    router = pages.router()
    one = KNOWLEDGE + "/sources/{source_id}"
    router.add_api_route(KNOWLEDGE, known.sources, methods=["GET"])
    router.add_api_route(f"{KNOWLEDGE}/site", known.add_site, methods=["POST"])
    router.add_api_route(f"{KNOWLEDGE}/files", known.add_files, methods=["POST"])
    router.add_api_route(f"{KNOWLEDGE}/answers", known.answer, methods=["POST"])
    router.add_api_route(one, known.source, methods=["GET"])
    router.add_api_route(one, known.change, methods=["POST"])
    router.add_api_route(KNOWLEDGE + "/documents/{document_id}", known.document, methods=["GET"])
    return router


class _Knowledge:
    def __init__(self, pages: Pages, services: KnowledgeServices) -> None:
        self._pages = pages
        self._services = services

    async def sources(self, request: Request, before: Before = None) -> Response:
        """Every source with its state, and the forms that add one."""
        caller = await self._pages.signed_in(request)
        done = request.query_params.get("done", "")
        found = await self._listed(request, caller, before)
        return self._pages.render(request, _LIST, done=done, form=Form([]), **found)

    async def add_site(self, request: Request) -> Response:
        """Have a site read, or a page of one."""
        caller = await self._pages.signed_in(request)
        form = await read_form(request)

        async def add(tx: TenantTx) -> str:
            body = checked(SiteBody, {name: form.get(name) for name in ("website", "kind")})
            new = web_source(body.kind, web_address(body.website))
            added = await actions.add(tx, new, agents=form.all("agents"))
            return "known" if added.is_duplicate else body.kind

        return await self._added(request, caller, form, add)

    async def add_files(self, request: Request) -> Response:
        """Keep files, each a source of its own."""
        caller = await self._pages.signed_in(request)
        form = Form([])
        try:
            form, files = await read_upload(request, max_files=MAX_FILES)
        except Invalid as error:
            return await self._refused(request, caller, form, error)

        async def add(tx: TenantTx) -> str:
            return await _add_files(tx, files, form.all("agents"))

        return await self._added(request, caller, form, add)

    async def answer(self, request: Request) -> Response:
        """Answer a question from now on, or withdraw what was answered."""
        caller = await self._pages.signed_in(request)
        form = await read_form(request)

        async def add(tx: TenantTx) -> str:
            return await _answer(tx, form)

        return await self._added(request, caller, form, add)

    async def source(
        self, request: Request, source_id: UUID, after: After = -1, q: str = ""
    ) -> Response:
        """A source: its documents, and its settings."""
        caller = await self._pages.signed_in(request)
        found = await self._one(request, caller, SourceId(source_id), after, q[:MAX_TITLE_CHARS])
        done = request.query_params.get("done", "")
        return self._pages.render(request, _ONE, done=done, form=Form([]), **found)

    async def change(self, request: Request, source_id: UUID) -> Response:
        """Read a source again, call it otherwise, choose its agents, or remove it."""
        caller = await self._pages.signed_in(request)
        form = await read_form(request)
        known_id = SourceId(source_id)
        try:
            async with self._services.db.tenant(caller.tenant_id) as tx:
                done = await _change(tx, known_id, form)
        except Invalid as error:
            found = await self._one(request, caller, known_id, -1, "")
            return self._pages.refused(request, _ONE, error, form=form, done="", **found)
        to_list = done == "removed" or form.get("from") == "list"
        path = KNOWLEDGE if to_list else f"{KNOWLEDGE}/sources/{source_id}"
        return see_other(f"{path}?done={done}")

    async def document(self, request: Request, document_id: UUID, after: After = -1) -> Response:
        """A document as the assistant knows it, passage by passage."""
        caller = await self._pages.signed_in(request)
        async with self._services.db.tenant(caller.tenant_id) as tx:
            found, pieces, following = await actions.document(
                tx, DocumentId(document_id), limit=PASSAGES_SHOWN, after=after
            )
            source = await actions.get(tx, found.source_id)
        return self._pages.render(
            request,
            "knowledge/document.html",
            document=found,
            why=views.told(found, language_of(request)),
            source=source,
            pieces=pieces,
            after=after,
            following=following,
        )

    async def _added(
        self,
        request: Request,
        caller: Caller,
        form: Form,
        add: Callable[[TenantTx], Awaitable[str]],
    ) -> Response:
        try:
            async with self._services.db.tenant(caller.tenant_id) as tx:
                done = await add(tx)
        except CoccinelleError as error:
            return await self._refused(request, caller, form, error)
        return see_other(f"{KNOWLEDGE}?done={done}")

    async def _refused(
        self, request: Request, caller: Caller, form: Form, error: CoccinelleError
    ) -> Response:
        found = await self._listed(request, caller, None)
        return self._pages.refused(
            request, _LIST, error, at=_AT, form=form, done="", path=KNOWLEDGE, **found
        )

    async def _listed(
        self, request: Request, caller: Caller, before: UUID | None
    ) -> dict[str, Any]:
        async with self._services.db.tenant(caller.tenant_id) as tx:
            found, following = await actions.listed(
                tx, limit=SOURCES_SHOWN, before=None if before is None else SourceId(before)
            )
            known = await views.known(tx, found, language_of(request))
            waiting = await gap_store.count(tx)
            agents, zone = await business.agents(tx), await business.zone(tx)
        return {
            "known": known,
            "before": before,
            "following": following,
            "is_reading": any(not one.is_settled for one in found),
            "waiting": waiting,
            "agents": agents,
            "zone": zone,
        }

    async def _one(
        self, request: Request, caller: Caller, source_id: SourceId, after: int, titled: str
    ) -> dict[str, Any]:
        lang = language_of(request)
        async with self._services.db.tenant(caller.tenant_id) as tx:
            (one,) = await views.known(tx, [await actions.get(tx, source_id)], lang)
            found, following = await actions.documents(
                tx, source_id, limit=DOCUMENTS_SHOWN, after=after, titled=_storable(titled)
            )
            own = await answers.source(tx)
            pairs = await answers.given(tx) if own and own.id == source_id else []
            agents, zone = await business.agents(tx), await business.zone(tx)
        return {
            "one": one,
            "documents": [(document, views.told(document, lang)) for document in found],
            "pairs": pairs[::-1],
            "after": after,
            "titled": titled,
            "following": following,
            "agents": agents,
            "zone": zone,
        }


async def _add_files(tx: TenantTx, files: Sequence[NewSource], agents: Sequence[str]) -> str:
    if not files:
        raise Invalid(errors=(FieldError("files", "no_file_chosen"),))
    added = await actions.add_files(tx, files, agents=agents)
    if all(one.is_duplicate for one in added):
        return "known"
    return "replaced" if any(one.is_replaced for one in added) else "files"


async def _answer(tx: TenantTx, form: Form) -> str:
    locale = await business.locale(tx)
    if form.get("do") == "withdraw":
        await answers.withdraw(tx, form.get("question", ""), locale=locale)
        return "withdrawn"
    body = checked(PairBody, {name: form.get(name) for name in ("question", "answer")})
    await answers.give(tx, Question(body.question, body.answer), locale=locale)
    return "answer"


async def _change(tx: TenantTx, source_id: SourceId, form: Form) -> str:
    match form.get("do"):
        case "read":
            await actions.reingest(tx, source_id)
            return "reading"
        case "rename":
            body = checked(TitleBody, {"title": form.get("title", "").strip()})
            await actions.rename(tx, source_id, body.title)
            return "renamed"
        case "agents":
            await actions.retag(tx, source_id, agents=form.all("agents"))
            return "agents"
        case "remove":
            await actions.remove(tx, source_id)
            return "removed"
        case _:
            raise Invalid


def _storable(text: str) -> str:
    return text.replace("\x00", "").strip()
