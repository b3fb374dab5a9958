"""The home page of a business: what was said today, what waits for her, and what is left to do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.dashboard.pages import HOME, Pages
from coccinelle.foundation.database import Database


def routes(pages: Pages, db: Database) -> APIRouter:
    """The home page."""
    router = pages.router()

    @router.get(HOME)
    async def home(request: Request) -> Response:
        await pages.signed_in(request)
        return pages.render(request, "home.html")

    return router
