"""Settings of keys: those of sites, which are public, and those of programs, which are secret."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard import business
from coccinelle.dashboard.pages import Form, Pages, checked, read_form, see_other
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import CoccinelleError
from coccinelle.tenants import store as tenants_store
from coccinelle.tenants.accounts import actions
from coccinelle.tenants.accounts.api_model import ApiKeyBody, PublicKeyBody
from coccinelle.tenants.model import Caller

KEYS = "/dashboard/settings/keys"
TEMPLATE = "settings/keys.html"
SHOWN = 200


def routes(pages: Pages, db: Database) -> APIRouter:
    """The keys of a business; a secret is shown once, on the page that answers its making."""
    router = pages.router()
    router.include_router(_making(pages, db))
    router.include_router(_revoking(pages, db))
    return router


def _making(pages: Pages, db: Database) -> APIRouter:
    router = pages.router()

    @router.get(KEYS)
    async def keys(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        done = request.query_params.get("done", "")
        return pages.render(request, TEMPLATE, **await _shown(db, caller) | {"done": done})

    @router.post(f"{KEYS}/api")
    async def create_api_key(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            given = {"name": form.get("name"), "scopes": form.all("scopes") or None}
            body = checked(ApiKeyBody, given)
            async with db.tenant(caller.tenant_id) as tx:
                made = await actions.create_api_key(tx, caller, name=body.name, scopes=body.scopes)
        except CoccinelleError as error:
            values = await _shown(db, caller, form=form, making="api")
            return pages.refused(request, TEMPLATE, error, **values)
        values = await _shown(db, caller, secret=made.secret)
        return pages.render(request, TEMPLATE, status=201, **values)

    @router.post(f"{KEYS}/public")
    async def create_public_key(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        form = await read_form(request)
        try:
            origins = form.get("origins", "").split()
            given = {"name": form.get("name"), "allowed_origins": origins}
            body = checked(PublicKeyBody, given)
            async with db.tenant(caller.tenant_id) as tx:
                await actions.create_public_key(
                    tx, caller, name=body.name, origins=body.allowed_origins
                )
        except CoccinelleError as error:
            values = await _shown(db, caller, form=form, making="public")
            return pages.refused(request, TEMPLATE, error, at={"bad_origin": "origins"}, **values)
        return see_other(f"{KEYS}?done=made")

    return router


def _revoking(pages: Pages, db: Database) -> APIRouter:
    router = pages.router()

    @router.post(f"{KEYS}/api/{{key_id}}/revoke")
    async def revoke_api_key(request: Request, key_id: UUID) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            await actions.revoke_api_key(tx, caller, key_id)
        return see_other(f"{KEYS}?done=revoked")

    @router.post(f"{KEYS}/public/{{key_id}}/revoke")
    async def revoke_public_key(request: Request, key_id: UUID) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            await actions.revoke_public_key(tx, caller, key_id)
        return see_other(f"{KEYS}?done=revoked")

    return router


async def _shown(
    db: Database,
    caller: Caller,
    *,
    form: Form | None = None,
    making: str = "",
    secret: str | None = None,
) -> dict[str, Any]:
    """What the page lists; `making` is the kind of key whose form was refused."""
    async with db.tenant(caller.tenant_id) as tx:
        return {
            "api_keys": await tenants_store.api_keys(tx, limit=SHOWN, before=None),
            "public_keys": await tenants_store.public_keys(tx, limit=SHOWN, before=None),
            "zone": await business.zone(tx),
            "form": form or Form([]),
            "making": making,
            "secret": secret,
            "done": "",
        }
