"""The v1 webhook: a frozen contract, error shapes included, of clients that exist.

Its ids are those of chat v2, so that a conversation goes on whichever contract carries it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from coccinelle.channels.chat_v2_bodies import MAX_ID_CHARS
from coccinelle.channels.openapi import request_body
from coccinelle.channels.wire import Answering, Bodies, attended, read_json
from coccinelle.conversations.model import Limits
from coccinelle.engine.model import Inbound, TurnResult
from coccinelle.foundation import clock
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid, Unavailable
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.problems import Problem
from coccinelle.tenants.callers import Callers

PATH = "/webhook/chat"
PREFIX = "/webhook/"
METHODS = "POST, OPTIONS"
HEADERS = "Content-Type"
RETRY_AFTER_SECONDS = 60
TOO_MANY = "Trop de messages envoyés. Attendez quelques instants."
SERVICE_ERROR = "Désolée, je rencontre un petit souci technique. Réessaie dans un instant !"

_MISSING = "v1_missing_fields"
_REFUSED = {
    _MISSING: ("Missing required fields", "VALIDATION_ERROR"),
    "v1_empty_message": ("Empty message", "INVALID_MESSAGE"),
    "v1_message_too_long": ("Message too long", "MESSAGE_TOO_LONG"),
}
_TYPES = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
}


class WebhookIn(BaseModel):
    """A customer's message. All four are required."""

    conversation_id: str = Field(
        alias="conversationId",
        max_length=MAX_ID_CHARS,
        description="The conversation, by any id that the widget made up.",
        examples=["conv-1730635200000"],
    )
    user_id: str = Field(
        alias="userId",
        max_length=MAX_ID_CHARS,
        description="The customer, by any id that the widget made up.",
        examples=["user-7"],
    )
    message: str = Field(
        description="What the customer says; trimmed, 1 to 2,000 characters.",
        examples=["Aide-moi à créer un reel viral sur Instagram"],
    )
    timestamp: str = Field(
        description="When it was sent; not compared with any clock.",
        examples=["2026-11-03T12:00:00.000Z"],
    )


class WebhookOut(BaseModel):
    """The answer."""

    response: str = Field(description="The answer's text.", examples=["Commence par…"])
    agentType: Literal["creation", "automation"] = Field(  # noqa: N815  (the contract's name)
        description="Kind of agent that answers.", examples=["creation"]
    )
    conversationId: str = Field(  # noqa: N815
        description="As it was sent.", examples=["conv-1730635200000"]
    )
    timestamp: datetime = Field(
        description="When the answer was complete.", examples=["2026-11-03T12:00:02.114Z"]
    )
    loopDetected: bool = Field(  # noqa: N815
        description="The customer says the same thing again.", examples=[False]
    )


class WebhookErrorOut(BaseModel):
    """A refusal, in the shape of this contract."""

    error: str = Field(description="What happened.", examples=["Empty message"])
    type: str = Field(description="Kind of refusal.", examples=["INVALID_MESSAGE"])
    code: str | None = Field(
        None, description="Only of a SERVICE_ERROR.", examples=["SERVICE_ERROR"]
    )
    timestamp: datetime = Field(description="When.", examples=["2026-11-03T12:00:02.114Z"])


def routes(
    engine: Answering,
    db: Database,
    callers: Callers,
    limits: Limits,
    *,
    message_chars: int = 2000,
) -> APIRouter:
    """The one route of the contract."""
    router = APIRouter(tags=["webhook v1"])
    bodies = Bodies(db, limits)

    async def webhook(request: Request) -> Response:
        """Say something, and get the answer of the right agent."""
        caller = await callers.of(request)
        address = callers.address_of(request, caller)
        async with bodies.rejecting(caller.tenant_id, address):
            body = _read(await read_json(request), message_chars)
        turn = await engine.start(_inbound(caller.tenant_id, body, address))
        result = await attended(request, turn.result())
        if not (result.text or result.notice):
            # It was interrupted before its first word, and this contract cannot say so.
            raise Unavailable("answer_failed")
        return _json(_answer(result))

    router.add_api_route(
        PATH,
        webhook,
        methods=["POST"],
        operation_id="webhook_v1_chat",
        response_class=Response,
        response_model=None,
        responses={200: {"model": WebhookOut, "description": "The answer."}, **_refusals()},
        openapi_extra={"requestBody": request_body(WebhookIn)},
    )
    preflight = callers.preflight(METHODS, HEADERS)
    router.add_api_route(PATH, preflight, methods=["OPTIONS"], include_in_schema=False)
    return router


def error_response(problem: Problem) -> Response:
    """A refusal in the shape of this contract."""
    now = clock.rfc3339(clock.now())
    if problem.status == 422:
        error, kind = _REFUSED.get(problem.code, _REFUSED[_MISSING])
        return _json({"error": error, "type": kind, "timestamp": now}, 400)
    if problem.status == 429:
        response = _json({"error": TOO_MANY, "type": "RATE_LIMIT", "timestamp": now}, 429)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    if problem.status >= 500:
        body = {"error": SERVICE_ERROR, "type": "SERVICE_ERROR", "code": "SERVICE_ERROR"}
        return _json({**body, "timestamp": now}, problem.status)
    kind = _TYPES.get(problem.status, "ERROR")
    return _json({"error": problem.detail, "type": kind, "timestamp": now}, problem.status)


def message_key(body: WebhookIn) -> str:
    """The same for a message that is sent again: (conversation, timestamp, message)."""
    parts = [body.conversation_id, body.timestamp, body.message]
    return "v1:" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _read(value: object, message_chars: int) -> WebhookIn:
    names = [field.alias or name for name, field in WebhookIn.model_fields.items()]
    if not isinstance(value, dict) or not all(isinstance(value.get(n), str) for n in names):
        raise Invalid(_MISSING)
    body = WebhookIn.model_construct(
        conversation_id=value["conversationId"],
        user_id=value["userId"],
        message=value["message"].strip(),
        timestamp=value["timestamp"],
    )
    if not body.message:
        raise Invalid("v1_empty_message")
    lengths = (len(body.conversation_id), len(body.user_id))
    if not all(1 <= length <= MAX_ID_CHARS for length in lengths) or not body.timestamp:
        raise Invalid(_MISSING)
    if len(body.message) > message_chars:
        raise Invalid("v1_message_too_long")
    return body


def _inbound(tenant_id: TenantId, body: WebhookIn, address: str | None) -> Inbound:
    return Inbound(
        tenant_id=tenant_id,
        channel="webhook_v1",
        user_id=body.user_id,
        conversation_id=body.conversation_id,
        text=body.message,
        message_key=message_key(body),
        address=address,
    )


def _answer(result: TurnResult) -> dict[str, Any]:
    return {
        "response": result.text or result.notice,
        "agentType": result.legacy_type or "creation",
        "conversationId": result.conversation_id,
        "timestamp": clock.rfc3339(result.finished_at),
        "loopDetected": result.loop_detected,
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _refusals() -> dict[int | str, dict[str, Any]]:
    told = {
        400: "A field is missing, of a wrong type, empty or too long.",
        401: "Nothing says which business it is for.",
        403: "The page's origin is not allowed.",
        404: "The conversation is another user's.",
        409: "The same message is being answered.",
        413: "The body is too large.",
        429: "Too many messages.",
        500: "Something went wrong.",
        503: "Something that is needed is down.",
    }
    return {
        status: {"model": WebhookErrorOut, "description": description}
        for status, description in told.items()
    }
