"""Settings of the people of a business: members, their roles, and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard import business
from coccinelle.dashboard.pages import Form, Pages, checked, read_form, see_other
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, Invalid
from coccinelle.foundation.ids import UserId
from coccinelle.tenants.accounts import actions, store
from coccinelle.tenants.accounts.api import Reception
from coccinelle.tenants.accounts.api_model import InviteBody, MemberBody
from coccinelle.tenants.model import Caller

MEMBERS = "/dashboard/settings/members"
TEMPLATE = "settings/members.html"
SHOWN = 200


def routes(pages: Pages, db: Database, reception: Reception) -> APIRouter:
    """Who works for the business; to change it takes an admin."""
    router = pages.router()
    router.include_router(_member_routes(pages, db))
    router.include_router(_invitation_routes(pages, db, reception))
    return router


def _member_routes(pages: Pages, db: Database) -> APIRouter:
    router = pages.router()

    @router.get(MEMBERS)
    async def members(request: Request) -> Response:
        caller = await pages.signed_in(request)
        async with db.tenant(caller.tenant_id) as tx:
            people = await _people(tx)
        done = request.query_params.get("done", "")
        return pages.render(request, TEMPLATE, **people, form=Form([]), done=done, link=None)

    @router.post(f"{MEMBERS}/{{user_id}}")
    async def change(request: Request, user_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        form = await read_form(request)
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await _change(tx, caller, UserId(user_id), form)
        except CoccinelleError as error:
            async with db.tenant(caller.tenant_id) as tx:
                people = await _people(tx)
            return pages.refused(
                request, TEMPLATE, error, **people, form=Form([]), done="", link=None
            )
        if user_id == caller.user_id and form.get("do") == "remove":
            return see_other("/login?done=left")
        return see_other(f"{MEMBERS}?done=changed")

    return router


def _invitation_routes(pages: Pages, db: Database, reception: Reception) -> APIRouter:
    router = pages.router()

    @router.post(f"{MEMBERS}/invitations/new")
    async def invite(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        base_url = reception.base_url(request)
        try:
            body = checked(InviteBody, {name: form.get(name) for name in ("email", "role")})
            async with db.tenant(caller.tenant_id) as tx:
                invited = await actions.invite(
                    tx,
                    caller,
                    email=body.email,
                    role=body.role,
                    days=reception.rules.invitation_days,
                    base_url=base_url or reception.home(request),
                    is_mailed=reception.links.has_mail and bool(base_url),
                    locale=language_of(request),
                )
        except CoccinelleError as error:
            async with db.tenant(caller.tenant_id) as tx:
                people = await _people(tx)
            at = {"already_member": "email", "role_missing": "role"}
            return pages.refused(
                request, TEMPLATE, error, at=at, **people, form=form, done="", link=None
            )
        if invited.link is None:
            return see_other(f"{MEMBERS}?done=invited")
        async with db.tenant(caller.tenant_id) as tx:
            people = await _people(tx)
        return pages.render(
            request, TEMPLATE, status=201, **people, form=Form([]), done="", link=invited.link
        )

    @router.post(f"{MEMBERS}/invitations/{{invitation_id}}/withdraw")
    async def withdraw(request: Request, invitation_id: UUID) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            await actions.withdraw(tx, caller, invitation_id)
        return see_other(f"{MEMBERS}?done=withdrawn")

    return router


async def _change(tx: TenantTx, caller: Caller, user_id: UserId, form: Form) -> None:
    match form.get("do"):
        case "role":
            body = checked(MemberBody, {"role": form.get("role")})
            await actions.change_member(tx, caller, user_id, role=body.role, is_disabled=None)
        case "disable" | "enable" as wanted:
            is_disabled = wanted == "disable"
            await actions.change_member(tx, caller, user_id, role=None, is_disabled=is_disabled)
        case "remove":
            await actions.remove_member(tx, caller, user_id)
        case _:
            raise Invalid


async def _people(tx: TenantTx) -> dict[str, Any]:
    return {
        "members": await store.members(tx, limit=SHOWN, after=None),
        "invitations": await store.invitations(tx, limit=SHOWN, before=None),
        "zone": await business.zone(tx),
    }
