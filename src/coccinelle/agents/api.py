"""Agents over HTTP, under /api/v1: who answers, as the live versions say."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from coccinelle.agents import store
from coccinelle.agents.model import Agent, AgentType, Setting
from coccinelle.agents.store import LiveVersion
from coccinelle.foundation.database import Database
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import documented
from coccinelle.tenants.model import Caller

Authenticate = Callable[[Request], Awaitable[Caller]]
AN_ID = "019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e21"
_PROBLEMS = {
    401: "Nothing in the request says which business it is for (`unauthenticated`).",
    403: "The credential has no scope `manage` (`scope_missing`).",
    422: "Something in the request cannot be accepted; `errors` names the fields.",
    500: "Something went wrong on our side; `request_id` names it (`internal`).",
    503: "The database does not answer; `Retry-After` says when to ask again.",
}


class VoiceOut(BaseModel):
    """How an agent sounds."""

    provider: str = Field(description="Of speech.", examples=["default"])
    voice_id: str = Field(description="As the provider calls it.", examples=["female"])
    language: str = Field(description="What it speaks.", examples=["fr-FR"])
    settings: dict[str, Setting] = Field(
        description="The provider's own.", examples=[{"speed": 1.1}]
    )


class VersionOut(BaseModel):
    """A version of an agent, as it was published."""

    number: int = Field(description="The first one is 1.", examples=[2])
    name: str = Field(description="What customers call it.", examples=["Leyna"])
    type: AgentType = Field(description="What it is for.", examples=["multi_purpose"])
    description: str = Field(
        description="What the orchestrator reads.",
        examples=["Leyna répond à toutes les questions."],
    )
    persona: str = Field(description="What it is to be and do.", examples=["Tu t'appelles Leyna."])
    greeting: str = Field(
        description="What it says first.", examples=["Garage Dupont, bonjour ! Je suis Leyna."]
    )
    fallback_message: str = Field(
        description="What it says without an answer.", examples=["Je n'ai pas cette information."]
    )
    language: str = Field(description="What it writes.", examples=["fr"])
    examples: list[str] = Field(
        description="Questions that it is for.", examples=[["Quels sont vos horaires ?"]]
    )
    keywords: list[str] = Field(description="Words that it is for.", examples=[["horaires"]])
    voice: VoiceOut = Field(description="How it sounds.")
    enable_appointments: bool = Field(
        description="Whether it may book appointments.", examples=[False]
    )
    enable_products: bool = Field(
        description="Whether it may look into the catalogue.", examples=[False]
    )
    published_at: datetime = Field(
        description="Since when it answers.", examples=["2026-11-03T12:05:00Z"]
    )


class AgentOut(BaseModel):
    """An agent."""

    id: UUID = Field(description="Of the agent.", examples=[AN_ID])
    key: str = Field(description="Its name for programs; it never changes.", examples=["leyna"])
    name: str = Field(description="What customers call it.", examples=["Leyna"])
    position: int = Field(description="Its place among the agents, from 0.", examples=[0])
    live_version: VersionOut = Field(description="The version that answers.")


class AgentPage(BaseModel):
    """Some of the agents."""

    items: list[AgentOut] = Field(description="In their order.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.", examples=[AN_ID]
    )


def routes(db: Database, caller: Authenticate) -> APIRouter:
    """The routes of agents.

    Args:
        caller: says who asks, and raises unless they may manage the business.
    """
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter(prefix="/api/v1", tags=["agents"])

    @api.get(
        "/agents",
        summary="List agents",
        response_description="Some of the agents.",
        responses=_problems(422),
    )
    async def list_agents(who: Who, limit: Limit = 50, cursor: Cursor = None) -> AgentPage:
        """Those that answer, in their order, each with the version that answers now."""
        async with db.tenant(who.tenant_id) as tx:
            live = await store.live_agents(tx)
            versions = await store.live_versions(tx)
        first = 1 + next((n for n, agent in enumerate(live) if agent.id == cursor), -1)
        return _page(live[first:], limit, versions)

    return api


def _page(live: Sequence[Agent], limit: int, versions: dict[Any, LiveVersion]) -> AgentPage:
    items = [_agent_out(one, versions[one.version_id]) for one in live[:limit]]
    return AgentPage(items=items, next_cursor=items[-1].id if len(live) > limit else None)


def _agent_out(agent: Agent, version: LiveVersion) -> AgentOut:
    said, voice = agent.configuration, agent.configuration.voice
    return AgentOut(
        id=agent.id,
        key=agent.key,
        name=agent.name,
        position=agent.position,
        live_version=VersionOut(
            number=version.number,
            name=said.name,
            type=said.type,
            description=said.description,
            persona=said.persona,
            greeting=said.greeting,
            fallback_message=said.fallback_message,
            language=said.language,
            examples=list(said.examples),
            keywords=list(said.keywords),
            voice=VoiceOut(
                provider=voice.provider,
                voice_id=voice.id,
                language=voice.language,
                settings=dict(voice.settings),
            ),
            enable_appointments=said.enable_appointments,
            enable_products=said.enable_products,
            published_at=version.published_at,
        ),
    )


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route may answer, and `statuses`, as RFC 9457 problems."""
    return documented(*sorted({401, 403, 500, 503, *statuses}), said=_PROBLEMS)
