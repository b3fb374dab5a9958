"""Chat v2: a message in, an answer out as JSON or as server-sent events, and what goes with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from coccinelle.channels.chat_v2_bodies import (
    MAX_ID_CHARS,
    ChatIn,
    ChatOut,
    FeedbackIn,
    FeedbackOut,
    HandoffIn,
    HandoffOut,
    HistoryOut,
    IdentityIn,
    IdentityOut,
    RateLimitOut,
    answer_of,
)
from coccinelle.channels.openapi import header, request_body
from coccinelle.channels.visitor import HEADER, Visitor, VisitorTokens
from coccinelle.channels.wire import (
    HEARTBEAT,
    HEARTBEAT_SECONDS,
    Answering,
    Bodies,
    EventStream,
    attended,
    beating,
    idempotency_key,
    parsed,
    read_json,
    sse,
)
from coccinelle.conversations import actions as conversations
from coccinelle.conversations import store
from coccinelle.conversations.model import HistoryItem, Limits, first_name
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import (
    AgentSelected,
    HandoffOpened,
    Inbound,
    TextDelta,
    TextReset,
    TurnEvent,
    TurnFailed,
    TurnFinished,
    TurnStarted,
)
from coccinelle.foundation.clock import rfc3339
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import FieldError, Invalid, NotFound, Unauthenticated
from coccinelle.foundation.ids import TurnId
from coccinelle.foundation.problems import documented, locale_of, problem_of, request_id_of
from coccinelle.foundation.web import add_header
from coccinelle.handoffs import actions as handoffs
from coccinelle.handoffs.model import Presence
from coccinelle.tenants import actions as tenants
from coccinelle.tenants.callers import Callers
from coccinelle.tenants.model import Caller

PREFIXES = ("/api", "/api/v2")
METHODS = "GET, POST, OPTIONS"
HANDOFF_REASON = "asked_for_a_person"

ClientId = Annotated[
    str,
    Path(min_length=1, max_length=MAX_ID_CHARS, description="The conversation.", examples=["c-7"]),
]
UserId = Annotated[
    str,
    Query(min_length=1, max_length=MAX_ID_CHARS, description="The customer.", examples=["u-42"]),
]
TurnPath = Annotated[
    UUID,
    Path(description="The answer.", examples=["0193a5c2-7b6a-7c3e-9f6e-2d1c0b9a8877"]),
]
Limit = Annotated[int, Query(ge=1, le=200, description="How many, at most.", examples=[50])]
Cursor = Annotated[
    str | None,
    Query(max_length=20, description="`next_cursor` of the page before.", examples=["50"]),
]
After = Annotated[
    int | None,
    Query(
        ge=0,
        le=2**31 - 1,
        description=(
            "Instead of `cursor`: only what was said after this `seq`. What comes while an answer"
            " is being written is given when that has ended, so that nothing is missed by asking"
            " after the last `seq` that was given."
        ),
        examples=[12],
    ),
]


class ChatV2:
    """The contract, over an engine.

    Args:
        tokens: signs what visitors show to read their conversation again.
        message_chars: longest message, after trimming.
        heartbeat_seconds: longest silence of a stream.
    """

    def __init__(
        self,
        engine: Answering,
        db: Database,
        callers: Callers,
        limits: Limits,
        *,
        tokens: VisitorTokens,
        message_chars: int = 2000,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ):
        self._engine = engine
        self._db = db
        self._callers = callers
        self._limits = limits
        self._bodies = Bodies(db, limits)
        self._tokens = tokens
        self._message_chars = message_chars
        self._heartbeat_seconds = heartbeat_seconds

    async def chat(self, request: Request) -> Response:
        """Say something, and get the answer of the right agent.

        With `Accept: text/event-stream` the answer arrives as it is written: `turn`, `agent`,
        `delta`, `reset`, `handoff`, then `done` (the JSON answer) or `error` (a problem).
        """
        caller = await self._callers.of(request)
        address = self._callers.address_of(request, caller)
        async with self._bodies.rejecting(caller.tenant_id, address):
            body = await self._message(request)
            key = body.message_id or idempotency_key(request)
        is_visitor = await self._is_visitor(request, caller, body, key)
        turn = await self._engine.start(
            Inbound(
                tenant_id=caller.tenant_id,
                channel="chat_v2",
                user_id=body.user_id,
                conversation_id=body.conversation_id,
                text=body.message,
                message_key=key,
                address=address,
            )
        )
        if is_visitor:
            self._give_token(request, self._visitor(request, caller, body))
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(self._stream(request, turn))
        return _json(answer_of(await attended(request, turn.result())))

    async def messages(
        self,
        request: Request,
        conversation_id: ClientId,
        user_id: UserId,
        limit: Limit = 50,
        cursor: Cursor = None,
        after: After = None,
    ) -> Response:
        """What was said in a conversation, oldest first, for a widget that reloads.

        With `after`, what is new, for a widget that listens for a person.
        """
        caller = await self._callers.of(request)
        visitor = self._known_visitor(request, caller, conversation_id)
        if visitor.user_id != user_id:
            raise Unauthenticated("visitor_token_invalid")
        async with self._db.tenant(caller.tenant_id) as tx:
            items = await conversations.read_history(
                tx,
                external_id=conversation_id,
                user_id=user_id,
                after_seq=_seq(cursor) if after is None else after,
                limit=limit + 1,
                only_settled=after is not None,
            )
            sources = await _sources(tx, items[:limit])
            if heard := [item.seq for item in items[:limit] if item.author == "person"]:
                await handoffs.see(tx, conversation_external_id=conversation_id, seq=heard[-1])
            presence = await handoffs.presence(tx, conversation_external_id=conversation_id)
        self._give_token(request, visitor)
        more = str(items[limit - 1].seq) if len(items) > limit else None
        shown = [_shown(item, sources) for item in items[:limit]]
        return _json({"items": shown, "next_cursor": more, **_handoff(presence)})

    async def handoff(self, request: Request, conversation_id: ClientId) -> Response:
        """Ask for a person; the open request is returned, with what is added to it."""
        caller = await self._callers.of(request)
        visitor = self._known_visitor(request, caller, conversation_id)
        address = self._callers.address_of(request, caller)
        async with self._bodies.rejecting(caller.tenant_id, address):
            value = await read_json(request) if await request.body() else {}
            body = parsed(value, HandoffIn)
            async with self._db.tenant(caller.tenant_id) as tx:
                found = await store.conversation_of(
                    tx, external_id=conversation_id, user_id=visitor.user_id
                )
                if found is None:
                    raise NotFound("conversation_not_found")
                handoff_id = await handoffs.open(
                    tx,
                    conversation_id=found,
                    reason=HANDOFF_REASON,
                    email=body.email,
                    phone=body.phone,
                    note=body.note,
                )
        self._give_token(request, visitor)
        opened = {"id": str(handoff_id), "conversation_id": conversation_id, "status": "open"}
        return _json(opened, 201)

    async def identity(self, request: Request, conversation_id: ClientId) -> Response:
        """Say who the visitor is, with the proof that the page's own server signed it.

        People who take care of the conversation see it. Only a page that uses a public key with an
        identity secret can.
        """
        caller = await self._callers.of(request)
        visitor = self._known_visitor(request, caller, conversation_id)
        address = self._callers.address_of(request, caller)
        async with self._bodies.rejecting(caller.tenant_id, address):
            body = parsed(await read_json(request), IdentityIn)
            async with self._db.tenant(caller.tenant_id) as tx:
                await tenants.check_identity(tx, caller, identity=body.id, proof=body.hmac)
                email = await conversations.identify(
                    tx,
                    external_id=conversation_id,
                    user_id=visitor.user_id,
                    identity=body.id,
                    email=body.email,
                )
        self._give_token(request, visitor)
        return _json({"id": body.id, "email": email})

    async def feedback(self, request: Request, turn_id: TurnPath) -> Response:
        """Say what an answer was worth; the last word counts."""
        caller = await self._callers.of(request)
        visitor = self._token(request, caller)
        address = self._callers.address_of(request, caller)
        async with self._bodies.rejecting(caller.tenant_id, address):
            body = parsed(await read_json(request), FeedbackIn)
        turn = TurnId(turn_id)
        async with self._db.tenant(caller.tenant_id) as tx:
            if await store.conversation_of_turn(tx, turn) != visitor.conversation_id:
                raise NotFound("turn_not_found")
            await conversations.give_feedback(
                tx, turn_id=turn, score=body.score, comment=body.comment
            )
        self._give_token(request, visitor)
        return _json({"turn_id": str(turn_id), "score": body.score, "comment": body.comment})

    async def rate_limit(self, request: Request, conversation_id: ClientId) -> Response:
        """How many messages the conversation and its customer may send now."""
        caller = await self._callers.of(request)
        async with self._db.tenant(caller.tenant_id) as tx:
            remaining = await conversations.remaining(
                tx, external_id=conversation_id, limits=self._limits
            )
        return _json(
            {
                "allowed": remaining > 0,
                "remaining": remaining,
                "limit": self._limits.messages,
                "window_seconds": self._limits.window_seconds,
            }
        )

    async def _message(self, request: Request) -> ChatIn:
        body = parsed(await read_json(request), ChatIn)
        if len(body.message) > self._message_chars:
            values = (("max_length", self._message_chars),)
            raise Invalid(errors=(FieldError("message", "too_long", values),))
        return body

    async def _is_visitor(
        self, request: Request, caller: Caller, body: ChatIn, key: str | None
    ) -> bool:
        """Whether the sender may have the conversation's token: who opens it, or shows its token.

        So may who sends a message again: its first answer, and the token with it, may have been
        lost on the way. To know the ids of a conversation is not enough to read it.

        Raises:
            Unauthenticated: a page that uses a public key goes on with a conversation of others.
        """
        if caller.is_program or self._shows_token(request, caller, body):
            return True
        async with self._db.tenant(caller.tenant_id) as tx:
            is_new = not await store.conversation_exists(tx, external_id=body.conversation_id)
            is_again = not is_new and await store.message_is_known(
                tx, external_id=body.conversation_id, user_id=body.user_id, message_key=key
            )
        if caller.via == "public_key" and not (is_new or is_again):
            shown = bool(request.headers.get(HEADER))
            raise Unauthenticated("visitor_token_invalid" if shown else "visitor_token_required")
        return is_new or is_again

    def _shows_token(self, request: Request, caller: Caller, body: ChatIn) -> bool:
        try:
            return self._token(request, caller) == self._visitor(request, caller, body)
        except Unauthenticated:
            return False

    def _visitor(self, request: Request, caller: Caller, body: ChatIn) -> Visitor:
        page = self._callers.page_of(request)
        return Visitor(caller.tenant_id, page, body.user_id, body.conversation_id)

    def _token(self, request: Request, caller: Caller) -> Visitor:
        page = self._callers.page_of(request)
        return self._tokens.read(
            request.headers.get(HEADER), tenant_id=caller.tenant_id, origin=page
        )

    def _known_visitor(self, request: Request, caller: Caller, conversation_id: str) -> Visitor:
        visitor = self._token(request, caller)
        if visitor.conversation_id != conversation_id:
            raise Unauthenticated("visitor_token_invalid")
        return visitor

    def _give_token(self, request: Request, visitor: Visitor) -> None:
        add_header(request.scope, HEADER, self._tokens.mint(visitor))

    async def _stream(self, request: Request, turn: LiveTurn) -> AsyncGenerator[bytes, None]:
        after = _last_event(request)
        async for numbered in beating(turn.events(after), seconds=self._heartbeat_seconds):
            yield HEARTBEAT if numbered is None else _event(request, *numbered)


def routes(
    engine: Answering,
    db: Database,
    callers: Callers,
    limits: Limits,
    *,
    tokens: VisitorTokens,
    message_chars: int = 2000,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> APIRouter:
    """Every route of the contract, under `/api` and `/api/v2`."""
    chat = ChatV2(
        engine,
        db,
        callers,
        limits,
        tokens=tokens,
        message_chars=message_chars,
        heartbeat_seconds=heartbeat_seconds,
    )
    router = APIRouter(tags=["chat v2"])
    said = request_body(ChatIn)
    said["content"]["application/json"]["schema"]["properties"]["message"]["maxLength"] = (
        message_chars
    )
    for prefix in PREFIXES:
        conversation = prefix + "/conversations/{conversation_id:path}"
        for path, endpoint, answer, body in (
            (prefix + "/chat", chat.chat, ChatOut, said),
            (conversation + "/messages", chat.messages, HistoryOut, None),
            (
                conversation + "/handoff",
                chat.handoff,
                HandoffOut,
                request_body(HandoffIn, is_required=False),
            ),
            (conversation + "/identity", chat.identity, IdentityOut, _IDENTITY),
            (prefix + "/turns/{turn_id}/feedback", chat.feedback, FeedbackOut, _FEEDBACK),
            (prefix + "/rate-limit/{conversation_id:path}", chat.rate_limit, RateLimitOut, None),
        ):
            _add(router, path, endpoint, answer=answer, body=body)
            preflight = callers.preflight(METHODS)
            router.add_api_route(path, preflight, methods=["OPTIONS"], include_in_schema=False)
    return router


def _add(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Any],
    *,
    answer: type[BaseModel],
    body: dict[str, Any] | None,
) -> None:
    status = 201 if answer is HandoffOut else 200
    refused = (409, 413, 429) if body else ()
    router.add_api_route(
        path,
        endpoint,
        methods=["POST" if body else "GET"],
        status_code=status,
        response_class=Response,
        response_model=None,
        operation_id=f"{endpoint.__name__}_at_{path.split('/')[2]}",
        responses={
            status: _described(answer),
            **documented(*sorted({401, 403, 404, 422, 500, 503, *refused})),
        },
        openapi_extra=({"requestBody": body} if body else {}) | {"parameters": _headers(answer)},
    )


_FEEDBACK = request_body(FeedbackIn)
_IDENTITY = request_body(IdentityIn)


def _described(answer: type[BaseModel]) -> dict[str, Any]:
    described: dict[str, Any] = {"model": answer, "description": answer.__doc__}
    if answer is not RateLimitOut:
        described["headers"] = {
            HEADER: {
                "description": "Token of this visitor for this conversation; keep the last one.",
                "schema": {"type": "string", "examples": ["WyIwMTkz….aRk"]},
            }
        }
    if answer is ChatOut:
        described["content"] = {"text/event-stream": {"schema": _EVENTS}}
    return described


_EVENTS = {
    "type": "string",
    "description": "Server-sent events; each has an id, and JSON as data.",
    "examples": ['id: 3\nevent: delta\ndata: {"text": "Commencez par…"}\n\n'],
}


def _headers(answer: type[BaseModel]) -> list[dict[str, Any]]:
    """The headers that a route reads, for OpenAPI."""
    read = [
        ("X-Coccinelle-Key", "Public key of the business.", "pk_3vX…"),
        ("Accept-Language", "Language of human texts: fr or en.", "fr"),
    ]
    if answer is not RateLimitOut:
        read.append((HEADER, "The visitor token of an earlier answer.", "WyIwMTkz….aRk"))
    if answer is ChatOut:
        read.append(("Last-Event-ID", "Go on with a stream after this event.", "3"))
        read.append(("Idempotency-Key", "Instead of `message_id`.", "8f1c2a64"))
    return [header(*described) for described in read]


def _event(request: Request, number: int, event: TurnEvent) -> bytes:
    match event:
        case TurnStarted(turn_id):
            return sse("turn", {"turn_id": str(turn_id)}, number=number)
        case AgentSelected(agent, name, confidence):
            data = {"agent": agent, "name": name, "confidence": round(confidence, 4)}
            return sse("agent", data, number=number)
        case TextDelta(text):
            return sse("delta", {"text": text}, number=number)
        case TextReset():
            return sse("reset", {}, number=number)
        case HandoffOpened(reason):
            return sse("handoff", {"reason": reason}, number=number)
        case TurnFinished(result):
            return sse("done", answer_of(result), number=number)
        case TurnFailed(_, error):
            problem = problem_of(
                error, locale=locale_of(request.scope), request_id=request_id_of(request.scope)
            )
            return sse("error", problem.body(), number=number)


def _last_event(request: Request) -> int:
    value = request.headers.get("last-event-id", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0


def _seq(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise Invalid(errors=(FieldError("cursor", "bad_cursor"),))
    return int(cursor)


Sources = dict[TurnId, list[dict[str, Any]]]


async def _sources(tx: TenantTx, items: Sequence[HistoryItem]) -> Sources:
    turns = [item.turn_id for item in items if item.turn_id and item.author == "agent"]
    found: Sources = {}
    for row in await store.sources_of_turns(tx, turns):
        source = {"title": row["title"], "url": row["url"], "score": round(row["score"], 4)}
        shown = found.setdefault(row["turn_id"], [])
        if all((s["title"], s["url"]) != (row["title"], row["url"]) for s in shown):
            shown.append(source)
    return found


def _shown(item: HistoryItem, sources: Sources) -> dict[str, Any]:
    is_answer = item.author == "agent" and item.turn_id is not None
    return {
        "id": str(item.id),
        "seq": item.seq,
        "author": item.author,
        "text": item.text,
        "timestamp": rfc3339(item.created_at),
        "turn_id": str(item.turn_id) if item.turn_id else None,
        "agent": item.agent,
        "name": first_name(item.name) if item.name and item.author == "person" else item.name,
        "outcome": item.outcome,
        "feedback": item.feedback,
        "sources": sources.get(item.turn_id, []) if is_answer and item.turn_id else [],
    }


def _handoff(presence: Presence | None) -> dict[str, Any]:
    name = presence.name if presence else None
    return {
        "handoff": presence is not None,
        "handoff_state": presence.state if presence else None,
        "person": first_name(name) if name else None,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
