"""Knowledge over HTTP, under /api/v1: sources, their documents, the search tester, the gaps."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile

from coccinelle.foundation.clock import elapsed_ms
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import FieldError, Forbidden
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.foundation.ids import AgentId, SourceId
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import documented
from coccinelle.knowledge import actions, store
from coccinelle.knowledge.api_model import (
    AddedSource,
    AddedSources,
    DocumentPage,
    GapPage,
    NewSourceBody,
    Passages,
    SearchBody,
    SourceBody,
    SourcePage,
    TagsBody,
    document_body,
    gap_body,
    new_source,
    passage_body,
    source_body,
)
from coccinelle.knowledge.model import NewSource, UnknownAgent, file_source, storable
from coccinelle.knowledge.search import Passage, search
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.providers.embeddings.model import EmbeddingUnavailable, Vectors
from coccinelle.tenants.model import Caller

SCOPE = "knowledge"
MAX_FILES = 100
DEFAULT_THRESHOLD = 0.30

Authenticate = Callable[[Request], Awaitable[Caller]]
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"
SourceInPath = Annotated[UUID, Path(description="The source.", examples=[AN_ID])]

_PROBLEMS = {
    401: "Nothing in the request says which business it is for (`unauthenticated`).",
    403: "The credential has no scope `knowledge` (`scope_missing`).",
    404: "There is no such source, or it is another business's (`source_not_found`).",
    409: "The source is being deleted at this very moment (`conflict`).",
    413: "More bytes than are accepted (`too_large`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer; `Retry-After` says when to ask again.",
}


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language"))


Language = Annotated[Locale, Depends(_locale)]


def routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    """The routes of knowledge.

    Args:
        caller: says who asks, and raises where nobody does. Its scope `knowledge` is needed here.
    """

    api = APIRouter(prefix="/api/v1", tags=["knowledge"])
    api.include_router(_source_routes(services, caller))
    api.include_router(_knowledge_routes(services, caller))
    return api


def _source_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(_permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/sources",
        status_code=201,
        summary="Add a page, a site, a text, or questions and answers",
        response_description="The source is kept.",
        responses={
            **_problems(409, 413, 422),
            200: {
                "model": AddedSource,
                "description": "The business has this content, or this address, already.",
            },
        },
    )
    async def add_source(
        who: Who, locale: Language, body: NewSourceBody, response: Response
    ) -> AddedSource:
        """Kept at once, read by a worker: ask for its progress by `GET /api/v1/sources/{id}`.

        What is there already is not kept twice; if it had failed, it is tried again.
        """
        new = new_source(body)
        async with services.db.tenant(who.tenant_id) as tx:
            added = await actions.add(tx, new, agents=body.agents)
        response.status_code = 200 if added.is_duplicate else 201
        return _added_body(added, locale)

    @api.post(
        "/sources/upload",
        status_code=201,
        summary="Add files",
        response_description="The files are kept; those that were there already are marked.",
        responses={
            **_problems(409, 413, 422),
            200: {"model": AddedSources, "description": "The business has all of them already."},
        },
    )
    async def upload(
        who: Who,
        locale: Language,
        response: Response,
        files: Annotated[
            list[UploadFile],
            File(
                min_length=1,
                max_length=MAX_FILES,
                description="PDF, DOCX, XLSX, XLS, CSV, HTML, Markdown, text, PNG or JPEG.",
                examples=[["tarifs.pdf"]],
            ),
        ],
        agents: Annotated[
            list[str] | None,
            Form(
                description="Keys of the agents that may use them; none: all agents.",
                examples=[["audrey"]],
            ),
        ] = None,
    ) -> AddedSources:
        """All of the files are kept, each a source of its own, or none; a worker reads them.

        A file that cannot be read ends in the state `failed` with the reason, and stops no other.
        One of a name that is there already, with another content, takes its place: the old content
        answers until the new one is read. Two files of one name in a request replace nothing.
        """
        keys = [storable(key, "agents") for key in agents or ()]
        news = [await _uploaded(file) for file in files]
        async with services.db.tenant(who.tenant_id) as tx:
            added = await actions.add_files(tx, news, agents=keys)
        response.status_code = 200 if all(one.is_duplicate for one in added) else 201
        return AddedSources(items=[_added_body(one, locale) for one in added])

    @api.get(
        "/sources",
        summary="List sources",
        response_description="Some of the sources.",
        responses=_problems(422),
    )
    async def list_sources(
        who: Who, locale: Language, limit: Limit = 50, cursor: Cursor = None
    ) -> SourcePage:
        """The newest first."""
        before = None if cursor is None else SourceId(cursor)
        async with services.db.tenant(who.tenant_id) as tx:
            found, following = await actions.listed(tx, limit=limit, before=before)
        return SourcePage(items=[source_body(one, locale) for one in found], next_cursor=following)

    @api.get(
        "/sources/{source_id}",
        summary="See a source",
        response_description="The source.",
        responses=_problems(404, 422),
    )
    async def get_source(who: Who, locale: Language, source_id: SourceInPath) -> SourceBody:
        """How far its ingestion is, or why it failed."""
        async with services.db.tenant(who.tenant_id) as tx:
            return source_body(await actions.get(tx, SourceId(source_id)), locale)

    @api.patch(
        "/sources/{source_id}",
        summary="Tag a source",
        response_description="The source as it is tagged now.",
        responses=_problems(404, 413, 422),
    )
    async def tag_source(
        who: Who, locale: Language, source_id: SourceInPath, body: TagsBody
    ) -> SourceBody:
        """Say which agents may use it, from their next answer on."""
        async with services.db.tenant(who.tenant_id) as tx:
            found = await actions.retag(tx, SourceId(source_id), agents=body.agents)
        return source_body(found, locale)

    @api.delete(
        "/sources/{source_id}",
        status_code=204,
        summary="Delete a source",
        response_description="It is gone.",
        responses=_problems(404, 422),
    )
    async def delete_source(who: Who, source_id: SourceInPath) -> None:
        """And all that was learnt from it."""
        async with services.db.tenant(who.tenant_id) as tx:
            await actions.remove(tx, SourceId(source_id))

    @api.get(
        "/sources/{source_id}/documents",
        summary="List the documents of a source",
        response_description="Some of its documents.",
        responses=_problems(404, 422),
    )
    async def list_documents(
        who: Who,
        locale: Language,
        source_id: SourceInPath,
        limit: Limit = 50,
        cursor: Annotated[
            int,
            Query(
                ge=-1,
                le=2**31 - 1,
                description="`next_cursor` of the answer before.",
                examples=[49],
            ),
        ] = -1,
    ) -> DocumentPage:
        """What it answers from now: a file, or the pages of a site; a bad one says why."""
        async with services.db.tenant(who.tenant_id) as tx:
            found, following = await actions.documents(
                tx, SourceId(source_id), limit=limit, after=cursor
            )
        return DocumentPage(
            items=[document_body(one, locale) for one in found], next_cursor=following
        )

    @api.post(
        "/sources/{source_id}/reingest",
        status_code=202,
        summary="Read a source anew",
        response_description="It will be read.",
        responses=_problems(404, 422),
    )
    async def reingest(who: Who, locale: Language, source_id: SourceInPath) -> SourceBody:
        """What it says now goes on answering until the new version is whole."""
        async with services.db.tenant(who.tenant_id) as tx:
            return source_body(await actions.reingest(tx, SourceId(source_id)), locale)

    return api


def _knowledge_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(_permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/knowledge/search",
        summary="Test the search",
        response_description="What the search found.",
        responses=_problems(413, 422),
    )
    async def test_search(who: Who, body: SearchBody) -> Passages:
        """The passages that an answer to `question` would be made from, with every score.

        While the embedder is down, or knowledge is being embedded anew, words alone are searched,
        and `by_words_only` says so.
        """
        began = time.perf_counter()
        vector = await _vector(services, body.question)
        async with services.db.tenant(who.tenant_id) as tx:
            if not await store.has_vectors_of(tx, model=services.embedder.model):
                vector = None
            found = await search(
                tx,
                question=body.question,
                vector=None if vector is None else vector[0],
                agent_id=await _agent(tx, body.agent),
                limit=body.limit,
            )
            known = await store.threshold(tx)
        return _passages(found, known, began, by_words_only=vector is None)

    @api.get(
        "/knowledge/gaps",
        summary="List questions without an answer",
        response_description="Some of the gaps.",
        responses=_problems(422),
    )
    async def list_gaps(who: Who, limit: Limit = 50, cursor: Cursor = None) -> GapPage:
        """The latest asked first."""
        async with services.db.tenant(who.tenant_id) as tx:
            found, following = await actions.gaps(tx, limit=limit, after=cursor)
        return GapPage(items=[gap_body(one) for one in found], next_cursor=following)

    return api


def _added_body(added: actions.Added, locale: Locale) -> AddedSource:
    return AddedSource(
        source=source_body(added.source, locale),
        duplicate=added.is_duplicate,
        replaced=added.is_replaced,
    )


def _permitted(caller: Authenticate) -> Authenticate:
    async def permitted(request: Request) -> Caller:
        found = await caller(request)
        if SCOPE not in found.scopes:
            raise Forbidden("scope_missing", scope=SCOPE)
        return found

    return permitted


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route may answer, and `statuses`, as RFC 9457 problems."""
    return documented(*sorted({401, 403, 500, 503, *statuses}), said=_PROBLEMS)


async def _uploaded(file: UploadFile) -> NewSource:
    """Raises `Invalid` for a name or a type that cannot be kept."""
    name = storable(file.filename or "document", "files")
    media_type = storable(file.content_type or "", "files")
    return file_source(await file.read(), filename=name, media_type=media_type or None)


async def _vector(services: KnowledgeServices, question: str) -> Vectors | None:
    """Of the question; None while the embedder is down."""
    try:
        return await services.embedder.embed_queries([question])
    except EmbeddingUnavailable:
        return None


async def _agent(tx: TenantTx, key: str | None) -> AgentId | None:
    try:
        return None if key is None else (await actions.agents_of(tx, [key]))[0]
    except UnknownAgent as error:
        raise UnknownAgent(errors=(FieldError("agent", error.code),)) from error


def _passages(
    found: Sequence[Passage],
    known: store.ThresholdRow | None,
    began: float,
    *,
    by_words_only: bool,
) -> Passages:
    return Passages(
        passages=[passage_body(passage) for passage in found],
        threshold=known.answer_threshold if known else DEFAULT_THRESHOLD,
        by_words_only=by_words_only,
        took_ms=round(elapsed_ms(began), 1),
    )
