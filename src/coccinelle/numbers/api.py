"""Phone numbers over HTTP, under /api/v1: which there are, what is known of each, one withdrawn."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import managed
from coccinelle.numbers import actions
from coccinelle.numbers.model import Channel, Number, written
from coccinelle.tenants import store as tenants
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e31"
NumberInPath = Annotated[UUID, Path(description="Of the number.", examples=[AN_ID])]
_problems = partial(
    managed,
    said={
        404: "The business has no such number (`number_not_found`).",
    },
)


class NumberOut(BaseModel):
    """A phone number. Declared, verified and active are three different facts."""

    id: UUID = Field(description="Of it.", examples=[AN_ID])
    e164: str = Field(description="In E.164.", examples=["+33199001234"])
    written: str = Field(description="As people write it.", examples=["01 99 00 12 34"])
    channel: Channel = Field(description="What comes in on it.", examples=["voice"])
    agent: str | None = Field(
        description="Key of the agent that it reaches; none: the business.", examples=["leyna"]
    )
    verified: bool = Field(
        description="Whether it is proven to be the business's.", examples=[False]
    )
    active: bool = Field(description="Whether the assistant answers on it.", examples=[False])
    declared_at: datetime = Field(
        description="When the owner declared it.", examples=["2026-11-03T12:05:00Z"]
    )
    verified_at: datetime | None = Field(
        description="When it was proven.", examples=["2026-11-03T12:06:00Z"]
    )
    active_since: datetime | None = Field(
        description="Since when the assistant answers.", examples=["2026-11-03T12:07:00Z"]
    )


class NumberPage(BaseModel):
    """Some of the numbers."""

    items: list[NumberOut] = Field(description="The oldest first.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.", examples=[AN_ID]
    )


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of phone numbers.

    Args:
        caller: says who asks, and raises unless they may manage the business.
    """
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter(prefix="/api/v1", tags=["numbers"])

    @api.get(
        "/numbers",
        summary="List phone numbers",
        response_description="Some of the numbers.",
        responses=_problems(422),
    )
    async def list_numbers(who: Who, limit: Limit = 50, cursor: Cursor = None) -> NumberPage:
        """A declared number is not verified, and a verified one is not answered yet."""
        async with db.tenant(who.tenant_id) as tx:
            tenant = await tenants.tenant(tx)
            found, following = await actions.listed(tx, limit=limit, after=cursor)
        if tenant is None:
            raise NotFound
        items = [_number_out(one, timezone=tenant.timezone) for one in found]
        return NumberPage(items=items, next_cursor=following)

    @api.delete(
        "/numbers/{number_id}",
        status_code=204,
        summary="Withdraw a phone number",
        response_description="It is the business's no longer.",
        responses=_problems(404, 422),
    )
    async def withdraw_number(who: Who, number_id: NumberInPath) -> None:
        """The assistant answers on it no longer, and whoever has it may declare it."""
        async with db.tenant(who.tenant_id) as tx:
            await actions.withdraw(tx, who, number_id)

    return api


def _number_out(number: Number, *, timezone: str) -> NumberOut:
    return NumberOut(
        id=number.id,
        e164=number.e164,
        written=written(number.e164, timezone=timezone),
        channel=number.channel,
        agent=number.agent,
        verified=number.verified_at is not None,
        active=number.active_since is not None,
        declared_at=number.declared_at,
        verified_at=number.verified_at,
        active_since=number.active_since,
    )
