"""The inbox: customers who want a person, claimed, answered live, closed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from coccinelle.conversations import reading
from coccinelle.conversations.reading import Line
from coccinelle.dashboard import business, inbox_store
from coccinelle.dashboard import conversation_views as views
from coccinelle.dashboard.pages import Form, Pages, read_form, see_other, user_of
from coccinelle.dashboard.translation import language_of
from coccinelle.foundation.clock import now
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import CoccinelleError, Forbidden
from coccinelle.foundation.ids import HandoffId
from coccinelle.handoffs import actions
from coccinelle.handoffs.model import MAX_REPLY_CHARS, Handoff, HandoffState
from coccinelle.tenants.model import Caller, covers

INBOX = "/dashboard/inbox"
ONE = "inbox/one.html"
NEWS = "inbox/_news.html"
HANDOFFS_A_PAGE = 50
LINES_SHOWN = 100
MAX_LATE = 20
MAX_KEY_CHARS = 64


@dataclass(frozen=True)
class Seen:
    """What a page shows already: lines up to one, but for answers that were late, and a state."""

    after_seq: int
    late: tuple[int, ...]
    state: str


def routes(pages: Pages, db: Database) -> APIRouter:
    """The list of hand-offs, each of them, and what is done to it; for every member."""
    router = pages.router()
    _add_reading(router, pages, db)
    _add_changes(router, pages, db)
    return router


def _add_reading(router: APIRouter, pages: Pages, db: Database) -> None:
    @router.get(INBOX)
    async def inbox(request: Request) -> Response:
        caller = await pages.signed_in(request)
        wanted = request.query_params.get("state", "open")
        before = _handoff_id(request.query_params.get("before"))
        state: HandoffState = wanted if wanted in get_args(HandoffState) else "open"  # type: ignore[assignment]
        async with db.tenant(caller.tenant_id) as tx:
            counts = await inbox_store.counts(tx)
            found = await actions.list_handoffs(
                tx,
                state=state,
                limit=HANDOFFS_A_PAGE + 1,
                before=before,
            )
            visitors = await inbox_store.visitors(tx, [one.conversation_id for one in found])
            clock = await business.zone(tx)
        return pages.render(
            request,
            "inbox/list.html",
            state=state,
            counts=counts,
            before=before,
            found=found[:HANDOFFS_A_PAGE],
            visitors=visitors,
            more=found[HANDOFFS_A_PAGE - 1].id if len(found) > HANDOFFS_A_PAGE else None,
            now=now(),
            moment=views.moments(language_of(request), clock),
        )

    @router.get(f"{INBOX}/{{handoff_id}}")
    async def handoff(request: Request, handoff_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        seen = _seen(request.query_params) if "hx-request" in request.headers else None
        async with db.tenant(caller.tenant_id) as tx:
            shown = await _shown(tx, request, caller, HandoffId(handoff_id), seen)
        if seen is None:
            return pages.render(request, ONE, **shown, form=Form([]), key=uuid4().hex)
        if not shown["lines"] and not shown["is_changed"]:
            return Response(status_code=204)
        return pages.render(request, NEWS, **shown, form=Form([]), key=uuid4().hex, is_sent=False)


def _add_changes(router: APIRouter, pages: Pages, db: Database) -> None:
    @router.post(f"{INBOX}/{{handoff_id}}/claim")
    async def claim(request: Request, handoff_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        wanted, form = HandoffId(handoff_id), await read_form(request)
        take_over = form.get("do") == "take_over"
        if take_over and not (caller.role and covers(caller.role, "admin")):
            raise Forbidden("role_missing", role="admin")
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await actions.claim(tx, wanted, by=user_of(caller), take_over=take_over)
        except CoccinelleError as error:
            return await _refused(pages, db, request, caller, wanted, error, Form([]))
        return see_other(f"{INBOX}/{handoff_id}")

    @router.post(f"{INBOX}/{{handoff_id}}/reply")
    async def reply(request: Request, handoff_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        wanted, form = HandoffId(handoff_id), await read_form(request)
        key = form.get("message_key", "")[:MAX_KEY_CHARS] or uuid4().hex
        try:
            async with db.tenant(caller.tenant_id) as tx:
                await actions.reply(
                    tx, wanted, by=user_of(caller), text=form.get("text", ""), message_key=key
                )
        except CoccinelleError as error:
            return await _refused(pages, db, request, caller, wanted, error, form)
        seen = _seen(form) if "hx-request" in request.headers else None
        if seen is None:
            return see_other(f"{INBOX}/{handoff_id}#reply")
        async with db.tenant(caller.tenant_id) as tx:
            shown = await _shown(tx, request, caller, wanted, seen)
        return pages.render(request, NEWS, **shown, form=Form([]), key=uuid4().hex, is_sent=True)

    @router.post(f"{INBOX}/{{handoff_id}}/close")
    async def close(request: Request, handoff_id: UUID) -> Response:
        caller = await pages.signed_in(request)
        async with db.tenant(caller.tenant_id) as tx:
            await actions.close(tx, HandoffId(handoff_id), by=user_of(caller))
        return see_other(f"{INBOX}/{handoff_id}")


async def _refused(
    pages: Pages,
    db: Database,
    request: Request,
    caller: Caller,
    handoff_id: HandoffId,
    error: CoccinelleError,
    form: Form,
) -> Response:
    """The page again, or for htmx what of it has changed, with what she wrote."""
    seen = _seen(form) if "hx-request" in request.headers else None
    async with db.tenant(caller.tenant_id) as tx:
        shown = await _shown(tx, request, caller, handoff_id, seen)
    key = form.get("message_key", "")[:MAX_KEY_CHARS] or uuid4().hex
    if error.code == "message_id_reused":
        key = uuid4().hex
    name = ONE if seen is None else NEWS
    return pages.refused(request, name, error, **shown, form=form, key=key, is_sent=True)


async def _shown(
    tx: TenantTx, request: Request, caller: Caller, handoff_id: HandoffId, seen: Seen | None
) -> dict[str, Any]:
    """A hand-off, what was said, or what of it is not seen yet, and what she may do."""
    found = await actions.one(tx, handoff_id)
    late = await reading.awaited(tx, found.conversation_id)
    said = await _lines(tx, found, seen)
    shown_seqs = {line.seq for line in said}
    state = f"{found.state}:{found.claimed_by or ''}"
    clock = await business.zone(tx)
    after = max([line.seq for line in said] + [seen.after_seq if seen else 0])
    return {
        "handoff": found,
        "visitors": await inbox_store.visitors(tx, [found.conversation_id]),
        "lines": said,
        "is_older": seen is None and len(said) == LINES_SHOWN,
        "is_changed": seen is None or seen.state != state,
        "after": after,
        "late": [seq for seq in late if seq not in shown_seqs and seq < after],
        "seen_state": state,
        "is_mine": found.state == "claimed" and found.claimed_by == caller.user_id,
        "is_free": found.state == "open",
        "closed_by_name": await inbox_store.name_of(tx, found.closed_by),
        "dialled": re.sub(r"[^+0-9]", "", found.phone or ""),
        "max_chars": MAX_REPLY_CHARS,
        "now": now(),
        "zone": clock,
        "moment": views.moments(language_of(request), clock),
    }


async def _lines(tx: TenantTx, found: Handoff, seen: Seen | None) -> list[Line]:
    if seen is None:
        return await reading.lines_before(
            tx, found.conversation_id, before_seq=None, limit=LINES_SHOWN
        )
    return await reading.lines_after(
        tx,
        found.conversation_id,
        after_seq=seen.after_seq,
        late=seen.late,
        limit=LINES_SHOWN,
    )


def _seen(values: Mapping[str, str]) -> Seen | None:
    """What the page says that it shows; None where it says nothing of the kind."""
    after, late = values.get("after", ""), values.get("late", "")
    if not _is_seq(after):
        return None
    places = [int(one) for one in late.split(",")[:MAX_LATE] if _is_seq(one)]
    return Seen(int(after), tuple(places), values.get("seen", "")[:100])


def _is_seq(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) < 10


def _handoff_id(written: str | None) -> HandoffId | None:
    try:
        return HandoffId(UUID(written)) if written else None
    except ValueError:
        return None
