"""What a business's admins manage over HTTP, under /api/v1: members, keys, and who did what."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import UserId
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import actions, store
from coccinelle.tenants.accounts.api import problems
from coccinelle.tenants.accounts.api_model import (
    AN_ID,
    ApiKeyBody,
    ApiKeyPage,
    EventPage,
    MemberBody,
    MemberOut,
    MemberPage,
    NewApiKeyOut,
    PublicKeyBody,
    PublicKeyOut,
    PublicKeyPage,
    api_key_out,
    event_out,
    member_out,
    public_key_out,
)
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

UserInPath = Annotated[UUID, Path(description="The member.", examples=[AN_ID])]
KeyInPath = Annotated[UUID, Path(description="The key.", examples=[AN_ID])]


def routes(db: Database, callers: Callers) -> APIRouter:
    """Members, keys and the audit. By session only: a key makes no key."""
    api = APIRouter(prefix="/api/v1", tags=["accounts"])
    api.include_router(_member_routes(db, callers))
    api.include_router(_key_routes(db, callers))
    return api


def _member_routes(db: Database, callers: Callers) -> APIRouter:
    async def person(request: Request) -> Caller:
        return await callers.session_of(request)

    async def manager(request: Request) -> Caller:
        return await callers.session_of(request, at_least="admin")

    Anybody = Annotated[Caller, Depends(person)]  # noqa: N806
    Manager = Annotated[Caller, Depends(manager)]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/members",
        summary="List members",
        response_description="Some of the members.",
        responses=problems(403, 422),
    )
    async def list_members(who: Anybody, limit: Limit = 50, cursor: Cursor = None) -> MemberPage:
        """Everybody who works for the business, also those who are disabled."""
        after = None if cursor is None else UserId(cursor)
        async with db.tenant(who.tenant_id) as tx:
            found = await store.members(tx, limit=limit + 1, after=after)
        following = found[limit - 1].user_id if len(found) > limit else None
        return MemberPage(items=[member_out(one) for one in found[:limit]], next_cursor=following)

    @api.patch(
        "/members/{user_id}",
        summary="Change a member",
        response_description="The member as she is now.",
        responses=problems(403, 404, 409, 413, 422),
    )
    async def change_member(who: Manager, user_id: UserInPath, body: MemberBody) -> MemberOut:
        """Her role, or whether she may come in. What concerns an owner is an owner's to do.

        409 `last_owner` when nobody else owns the business.
        """
        async with db.tenant(who.tenant_id) as tx:
            member = await actions.change_member(
                tx, who, UserId(user_id), role=body.role, is_disabled=body.disabled
            )
        return member_out(member)

    @api.delete(
        "/members/{user_id}",
        status_code=204,
        summary="Remove a member",
        response_description="She is no member any more, and her sessions here have ended.",
        responses=problems(403, 404, 409, 422),
    )
    async def remove_member(who: Anybody, user_id: UserInPath) -> None:
        """Anybody may leave; to remove somebody else takes an admin, an owner takes an owner.

        409 `last_owner` when nobody else owns the business.
        """
        async with db.tenant(who.tenant_id) as tx:
            await actions.remove_member(tx, who, UserId(user_id))

    @api.get(
        "/audit",
        summary="See who did what",
        response_description="Some of the events.",
        responses=problems(403, 422),
    )
    async def list_events(who: Manager, limit: Limit = 50, cursor: Cursor = None) -> EventPage:
        """Every change of members, keys and settings, the newest first."""
        async with db.tenant(who.tenant_id) as tx:
            found = await audit.events(tx, limit=limit + 1, before=cursor)
        following = found[limit - 1].id if len(found) > limit else None
        return EventPage(items=[event_out(one) for one in found[:limit]], next_cursor=following)

    return api


def _key_routes(db: Database, callers: Callers) -> APIRouter:
    async def manager(request: Request) -> Caller:
        return await callers.session_of(request, at_least="admin")

    Who = Annotated[Caller, Depends(manager)]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/api-keys",
        summary="List keys of programs",
        response_description="Some of the keys.",
        responses=problems(403, 422),
    )
    async def list_api_keys(who: Who, limit: Limit = 50, cursor: Cursor = None) -> ApiKeyPage:
        """Without their secrets, which nobody knows any more."""
        async with db.tenant(who.tenant_id) as tx:
            found = await tenants_store.api_keys(tx, limit=limit + 1, before=cursor)
        following = found[limit - 1].id if len(found) > limit else None
        return ApiKeyPage(items=[api_key_out(one) for one in found[:limit]], next_cursor=following)

    @api.post(
        "/api-keys",
        status_code=201,
        summary="Make a key for a program",
        response_description="The key, with its secret.",
        responses=problems(403, 413, 422),
    )
    async def create_api_key(who: Who, body: ApiKeyBody) -> NewApiKeyOut:
        """Its secret is in this answer and nowhere else."""
        async with db.tenant(who.tenant_id) as tx:
            made = await actions.create_api_key(tx, who, name=body.name, scopes=body.scopes)
            key = await tenants_store.api_key(tx, made.id)
        return NewApiKeyOut(**api_key_out(key).model_dump(), secret=made.secret)

    @api.delete(
        "/api-keys/{key_id}",
        status_code=204,
        summary="Revoke a program's key",
        response_description="It proves nothing any more.",
        responses=problems(403, 404, 422),
    )
    async def revoke_api_key(who: Who, key_id: KeyInPath) -> None:
        """Within five seconds on every server. 404 `api_key_not_found`."""
        async with db.tenant(who.tenant_id) as tx:
            await actions.revoke_api_key(tx, who, key_id)

    @api.get(
        "/public-keys",
        summary="List keys of widgets",
        response_description="Some of the keys.",
        responses=problems(403, 422),
    )
    async def list_public_keys(who: Who, limit: Limit = 50, cursor: Cursor = None) -> PublicKeyPage:
        """With the sites that may use each."""
        async with db.tenant(who.tenant_id) as tx:
            found = await tenants_store.public_keys(tx, limit=limit + 1, before=cursor)
        following = found[limit - 1].id if len(found) > limit else None
        return PublicKeyPage(
            items=[public_key_out(one) for one in found[:limit]], next_cursor=following
        )

    @api.post(
        "/public-keys",
        status_code=201,
        summary="Make a key for a widget",
        response_description="The key.",
        responses=problems(403, 413, 422),
    )
    async def create_public_key(who: Who, body: PublicKeyBody) -> PublicKeyOut:
        """It names the business to the widget on the sites that are listed."""
        async with db.tenant(who.tenant_id) as tx:
            made = await actions.create_public_key(
                tx, who, name=body.name, origins=body.allowed_origins
            )
            return public_key_out(await tenants_store.public_key(tx, made.id))

    @api.delete(
        "/public-keys/{key_id}",
        status_code=204,
        summary="Revoke a widget's key",
        response_description="It proves nothing any more.",
        responses=problems(403, 404, 422),
    )
    async def revoke_public_key(who: Who, key_id: KeyInPath) -> None:
        """Within five seconds on every server. 404 `public_key_not_found`."""
        async with db.tenant(who.tenant_id) as tx:
            await actions.revoke_public_key(tx, who, key_id)

    return api
