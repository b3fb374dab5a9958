"""Pages of what customers and a business said to each other: found again, read, and why."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from coccinelle.conversations import reading
from coccinelle.conversations.api import MAX_WORDS_CHARS, place_before, place_of
from coccinelle.conversations.model import Channel, Outcome
from coccinelle.conversations.reading import Feedback, Filters
from coccinelle.dashboard import business
from coccinelle.dashboard import conversation_views as views
from coccinelle.dashboard.pages import Form, Pages, checked
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.days import WrittenDay
from coccinelle.foundation.errors import Invalid, NotFound
from coccinelle.foundation.ids import ConversationId

CONVERSATIONS = "/dashboard/conversations"
LIST = "conversations/list.html"
CONVERSATIONS_A_PAGE = 30
LINES_A_PAGE = 30
FIELDS = ("q", "agent", "outcome", "channel", "feedback", "since", "until", "handoff")


class FindForm(BaseModel):
    """What an owner looks for."""

    q: Annotated[str, StringConstraints(strip_whitespace=True)] = Field("", max_length=200)
    agent: str | None = Field(None, max_length=63)
    outcome: Outcome | None = None
    channel: Channel | None = None
    feedback: Feedback | None = None
    since: WrittenDay | None = None
    until: WrittenDay | None = None
    handoff: Literal["open"] | None = None

    def filters(self) -> Filters:
        """The same, as conversations are asked for."""
        said = self.model_dump(exclude={"q", "handoff"})
        return Filters(words=self.q or None, handoff_open=self.handoff == "open", **said)


def routes(pages: Pages, db: Database) -> APIRouter:
    """The list of conversations, and each of them; for every member."""
    router = pages.router()

    @router.get(CONVERSATIONS)
    async def conversations(request: Request) -> Response:
        caller = await pages.signed_in(request)
        form = Form([(name, request.query_params.get(name, "")) for name in FIELDS])
        shown: dict[str, Any] = {"form": form, "max_chars": MAX_WORDS_CHARS}
        try:
            filters = checked(FindForm, form).filters()
            cursor = request.query_params.get("cursor")
            before = place_before(cursor) if cursor else None
        except Invalid as error:
            async with db.tenant(caller.tenant_id) as tx:
                shown |= await _known(tx, request)
            return pages.refused(request, LIST, error, **shown, found=[], more="")
        async with db.tenant(caller.tenant_id) as tx:
            shown |= await _known(tx, request)
            limit = CONVERSATIONS_A_PAGE
            found = await reading.conversations(tx, filters, limit=limit + 1, before=before)
        more = _address(form, place_of(found[limit - 1])) if len(found) > limit else ""
        return pages.render(request, LIST, **shown, found=found[:limit], more=more)

    @router.get(f"{CONVERSATIONS}/{{conversation_id}}")
    async def conversation(request: Request, conversation_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        wanted, lang = ConversationId(conversation_id), language_of(request)
        before = _seq(request.query_params.get("before"))
        async with db.tenant(caller.tenant_id) as tx:
            found = await reading.conversation(tx, wanted)
            if found is None:
                raise NotFound("conversation_not_found")
            lines = await reading.lines_before(
                tx, wanted, before_seq=before, limit=LINES_A_PAGE + 1
            )
            said = await views.told(tx, views.last_of(lines, most=LINES_A_PAGE), lang)
            clock = await business.zone(tx)
        return pages.render(
            request,
            "conversations/one.html",
            talk=found,
            said=said,
            older=said[0].line.seq if len(lines) > LINES_A_PAGE else None,
            zone=clock,
            moment=views.moments(lang, clock),
        )

    return router


async def _known(tx: TenantTx, request: Request) -> dict[str, Any]:
    clock = await business.zone(tx)
    moment = views.moments(language_of(request), clock)
    return {"agents": await business.agents(tx), "zone": clock, "moment": moment}


def _address(form: Form, cursor: str) -> str:
    """The page that follows, of the same filters."""
    said = {name: value for name, value in form.items() if value}
    return f"{CONVERSATIONS}?{urlencode({**said, 'cursor': cursor})}"


def _seq(written: str | None) -> int | None:
    is_seq = written is not None and written.isascii() and written.isdigit() and len(written) < 10
    return int(written) if written is not None and is_seq else None
