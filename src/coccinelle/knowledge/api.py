"""Knowledge over HTTP, under /api/v1: sources; with documents, the search tester and the gaps."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Path, Response, UploadFile

from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import SourceId
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.knowledge import actions, document_api, gap_api
from coccinelle.knowledge.api_ground import (
    AN_ID,
    Authenticate,
    Language,
    permitted,
    problems_of,
)
from coccinelle.knowledge.api_model import (
    AddedSource,
    AddedSources,
    ChangesBody,
    NewSourceBody,
    SourceBody,
    SourcePage,
    new_source,
    source_body,
)
from coccinelle.knowledge.model import NewSource, file_source, storable
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.tenants.model import Caller

MAX_FILES = 100

SourceInPath = Annotated[UUID, Path(description="The source.", examples=[AN_ID])]


def routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    """The routes of knowledge.

    Args:
        caller: says who asks, and raises where nobody does. Its scope `knowledge` is needed here.
    """

    api = APIRouter(prefix="/api/v1", tags=["knowledge"])
    api.include_router(_adding_routes(services, caller))
    api.include_router(_source_routes(services, caller))
    api.include_router(document_api.routes(services, caller))
    api.include_router(gap_api.routes(services, caller))
    return api


def _adding_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/sources",
        status_code=201,
        summary="Add a page, a site, a text, or questions and answers",
        response_description="The source is kept.",
        responses={
            **problems_of(409, 413, 422),
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
            **problems_of(409, 413, 422),
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

    return api


def _source_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/sources",
        summary="List sources",
        response_description="Some of the sources.",
        responses=problems_of(422),
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
        responses=problems_of(404, 422),
    )
    async def get_source(who: Who, locale: Language, source_id: SourceInPath) -> SourceBody:
        """How far its ingestion is, or why it failed."""
        async with services.db.tenant(who.tenant_id) as tx:
            return source_body(await actions.get(tx, SourceId(source_id)), locale)

    @api.patch(
        "/sources/{source_id}",
        summary="Change a source",
        response_description="The source as it is now.",
        responses=problems_of(404, 413, 422),
    )
    async def change_source(
        who: Who, locale: Language, source_id: SourceInPath, body: ChangesBody
    ) -> SourceBody:
        """Say which agents may use it, from their next answer on, or call it otherwise.

        A text, or questions and answers, bear their title in answers: renamed, they are read anew.
        """
        async with services.db.tenant(who.tenant_id) as tx:
            found = await actions.get(tx, SourceId(source_id))
            if body.title is not None:
                found = await actions.rename(tx, found.id, body.title)
            if body.agents is not None:
                found = await actions.retag(tx, found.id, agents=body.agents)
        return source_body(found, locale)

    @api.delete(
        "/sources/{source_id}",
        status_code=204,
        summary="Delete a source",
        response_description="It is gone.",
        responses=problems_of(404, 422),
    )
    async def delete_source(who: Who, source_id: SourceInPath) -> None:
        """And all that was learnt from it."""
        async with services.db.tenant(who.tenant_id) as tx:
            await actions.remove(tx, SourceId(source_id))

    @api.post(
        "/sources/{source_id}/reingest",
        status_code=202,
        summary="Read a source anew",
        response_description="It will be read.",
        responses=problems_of(404, 422),
    )
    async def reingest(who: Who, locale: Language, source_id: SourceInPath) -> SourceBody:
        """What it says now goes on answering until the new version is whole."""
        async with services.db.tenant(who.tenant_id) as tx:
            return source_body(await actions.reingest(tx, SourceId(source_id)), locale)

    return api


def _added_body(added: actions.Added, locale: Locale) -> AddedSource:
    return AddedSource(
        source=source_body(added.source, locale),
        duplicate=added.is_duplicate,
        replaced=added.is_replaced,
    )


async def _uploaded(file: UploadFile) -> NewSource:
    """Raises `Invalid` for a name or a type that cannot be kept."""
    name = storable(file.filename or "document", "files")
    media_type = storable(file.content_type or "", "files")
    return file_source(await file.read(), filename=name, media_type=media_type or None)
