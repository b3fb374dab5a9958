"""Settings: the limits of this installation that hold for the business, and what it has used."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.conversations.model import Limits
from coccinelle.dashboard import store
from coccinelle.dashboard.pages import Pages
from coccinelle.evals.exam import store as exams
from coccinelle.evals.exam.model import MAX_EXAMS_A_DAY
from coccinelle.foundation.database import Database
from coccinelle.foundation.settings import Settings

LIMITS = "/dashboard/settings/limits"
MEGABYTE = 1024 * 1024


def routes(pages: Pages, db: Database, settings: Settings, limits: Limits) -> APIRouter:
    """What is true, for admins; no row of a business changes it, so nothing here is edited."""
    router = pages.router()

    @router.get(LIMITS)
    async def page(request: Request) -> Response:
        caller = await pages.signed_in(request, at_least="admin")
        async with db.tenant(caller.tenant_id) as tx:
            spent_microeur = await store.spent_today(tx)
            held, _ = await exams.held_lately(tx)
        counts = {
            "messages": limits.messages,
            "address_messages": limits.address_messages,
            "window_seconds": limits.window_seconds,
            "waiting": limits.waiting,
            "message_chars": settings.message_chars,
            "max_tokens": settings.llm_max_tokens,
            "crawl_pages": settings.crawl_pages,
            "upload_megabytes": settings.upload_body_bytes // MEGABYTE,
            "exams_held": held,
            "exams_most": MAX_EXAMS_A_DAY,
        }
        return pages.render(
            request, "settings/limits.html", **counts, spent_microeur=spent_microeur
        )

    return router
