"""Hand-offs over HTTP, under /api/v1: who waits for a person, claimed, answered, closed."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Forbidden
from coccinelle.foundation.ids import HandoffId, UserId
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import managed
from coccinelle.handoffs import actions
from coccinelle.handoffs.model import MAX_REPLY_CHARS, Handoff, HandoffState
from coccinelle.tenants import audit
from coccinelle.tenants.model import Caller, covers

Authenticate = Callable[[Request], Awaitable[Caller]]
MAX_KEY_CHARS = 255
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e41"
A_USER = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e42"
HandoffInPath = Annotated[UUID, Path(description="The hand-off.", examples=[AN_ID])]
State = Annotated[
    HandoffState | None,
    Query(
        description="Only those that nobody has claimed, or that somebody has, or that are over.",
        examples=["open"],
    ),
]
_problems = partial(
    managed,
    said={
        403: (
            "The credential has no scope `manage` (`scope_missing`); or a program would speak in"
            " place of a person (`handoff_needs_a_person`), or a member take over what another"
            " holds (`role_missing`)."
        ),
        404: "The business has no such hand-off (`handoff_not_found`).",
        409: (
            "Somebody else holds it (`handoff_claimed`), it is over (`handoff_closed`), or the"
            " `message_id` was used for another text (`message_id_reused`)."
        ),
        413: "The body is too large (`body_too_large`).",
    },
)


class ClaimBody(BaseModel):
    """How to claim."""

    take_over: StrictBool = Field(
        False,
        description="Take it from who holds it. For owners and admins.",
        examples=[False],
    )


class ReplyBody(BaseModel):
    """What to say to the customer."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=MAX_REPLY_CHARS,
        description="As the customer reads it; trimmed.",
        examples=["Bonjour, je regarde votre commande tout de suite."],
    )
    message_id: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY_CHARS,
        description="Made up by the sender: the same one again is the same message.",
        examples=["8f1c2a64-5a0e-4b9e-9d8e-0f6f5f2f7a11"],
    )


class HandoffOut(BaseModel):
    """A customer's wish for a person, and who takes care of it."""

    id: UUID = Field(description="Of it.", examples=[AN_ID])
    state: HandoffState = Field(
        description=(
            "`open`: nobody has claimed it, and the assistant answers; `claimed`: a person answers,"
            " and the assistant is silent; `closed`: it is over, and the assistant answers again."
        ),
        examples=["claimed"],
    )
    conversation_id: UUID = Field(
        description="The conversation.", examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8877"]
    )
    conversation: str = Field(
        description="The conversation, by the id that its client made up.", examples=["c-7"]
    )
    reason: str = Field(description="Why it was opened.", examples=["asked_for_a_person"])
    email: str | None = Field(
        description="What the customer left to be reached.", examples=["lea@example.com"]
    )
    phone: str | None = Field(
        description="What the customer left to be reached.", examples=["06 12 34 56 78"]
    )
    note: str | None = Field(description="What the customer added.", examples=["Plutôt le matin."])
    identity: str | None = Field(
        description="Who the customer is, as the business's site has proven.",
        examples=["client-4812"],
    )
    identity_email: str | None = Field(
        description="E-mail address as the site's page says it; not proven.",
        examples=["lea@example.com"],
    )
    last_message: str | None = Field(
        description="What the customer said last.", examples=["Je voudrais parler à quelqu'un."]
    )
    opened_at: datetime = Field(description="When.", examples=["2026-11-03T12:00:00Z"])
    mailed_at: datetime | None = Field(
        description="When the business was mailed; null: it was not, or the customer has added"
        " something since.",
        examples=["2026-11-03T12:00:02Z"],
    )
    claimed_at: datetime | None = Field(
        description="Since when who holds it does.", examples=["2026-11-03T12:01:00Z"]
    )
    claimed_by: UUID | None = Field(
        description="The member who holds it; null: nobody, or who has left.", examples=[A_USER]
    )
    claimed_by_name: str | None = Field(description="Their name.", examples=["Léa Martin"])
    closed_at: datetime | None = Field(
        description="When it was over.", examples=["2026-11-03T12:20:00Z"]
    )
    closed_by: UUID | None = Field(
        description="The member who closed it; null: nobody, a program, or who has left.",
        examples=[A_USER],
    )


class HandoffPage(BaseModel):
    """Some of the hand-offs."""

    items: list[HandoffOut] = Field(description="The newest first.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.", examples=[AN_ID]
    )


class ReplyOut(BaseModel):
    """What was said to the customer."""

    id: UUID = Field(description="Of the message.", examples=[AN_ID])
    handoff: HandoffOut = Field(description="The hand-off, which the sender holds.")


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of hand-offs.

    Args:
        caller: says who asks, and raises unless they are of the business's team, or a program that
            may manage it.
    """
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter(prefix="/api/v1/handoffs", tags=["hand-offs"])

    @api.get(
        "",
        summary="List hand-offs",
        response_description="Some of the hand-offs.",
        responses=_problems(422),
    )
    async def list_handoffs(
        who: Who, state: State = None, limit: Limit = 50, cursor: Cursor = None
    ) -> HandoffPage:
        """Customers who asked for a person, the newest first."""
        before = None if cursor is None else HandoffId(cursor)
        async with db.tenant(who.tenant_id) as tx:
            found = await actions.list_handoffs(tx, state=state, limit=limit + 1, before=before)
        following = found[limit - 1].id if len(found) > limit else None
        return HandoffPage(
            items=[_handoff_out(one) for one in found[:limit]], next_cursor=following
        )

    @api.get(
        "/{handoff_id}",
        summary="See a hand-off",
        response_description="The hand-off.",
        responses=_problems(404, 422),
    )
    async def see_handoff(who: Who, handoff_id: HandoffInPath) -> HandoffOut:
        """One customer who asked for a person."""
        async with db.tenant(who.tenant_id) as tx:
            return _handoff_out(await actions.one(tx, HandoffId(handoff_id)))

    _add_changes(api, db, caller)
    return api


def _add_changes(api: APIRouter, db: Database, caller: Authenticate) -> None:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806

    @api.post(
        "/{handoff_id}/claim",
        summary="Claim a hand-off",
        response_description="The hand-off, which the sender holds.",
        responses=_problems(404, 409, 413, 422),
    )
    async def claim_handoff(
        who: Who, handoff_id: HandoffInPath, body: ClaimBody | None = None
    ) -> HandoffOut:
        """Take care of the customer: the assistant is silent from their next message on.

        By session only, because a customer talks to somebody who has a name.
        """
        person, take_over = _person(who), body is not None and body.take_over
        if take_over and not (who.role and covers(who.role, "admin")):
            raise Forbidden("role_missing", role="admin")
        async with db.tenant(who.tenant_id) as tx:
            claimed = await actions.claim(tx, HandoffId(handoff_id), by=person, take_over=take_over)
        return _handoff_out(claimed)

    @api.post(
        "/{handoff_id}/reply",
        status_code=201,
        summary="Reply to a customer",
        response_description="The message.",
        responses=_problems(404, 409, 413, 422),
    )
    async def reply_to_customer(who: Who, handoff_id: HandoffInPath, body: ReplyBody) -> ReplyOut:
        """Say something in the conversation; claims what nobody has claimed. By session only."""
        person, handoff = _person(who), HandoffId(handoff_id)
        async with db.tenant(who.tenant_id) as tx:
            message_id = await actions.reply(
                tx,
                handoff,
                by=person,
                text=body.text,
                message_key=body.message_id or str(uuid4()),
            )
            held = await actions.one(tx, handoff)
        return ReplyOut(id=message_id, handoff=_handoff_out(held))

    @api.post(
        "/{handoff_id}/close",
        summary="Close a hand-off",
        response_description="The hand-off, which is over.",
        responses=_problems(404, 422),
    )
    async def close_handoff(who: Who, handoff_id: HandoffInPath) -> HandoffOut:
        """It is taken care of: the assistant answers again. A second time changes nothing."""
        handoff = HandoffId(handoff_id)
        async with db.tenant(who.tenant_id) as tx:
            await actions.close(tx, handoff, by=who.user_id, actor=audit.actor_of(who))
            return _handoff_out(await actions.one(tx, handoff))


def _person(who: Caller) -> UserId:
    if who.user_id is None:
        raise Forbidden("handoff_needs_a_person")
    return who.user_id


def _handoff_out(handoff: Handoff) -> HandoffOut:
    return HandoffOut(
        id=handoff.id,
        state=handoff.state,
        conversation_id=handoff.conversation_id,
        conversation=handoff.conversation_external_id,
        reason=handoff.reason,
        email=handoff.email,
        phone=handoff.phone,
        note=handoff.note,
        identity=handoff.identity,
        identity_email=handoff.identity_email,
        last_message=handoff.last_message,
        opened_at=handoff.opened_at,
        mailed_at=handoff.mailed_at,
        claimed_at=handoff.claimed_at,
        claimed_by=handoff.claimed_by,
        claimed_by_name=handoff.claimed_by_name,
        closed_at=handoff.closed_at,
        closed_by=handoff.closed_by,
    )
