"""Figures of a period: what was asked and what came of it, how fast, what it cost, by whom."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from coccinelle.dashboard.pages import Form, Pages, checked
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.days import WrittenDay
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import TenantId
from coccinelle.insights import reading
from coccinelle.insights.model import (
    DEFAULT_DAYS,
    MOST_DAYS,
    USUAL_DAYS,
    Day,
    Figures,
    Period,
    Volume,
    Wanted,
)

INSIGHTS = "/dashboard/insights"
AGENTS = f"{INSIGHTS}/agents"
_FIELDS = ("days", "from", "to")


class Choice(BaseModel):
    """The days that a reader asks for."""

    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = DEFAULT_DAYS
    first: WrittenDay | None = Field(None, alias="from")
    last: WrittenDay | None = Field(None, alias="to")

    @property
    def wanted(self) -> Wanted:
        """As the room knows it: two days win over a number of them."""
        return Wanted(self.days, self.first, self.last)


def routes(pages: Pages, db: Database) -> APIRouter:
    """The figures of all agents with their charts, and those of each agent."""
    router = pages.router()

    @router.get(INSIGHTS)
    async def insights(request: Request) -> Response:
        caller = await pages.signed_in(request)
        form, name = _form(request), "insights/index.html"
        try:
            async with db.tenant(caller.tenant_id) as tx:
                chosen = await _chosen(tx, form)
        except Invalid as error:
            return pages.refused(request, name, error, **_asked(form, None), found=None)
        found, days, before = await _read(db, caller.tenant_id, chosen)
        return pages.render(
            request, name, **_asked(form, chosen), found=found, days=days, before=before
        )

    @router.get(AGENTS)
    async def agents(request: Request) -> Response:
        caller = await pages.signed_in(request)
        form, name = _form(request), "insights/agents.html"
        try:
            async with db.tenant(caller.tenant_id) as tx:
                chosen = await _chosen(tx, form)
                found = await reading.by_agent(tx, chosen)
        except Invalid as error:
            return pages.refused(request, name, error, **_asked(form, None), found=None)
        return pages.render(request, name, **_asked(form, chosen), found=found)

    return router


async def _read(
    db: Database, tenant_id: TenantId, chosen: Period
) -> tuple[Figures, list[Day], Volume]:
    """The period, its days, and the period before it; two at once, since each is of many rows."""

    async def figures() -> Figures:
        async with db.tenant(tenant_id) as tx:
            return await reading.figures(tx, chosen, with_latency=False)

    async def around() -> tuple[list[Day], Volume]:
        async with db.tenant(tenant_id) as tx:
            days = await reading.series(tx, chosen, with_latency=False)
            return days, await reading.volume(tx, chosen.before(), with_latency=False)

    found, (days, before) = await asyncio.gather(figures(), around())
    return found, days, before


def _form(request: Request) -> Form:
    return Form([(name, request.query_params.get(name, "")) for name in _FIELDS])


async def _chosen(tx: TenantTx, form: Form) -> Period:
    """Raises `Invalid`: what stands in the address is no period."""
    return await reading.period(tx, checked(Choice, form).wanted)


def _asked(form: Form, chosen: Period | None) -> dict[str, Any]:
    """What the choice of days shows, and the same choice in an address."""
    has_two_days = bool(form["from"] or form["to"])
    length = None if chosen is None or has_two_days else chosen.length_days
    query = {name: value for name, value in form.items() if value}
    return {
        "form": form,
        "chosen": chosen,
        "length": length,
        "usual": USUAL_DAYS,
        "query": f"?{urlencode(query)}" if query else "",
    }
