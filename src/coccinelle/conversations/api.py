"""Conversations and their turns over HTTP, under /api/v1: what was said, and why."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from coccinelle.conversations import reading
from coccinelle.conversations.api_model import (
    A_CONVERSATION,
    A_PLACE,
    A_TURN,
    ConversationPage,
    ConversationRead,
    TurnOut,
    conversation_out,
    conversation_read,
    turn_out,
)
from coccinelle.conversations.model import Channel, Outcome
from coccinelle.conversations.reading import Before, Conversation, Feedback, Filters
from coccinelle.foundation.database import Database
from coccinelle.foundation.days import WrittenDay
from coccinelle.foundation.errors import FieldError, Invalid, NotFound
from coccinelle.foundation.ids import ConversationId, TurnId
from coccinelle.foundation.lists import Limit
from coccinelle.foundation.problems import managed
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]

MAX_WORDS_CHARS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(\d{1,16})-([0-9a-f]{32})", re.ASCII)


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of conversations and turns.

    Args:
        caller: says who asks, and raises unless they may read what customers say.
    """
    api = APIRouter(prefix="/api/v1", tags=["conversations"])
    _add_conversations(api, db, caller)
    _add_turns(api, db, caller)
    return api


def _add_conversations(api: APIRouter, db: Database, caller: Authenticate) -> None:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806

    @api.get(
        "/conversations",
        summary="List conversations",
        response_description="Some of the conversations.",
        responses=managed(422),
    )
    async def list_conversations(
        who: Who,
        filters: Annotated[Filters, Depends(_filters)],
        limit: Limit = 50,
        cursor: Annotated[
            str | None,
            Query(
                max_length=64,
                description="`next_cursor` of the answer before; none: the first items.",
                examples=[A_PLACE],
            ),
        ] = None,
    ) -> ConversationPage:
        """The one that was spoken in last, first; each that is all that is asked for.

        `agent`, `outcome` and `feedback` are of one and the same turn.
        """
        before = None if cursor is None else place_before(cursor)
        async with db.tenant(who.tenant_id) as tx:
            found = await reading.conversations(tx, filters, limit=limit + 1, before=before)
        items = [conversation_out(one) for one in found[:limit]]
        following = place_of(found[limit - 1]) if len(found) > limit else None
        return ConversationPage(items=items, next_cursor=following)

    @api.get(
        "/conversations/{id}",
        summary="Read a conversation",
        response_description="The conversation, and some of its messages.",
        responses=managed(404, 422, said=_CONVERSATION),
    )
    async def read_conversation(
        who: Who,
        conversation_id: Annotated[
            UUID, Path(alias="id", description="Of the conversation.", examples=[A_CONVERSATION])
        ],
        limit: Limit = 50,
        cursor: Annotated[
            int,
            Query(
                ge=0,
                le=2**31 - 1,
                description="`next_cursor` of the answer before; none: the first messages.",
                examples=[50],
            ),
        ] = 0,
    ) -> ConversationRead:
        """What was said, the oldest first, by whom, and in which turn."""
        wanted = ConversationId(conversation_id)
        async with db.tenant(who.tenant_id) as tx:
            found = await reading.conversation(tx, wanted)
            lines = await reading.lines_after(tx, wanted, after_seq=cursor, limit=limit + 1)
        if found is None:
            raise NotFound("conversation_not_found")
        following = lines[limit - 1].seq if len(lines) > limit else None
        return conversation_read(found, lines[:limit], next_cursor=following)


def _add_turns(api: APIRouter, db: Database, caller: Authenticate) -> None:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806

    @api.get(
        "/turns/{turn_id}",
        summary="Say why a turn was answered so",
        response_description="The turn.",
        responses=managed(404, 422, said=_TURN),
    )
    async def read_turn(
        who: Who, turn_id: Annotated[UUID, Path(description="Of the turn.", examples=[A_TURN])]
    ) -> TurnOut:
        """The agent and why, the passages and their scores, what took how long and what it cost."""
        async with db.tenant(who.tenant_id) as tx:
            found = (await reading.turns(tx, [TurnId(turn_id)])).get(TurnId(turn_id))
        if found is None:
            raise NotFound("turn_not_found")
        return turn_out(found)


def _filters(
    q: Annotated[
        str | None,
        Query(
            max_length=MAX_WORDS_CHARS,
            description="Words that were all said in it; the last one may be cut short.",
            examples=["vidange électrique"],
        ),
    ] = None,
    agent: Annotated[
        str | None,
        Query(max_length=63, description="Key of an agent that answered.", examples=["audrey"]),
    ] = None,
    outcome: Annotated[
        Outcome | None, Query(description="What a turn came to.", examples=["escalated"])
    ] = None,
    channel: Annotated[
        Channel | None, Query(description="The contract that carried it.", examples=["chat_v2"])
    ] = None,
    feedback: Annotated[
        Feedback | None,
        Query(description="What the customer thought of an answer.", examples=["down"]),
    ] = None,
    since: Annotated[
        WrittenDay | None,
        Query(description="Last spoken in on this day or later.", examples=["2026-11-01"]),
    ] = None,
    until: Annotated[
        WrittenDay | None,
        Query(description="Last spoken in on this day or before.", examples=["2026-11-03"]),
    ] = None,
    handoff: Annotated[
        Literal["open"] | None,
        Query(description="Whose customer waits for a person, or is with one.", examples=["open"]),
    ] = None,
) -> Filters:
    return Filters(
        words=(q or "").strip() or None,
        agent=agent,
        outcome=outcome,
        channel=channel,
        feedback=feedback,
        since=since,
        until=until,
        handoff_open=handoff == "open",
    )


def place_of(last: Conversation) -> str:
    """Where a page ends, as it is written in an address."""
    micros = (last.last_message_at - _EPOCH) // timedelta(microseconds=1)
    return f"{micros}-{last.id.hex}"


def place_before(written: str) -> Before:
    """The place that `place_of` wrote. Raises `Invalid`."""
    parts = _PLACE.fullmatch(written)
    if parts is None:
        raise Invalid(errors=(FieldError("cursor", "bad_cursor"),))
    at = _EPOCH + timedelta(microseconds=int(parts[1]))
    return Before(at, ConversationId(UUID(parts[2])))


_CONVERSATION = {404: "The business has no such conversation (`conversation_not_found`)."}
_TURN = {404: "The business has no such turn (`turn_not_found`)."}
