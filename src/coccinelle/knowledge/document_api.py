"""The routes of documents: what a source is made of, passage by passage."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from coccinelle.foundation.ids import DocumentId, SourceId
from coccinelle.foundation.lists import Limit
from coccinelle.knowledge import actions
from coccinelle.knowledge.api_ground import (
    AN_ID,
    Authenticate,
    Language,
    Place,
    permitted,
    problems_of,
)
from coccinelle.knowledge.api_model import Line
from coccinelle.knowledge.document_model import (
    DocumentPage,
    ReadDocument,
    document_body,
    read_document,
)
from coccinelle.knowledge.model import MAX_TITLE_CHARS
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.tenants.model import Caller

SourceInPath = Annotated[UUID, Path(description="The source.", examples=[AN_ID])]
DocumentInPath = Annotated[UUID, Path(description="The document.", examples=[AN_ID])]
Titled = Annotated[
    Line,
    Query(
        max_length=MAX_TITLE_CHARS,
        description="Only those with this in title or address, whatever its case and accents.",
        examples=["livraison"],
    ),
]


def routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    """The routes of documents."""
    Who = Annotated[Caller, Depends(permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/sources/{source_id}/documents",
        summary="List the documents of a source",
        response_description="Some of its documents.",
        responses=problems_of(404, 422),
    )
    async def list_documents(
        who: Who,
        locale: Language,
        source_id: SourceInPath,
        limit: Limit = 50,
        cursor: Place = -1,
        q: Titled = "",
    ) -> DocumentPage:
        """What it answers from now: a file, or the pages of a site; a bad one says why."""
        async with services.db.tenant(who.tenant_id) as tx:
            found, following = await actions.documents(
                tx, SourceId(source_id), limit=limit, after=cursor, titled=q
            )
        return DocumentPage(
            items=[document_body(one, locale) for one in found], next_cursor=following
        )

    @api.get(
        "/documents/{document_id}",
        summary="Read a document as the assistant knows it",
        response_description="The document, and some of its passages.",
        responses=problems_of(404, 422),
    )
    async def get_document(
        who: Who,
        locale: Language,
        document_id: DocumentInPath,
        limit: Limit = 50,
        cursor: Place = -1,
    ) -> ReadDocument:
        """Passage by passage. Its id lasts until its source is read anew."""
        async with services.db.tenant(who.tenant_id) as tx:
            document, pieces, following = await actions.document(
                tx, DocumentId(document_id), limit=limit, after=cursor
            )
        return read_document(document, pieces, following, locale)

    return api
