"""What the panel asks when it opens: who speaks, what must be disclosed, how it looks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from coccinelle.channels.openapi import header
from coccinelle.channels.widget import store
from coccinelle.channels.widget.model import (
    Position,
    Shopfront,
    disclosure,
    greeting,
    link_hosts,
    reply_promise,
)
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.i18n import Locale, locale_of
from coccinelle.foundation.problems import documented
from coccinelle.foundation.web import vary_on
from coccinelle.tenants.callers import Callers

PATH = "/api/widget/config"
METHODS = "GET, OPTIONS"
CACHE_CONTROL = "public, max-age=300"
# All that decides whose configuration it is, and for whom: a shared cache never mixes two.
VARIES_ON = ("Origin", "Accept-Language", "X-Coccinelle-Key", "Authorization", "Cookie")

Language = Annotated[
    Literal["fr", "en"] | None,
    Query(description="Language of the texts; else Accept-Language decides.", examples=["fr"]),
]
Key = Annotated[
    str | None,
    Query(
        max_length=200,
        description="Public key of the business; else the host name says whose widget it is.",
        examples=["pk_3vX…"],
    ),
]


class SpokespersonOut(BaseModel):
    """The agent that the widget opens with."""

    key: str = Field(description="Key of the agent.", examples=["audrey"])
    name: str = Field(description="What customers call it.", examples=["Audrey"])


class ConfigOut(BaseModel):
    """What a widget shows before anybody wrote."""

    company: str = Field(description="Name of the business.", examples=["L'Agence des Copines"])
    language: Literal["fr", "en"] = Field(description="Language of the texts.", examples=["fr"])
    disclosure: str = Field(
        description="That an AI answers; to be shown before a first message can be sent.",
        examples=["Ici, c'est une intelligence artificielle qui vous répond…"],
    )
    greeting: str = Field(description="What the widget says first.", examples=["Bonjour !"])
    agent: SpokespersonOut | None = Field(
        description="The first agent; null when none is live.",
        examples=[{"key": "audrey", "name": "Audrey"}],
    )
    color: str | None = Field(
        description="Colour of the business, `#rrggbb`; null: the widget's own.",
        examples=["#b3261e"],
    )
    position: Position | None = Field(
        description="Side of the page; null: where a line ends.", examples=["right"]
    )
    reply_promise: str = Field(
        description="When a person answers who was asked for.",
        examples=["Une personne vous répond en général sous 2 heures."],
    )
    message_chars: int = Field(description="Longest message.", examples=[2000])
    link_hosts: list[str] = Field(
        description="Hosts that a link in an answer may lead to; others are shown as text.",
        examples=[["agence-des-copines.example"]],
    )


def routes(db: Database, callers: Callers, *, message_chars: int) -> APIRouter:
    """The configuration, for pages that may use the key or the host name."""
    router = APIRouter(tags=["widget"])

    async def config(request: Request, key: Key = None, lang: Language = None) -> Response:
        """How a widget of this business presents itself.

        The same for every visitor: it may be kept for five minutes.
        """
        vary_on(request.scope, *VARIES_ON)
        caller = await callers.of(request)
        async with db.tenant(caller.tenant_id) as tx:
            found = await store.shopfront(tx)
        if found is None:
            raise NotFound("tenant_not_found")
        language = lang or locale_of(request.headers.get("accept-language"), found.locale)
        body = msgspec.json.encode(_config(found, language, message_chars))
        headers = {"Cache-Control": CACHE_CONTROL}
        return Response(body, headers=headers, media_type="application/json")

    router.add_api_route(
        PATH,
        config,
        methods=["GET"],
        response_class=Response,
        response_model=None,
        operation_id="widget_config",
        responses={
            200: {"model": ConfigOut, "description": ConfigOut.__doc__},
            **documented(401, 403, 404, 422, 500, 503),
        },
        openapi_extra={"parameters": [header(*_ACCEPT_LANGUAGE)]},
    )
    preflight = callers.preflight(METHODS)
    router.add_api_route(PATH, preflight, methods=["OPTIONS"], include_in_schema=False)
    return router


_ACCEPT_LANGUAGE = ("Accept-Language", "Language of human texts: fr or en.", "fr")


def _config(found: Shopfront, language: Locale, message_chars: int) -> dict[str, Any]:
    settings, agent = found.settings, found.agent
    return {
        "company": found.company_name,
        "language": language,
        "disclosure": disclosure(found.company_name, language),
        "greeting": greeting(found, language),
        "agent": {"key": agent.key, "name": agent.name} if agent else None,
        "color": settings.color,
        "position": settings.position,
        "reply_promise": reply_promise(settings.reply_within_minutes, language),
        "message_chars": message_chars,
        "link_hosts": link_hosts(found),
    }
