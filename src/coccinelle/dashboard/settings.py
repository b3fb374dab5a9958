"""Settings: the business, one's own account and devices, and who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard.onboarding_store import latest_onboarding
from coccinelle.dashboard.pages import (
    LOGIN,
    Form,
    Pages,
    checked,
    read_form,
    see_other,
    user_of,
)
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, NotFound
from coccinelle.foundation.ids import SessionId
from coccinelle.onboarding import actions as onboarding
from coccinelle.onboarding.model import web_address
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import audit
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import actions as accounts
from coccinelle.tenants.accounts.api import Reception
from coccinelle.tenants.accounts.api_model import ChangeBody
from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.model import Caller, Tenant

SETTINGS = "/dashboard/settings"
COMPANY = f"{SETTINGS}/company"
ACCOUNT = f"{SETTINGS}/account"
AUDIT = f"{SETTINGS}/audit"
EVENTS_A_PAGE = 50
# What onboarding asks: its own action changes it, since what the assistant says follows.
ASKED = ("company_name", "phone", "website")
FACTS = (*ASKED, "email", "address", "handoff_email", "locale")


def routes(pages: Pages, db: Database, entrance: Entrance, reception: Reception) -> APIRouter:
    """Settings of the business and of one's own account."""
    router = pages.router()
    router.include_router(_company(pages, db))
    router.include_router(_account(pages, db, entrance, reception))
    router.include_router(_sessions(pages, db))
    return router


def _company(pages: Pages, db: Database) -> APIRouter:
    router = pages.router()

    @router.get(SETTINGS)
    async def index(request: Request) -> Response:
        await pages.signed_in(request)
        return pages.render(request, "settings/index.html")

    @router.get(COMPANY)
    async def company(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            known = await _tenant(tx)
        form = Form([(fact, getattr(known, fact) or "") for fact in FACTS])
        done = request.query_params.get("done")
        return pages.render(request, "settings/company.html", form=form, done=done)

    @router.post(COMPANY)
    async def save_company(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await _save(tx, caller, {fact: form.get(fact, "") for fact in FACTS})
        except CoccinelleError as error:
            name = "settings/company.html"
            return pages.refused(request, name, error, form=form, done="")
        return see_other(f"{COMPANY}?done=saved")

    @router.get(AUDIT)
    async def events(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            found = await audit.events(
                tx, limit=EVENTS_A_PAGE + 1, before=_cursor(request.query_params.get("before"))
            )
            zone = (await _tenant(tx)).timezone
        older = found[EVENTS_A_PAGE - 1].id if len(found) > EVENTS_A_PAGE else None
        return pages.render(
            request, "settings/audit.html", events=found[:EVENTS_A_PAGE], older=older, zone=zone
        )

    return router


def _account(pages: Pages, db: Database, entrance: Entrance, reception: Reception) -> APIRouter:
    router = pages.router()
    idle_days = reception.rules.session_idle_days

    @router.get(ACCOUNT)
    async def account(request: Request) -> Response:
        caller = await pages.signed_in(request)
        return pages.render(
            request,
            "settings/account.html",
            **await _devices(db, caller, idle_days=idle_days),
            done=request.query_params.get("done"),
        )

    @router.post(f"{ACCOUNT}/password")
    async def change_password(request: Request) -> Response:
        caller = await pages.signed_in(request)
        form = await read_form(request)
        try:
            given = {name: form.get(name, "") for name in ("current_password", "password")}
            body = checked(ChangeBody, given)
            opened = await entrance.change_password(
                caller,
                current=body.current_password,
                password=body.password,
                device=reception.device(request),
            )
        except CoccinelleError as error:
            return pages.refused(
                request,
                "settings/account.html",
                error,
                at={"password_wrong": "current_password"},
                form=form,
                **await _devices(db, caller, idle_days=idle_days),
                done="",
            )
        response = see_other(f"{ACCOUNT}?done=password")
        reception.seated(request, response, opened)
        return response

    return router


def _sessions(pages: Pages, db: Database) -> APIRouter:
    router = pages.router()

    @router.post(f"{ACCOUNT}/sessions/others/end")
    async def end_others(request: Request) -> Response:
        caller = await pages.signed_in(request)
        await accounts.end_other_sessions(db, user_of(caller), but=caller.session_id)
        return see_other(f"{ACCOUNT}?done=ended")

    @router.post(f"{ACCOUNT}/sessions/{{session_id}}/end")
    async def end_session(request: Request, session_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        await accounts.end_session(db, user_of(caller), SessionId(session_id))
        is_own = session_id == caller.session_id
        return see_other(f"{LOGIN}?done=left" if is_own else f"{ACCOUNT}?done=ended")

    return router


async def _save(tx: TenantTx, caller: Caller, facts: Mapping[str, str]) -> None:
    """Change the business; the assistant's own words follow where onboarding wrote them."""
    before = await _tenant(tx)
    actor = audit.actor_of(caller)
    asked = {fact: facts[fact] for fact in ASKED}
    asked["website"] = web_address(asked["website"])
    others = {fact: facts[fact] for fact in FACTS if fact not in ASKED}
    others["locale"] = "en" if facts["locale"] == "en" else "fr"
    session = await latest_onboarding(tx)
    await tenants.update(tx, **(others if session else asked | others))
    if session is not None:
        await onboarding.save_business(tx, actor, session.id, sector=before.sector, facts=asked)
    after = await _tenant(tx)
    changed = [fact for fact in FACTS if getattr(before, fact) != getattr(after, fact)]
    if changed:
        await audit.record(tx, actor, "company.changed", about=tx.tenant_id, facts=changed)


async def _devices(db: Database, caller: Caller, *, idle_days: int) -> dict[str, Any]:
    sessions = await accounts.sessions(db, user_of(caller), idle_days=idle_days)
    async with db.tenant(caller.tenant_id) as tx:
        zone = (await _tenant(tx)).timezone
    return {"sessions": sessions, "current": caller.session_id, "zone": zone}


async def _tenant(tx: TenantTx) -> Tenant:
    found = await tenants_store.tenant(tx)
    if found is None:
        raise NotFound
    return found


def _cursor(written: str | None) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        return None
