"""The home page of a business: what was said today, what waits for its people, and what is left."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard import store
from coccinelle.dashboard.navigation import HOME
from coccinelle.dashboard.pages import Pages, see_other
from coccinelle.foundation.database import Database
from coccinelle.onboarding import store as onboarding
from coccinelle.onboarding.model import STEPS, Step
from coccinelle.tenants import store as tenants

Item = Step | Literal["widget"]
ITEMS: tuple[Item, ...] = (*STEPS, "widget")


def routes(pages: Pages, db: Database) -> APIRouter:
    """The home page."""
    router = pages.router()

    @router.get("/")
    async def door() -> Response:
        """Whoever types the bare address wants these pages."""
        return see_other(HOME)

    @router.get(HOME)
    async def home(request: Request) -> Response:
        caller = await pages.signed_in(request)
        async with db.tenant(caller.tenant_id) as tx:
            today, needs = await store.today(tx), await store.needs(tx)
            done: list[Item] = [*await onboarding.done(tx)]
            if await tenants.public_keys(tx, limit=1, before=None):
                done.append("widget")
        left = [item for item in ITEMS if item not in done]
        return pages.render(
            request, "home.html", today=today, needs=needs, items=ITEMS, done=done, left=left
        )

    return router
