"""Settings: the business, one's own account and devices, and who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard import business
from coccinelle.dashboard.accounts import BUSINESSES
from coccinelle.dashboard.onboarding_store import latest_onboarding
from coccinelle.dashboard.onboarding_views import zones_of
from coccinelle.dashboard.pages import (
    LOGIN,
    Form,
    Pages,
    checked,
    local_path,
    read_form,
    see_other,
    user_of,
)
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.foundation.ids import SessionId
from coccinelle.numbers.model import phone_of
from coccinelle.onboarding import actions as onboarding
from coccinelle.onboarding.model import check_timezone, web_address
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import audit
from coccinelle.tenants.accounts import actions as accounts
from coccinelle.tenants.accounts import federation
from coccinelle.tenants.accounts.api import Reception
from coccinelle.tenants.accounts.api_model import ChangeBody, SwitchBody
from coccinelle.tenants.accounts.entrance import Entrance
from coccinelle.tenants.model import Caller

SETTINGS = "/dashboard/settings"
COMPANY = f"{SETTINGS}/company"
ACCOUNT = f"{SETTINGS}/account"
AUDIT = f"{SETTINGS}/audit"
EVENTS_A_PAGE = 50
# What onboarding asks: its own action changes it, since what the assistant says follows.
ASKED = ("company_name", "phone", "website")
FACTS = (*ASKED, "email", "address", "handoff_email", "locale", "timezone")


def routes(
    pages: Pages,
    db: Database,
    entrance: Entrance,
    reception: Reception,
    *,
    issuer: str | None = None,
) -> APIRouter:
    """Settings of the business and of one's own account.

    Args:
        issuer: what people call the issuer by which they may come in.
    """
    router = pages.router()
    router.include_router(_company(pages, db))
    router.include_router(_account(pages, db, entrance, reception, issuer))
    router.include_router(_sessions(pages, db))
    router.include_router(_businesses(pages, entrance, reception))
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
            known = await business.tenant(tx)
        form = Form([(fact, getattr(known, fact) or "") for fact in FACTS])
        form["phone"] = phone_of(known) or ""
        done = request.query_params.get("done")
        zones = zones_of(known.timezone, language_of(request))
        return pages.render(request, "settings/company.html", form=form, zones=zones, done=done)

    @router.post(COMPANY)
    async def save_company(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await _save(tx, caller, {fact: form.get(fact, "") for fact in FACTS})
        except CoccinelleError as error:
            name = "settings/company.html"
            zones = zones_of(None, language_of(request))
            return pages.refused(request, name, error, form=form, zones=zones, done="")
        return see_other(f"{COMPANY}?done=saved")

    @router.get(AUDIT)
    async def events(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            found = await audit.events(
                tx, limit=EVENTS_A_PAGE + 1, before=_cursor(request.query_params.get("before"))
            )
            zone = await business.zone(tx)
        older = found[EVENTS_A_PAGE - 1].id if len(found) > EVENTS_A_PAGE else None
        return pages.render(
            request, "settings/audit.html", events=found[:EVENTS_A_PAGE], older=older, zone=zone
        )

    return router


def _account(
    pages: Pages, db: Database, entrance: Entrance, reception: Reception, issuer: str | None
) -> APIRouter:
    router = pages.router()
    idle_days = reception.rules.session_idle_days

    async def shown(caller: Caller) -> dict[str, Any]:
        identities, has_password = await federation.linked(db, user_of(caller))
        devices = await _devices(db, caller, idle_days=idle_days)
        return devices | {
            "identities": identities,
            "has_password": has_password,
            "issuer": issuer,
        }

    @router.get(ACCOUNT)
    async def account(request: Request) -> Response:
        caller = await pages.signed_in(request)
        return pages.render(
            request,
            "settings/account.html",
            **await shown(caller),
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
                **await shown(caller),
                done="",
            )
        response = see_other(f"{ACCOUNT}?done=password")
        await reception.seated(request, response, opened)
        return response

    @router.post(f"{ACCOUNT}/identities/{{identity_id}}/unlink")
    async def unlink(request: Request, identity_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await federation.unlink(tx, caller, user_of(caller), identity_id)
        except federation.LastWayIn as error:
            return pages.refused(
                request, "settings/account.html", error, **await shown(caller), done=""
            )
        return see_other(f"{ACCOUNT}?done=unlinked")

    return router


def _businesses(pages: Pages, entrance: Entrance, reception: Reception) -> APIRouter:
    router = pages.router()

    @router.get(BUSINESSES)
    async def businesses(request: Request) -> Response:
        await pages.signed_in(request)
        path = local_path(request.query_params.get("next"))
        return pages.render(request, "settings/businesses.html", next=path)

    @router.post(BUSINESSES)
    async def switch(request: Request) -> Response:
        caller = await pages.signed_in(request)
        form = await read_form(request)
        path = local_path(form.get("next"))
        try:
            body = checked(SwitchBody, {"tenant": form.get("tenant")})
            opened = await entrance.switch(
                caller, tenant=body.tenant, device=reception.device(request)
            )
        except CoccinelleError as error:
            return pages.refused(request, "settings/businesses.html", error, next=path)
        response = see_other(path)
        await reception.seated(request, response, opened)
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
    before = await business.tenant(tx)
    actor = audit.actor_of(caller)
    asked = {fact: facts[fact] for fact in ASKED}
    asked["website"] = web_address(asked["website"])
    if asked["phone"] == phone_of(before) or "":
        asked["phone"] = before.phone or ""
    if facts["timezone"]:
        check_timezone(facts["timezone"])
        asked["timezone"] = facts["timezone"]
    others = {fact: facts[fact] for fact in FACTS if fact not in (*ASKED, "timezone")}
    others["locale"] = "en" if facts["locale"] == "en" else "fr"
    session = await latest_onboarding(tx)
    await tenants.update(tx, **(others if session else asked | others))
    if session is not None:
        await onboarding.save_business(tx, actor, session.id, sector=before.sector, facts=asked)
    after = await business.tenant(tx)
    changed = [fact for fact in FACTS if getattr(before, fact) != getattr(after, fact)]
    if changed:
        await audit.record(tx, actor, "company.changed", about=tx.tenant_id, facts=changed)


async def _devices(db: Database, caller: Caller, *, idle_days: int) -> dict[str, Any]:
    sessions = await accounts.sessions(db, user_of(caller), idle_days=idle_days)
    async with db.tenant(caller.tenant_id) as tx:
        zone = await business.zone(tx)
    return {"sessions": sessions, "current": caller.session_id, "zone": zone}


def _cursor(written: str | None) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        return None
