"""The routes of the search tester, and of questions without an answer."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.knowledge import gaps
from coccinelle.knowledge.api_ground import AN_ID, Authenticate, Language, permitted, problems_of
from coccinelle.knowledge.gap_model import (
    AnswerBody,
    GapBody,
    GapPage,
    Passages,
    SearchBody,
    gap_body,
    passages_body,
)
from coccinelle.knowledge.model import Order
from coccinelle.knowledge.services import KnowledgeServices
from coccinelle.knowledge.tester import tried
from coccinelle.tenants.model import Caller

GapInPath = Annotated[UUID, Path(description="The question.", examples=[AN_ID])]
Ordered = Annotated[
    Order,
    Query(
        description="`latest`: the latest asked first. `most_asked`: the most asked first.",
        examples=["latest"],
    ),
]


def routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    """The routes of the tester and of the gaps."""
    api = APIRouter()
    api.include_router(_search_routes(services, caller))
    api.include_router(_gap_routes(services, caller))
    return api


def _search_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/knowledge/search",
        summary="Test the search",
        response_description="What the search found.",
        responses=problems_of(413, 422),
    )
    async def test_search(who: Who, body: SearchBody) -> Passages:
        """The passages that an answer to `question` would be made from, with every score.

        While the embedder is down, or knowledge is being embedded anew, words alone are searched,
        and `by_words_only` says so.
        """
        return passages_body(
            await tried(services, who.tenant_id, body.question, agent=body.agent, limit=body.limit)
        )

    return api


def _gap_routes(services: KnowledgeServices, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(permitted(caller))]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/knowledge/gaps",
        summary="List questions without an answer",
        response_description="Some of the gaps.",
        responses=problems_of(422),
    )
    async def list_gaps(
        who: Who, limit: Limit = 50, cursor: Cursor = None, order: Ordered = "latest"
    ) -> GapPage:
        """Those that nobody answered or dismissed; one that is asked again in vain comes back."""
        async with services.db.tenant(who.tenant_id) as tx:
            found, following = await gaps.listed(tx, limit=limit, after=cursor, order=order)
        return GapPage(items=[gap_body(one) for one in found], next_cursor=following)

    @api.post(
        "/knowledge/gaps/{gap_id}/answer",
        summary="Answer a question that had no answer",
        response_description="It is kept, and will be read.",
        responses=problems_of(404, 409, 413, 422),
    )
    async def answer_gap(
        who: Who, locale: Language, gap_id: GapInPath, body: AnswerBody
    ) -> GapBody:
        """All agents answer by it, once a worker has read it; 409 `too_many_answers` at 1,000."""
        async with services.db.tenant(who.tenant_id) as tx:
            return gap_body(await gaps.answer(tx, gap_id, body.text, locale=locale))

    @api.post(
        "/knowledge/gaps/{gap_id}/dismiss",
        summary="Take a question off the list",
        response_description="It is off the list.",
        responses=problems_of(404, 422),
    )
    async def dismiss_gap(who: Who, gap_id: GapInPath) -> GapBody:
        """It needs no answer; asked again, it stays off the list."""
        async with services.db.tenant(who.tenant_id) as tx:
            return gap_body(await gaps.dismiss(tx, gap_id))

    return api
