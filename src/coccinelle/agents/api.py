"""Agents over HTTP, under /api/v1: who answers, what is being written, what was published."""

# Annotations are read while routes are made, with the names of their closure: no postponing here.
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from coccinelle.agents import actions
from coccinelle.agents.api_model import (
    MAX_REVISION,
    AgentOut,
    AgentPage,
    DraftBody,
    NewAgentBody,
    OrderBody,
    SeenBody,
    VersionPage,
    agent_out,
    version_out,
)
from coccinelle.agents.publishing import Publishing
from coccinelle.agents.sectors import sector_of
from coccinelle.agents.types import configured, rewritten
from coccinelle.foundation.database import Database, TenantTx
from coccinelle.foundation.errors import NotFound
from coccinelle.foundation.lists import Cursor, Limit
from coccinelle.foundation.problems import managed
from coccinelle.tenants import store as tenants
from coccinelle.tenants.audit import actor_of
from coccinelle.tenants.model import Caller, Tenant

Authenticate = Callable[[Request], Awaitable[Caller]]
KeyInPath = Annotated[str, Path(max_length=63, description="Key of the agent.", examples=["leyna"])]
NumberInPath = Annotated[
    int, Path(ge=1, le=MAX_REVISION, description="Number of the version.", examples=[1])
]
SeenRevision = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_REVISION,
        description="Of the agent as it was read; absent: whatever there is.",
        examples=[3],
    ),
]
_problems = partial(
    managed,
    said={
        404: "The business has no agent of this key (`agent_not_found`), or the agent no version of"
        " this number (`agent_version_not_found`).",
        409: "Somebody changed the agent since it was read (`agent_changed`); it has no draft"
        " (`agent_no_draft`); nobody else would answer (`last_agent`); there are as many agents as"
        " there may be (`too_many_agents`).",
        413: "The request is too large; `code` says which limit.",
    },
)


def routes(db: Database, caller: Authenticate, publishing: Publishing) -> APIRouter:
    """The routes of agents.

    Args:
        caller: says who asks, and raises unless they may manage the business.
    """
    api = APIRouter(prefix="/api/v1", tags=["agents"])
    api.include_router(_reading_routes(db, caller))
    api.include_router(_draft_routes(db, caller))
    api.include_router(_publishing_routes(caller, publishing))
    return api


def _reading_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.get(
        "/agents",
        summary="List agents",
        response_description="Some of the agents.",
        responses=_problems(422),
    )
    async def list_agents(who: Who, limit: Limit = 50, cursor: Cursor = None) -> AgentPage:
        """In their order, also those that were never published and those that were retired."""
        async with db.tenant(who.tenant_id) as tx:
            found = await actions.managed(tx)
        first = 1 + next((n for n, agent in enumerate(found) if agent.id == cursor), -1)
        items = [agent_out(one) for one in found[first : first + limit]]
        is_last = first + limit >= len(found)
        return AgentPage(items=items, next_cursor=None if is_last else items[-1].id)

    @api.get(
        "/agents/{key}",
        summary="Read an agent",
        response_description="The agent.",
        responses=_problems(404, 422),
    )
    async def read_agent(who: Who, key: KeyInPath) -> AgentOut:
        """What answers, and the draft with what differs."""
        async with db.tenant(who.tenant_id) as tx:
            return agent_out(await actions.one(tx, key))

    @api.get(
        "/agents/{key}/versions",
        summary="List the versions of an agent",
        response_description="Some of its versions.",
        responses=_problems(404, 422),
    )
    async def list_versions(
        who: Who,
        key: KeyInPath,
        limit: Limit = 50,
        cursor: Annotated[
            int | None,
            Query(
                ge=1,
                le=MAX_REVISION,
                description="`next_cursor` of the answer before.",
                examples=[2],
            ),
        ] = None,
    ) -> VersionPage:
        """What was published, newest first; it never changes."""
        async with db.tenant(who.tenant_id) as tx:
            found = await actions.versions(tx, key, limit=limit + 1, before=cursor)
        items = [version_out(one) for one in found[:limit]]
        more = len(found) > limit
        return VersionPage(items=items, next_cursor=items[-1].number if more else None)

    return api


def _draft_routes(db: Database, caller: Authenticate) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.post(
        "/agents",
        status_code=201,
        summary="Create an agent",
        response_description="The agent, as a draft.",
        responses=_problems(409, 413, 422),
    )
    async def create_agent(who: Who, body: NewAgentBody) -> AgentOut:
        """No customer meets it until its draft is published. Its key is made of its name."""
        async with db.tenant(who.tenant_id) as tx:
            tenant = await _tenant(tx)
            draft = configured(
                body.type,
                body.language or ("en" if tenant.locale == "en" else "fr"),
                name=body.name,
                company=tenant.company_name,
                sector=sector_of(tenant.sector),
            )
            return agent_out(await actions.create_draft(tx, actor_of(who), draft))

    @api.patch(
        "/agents/{key}",
        summary="Write the draft of an agent",
        response_description="The agent with its draft.",
        responses=_problems(404, 409, 413, 422),
    )
    async def write_draft(who: Who, key: KeyInPath, body: DraftBody) -> AgentOut:
        """What answers stays as it is. A draft that says the same as that is none."""
        async with db.tenant(who.tenant_id) as tx:
            tenant = await _tenant(tx)
            before = (await actions.one(tx, key)).written
            draft = rewritten(
                before,
                body.changes,
                company=tenant.company_name,
                sector=sector_of(tenant.sector),
            )
            written = await actions.save_draft(
                tx, actor_of(who), key, draft, revision=body.revision
            )
        return agent_out(written)

    @api.delete(
        "/agents/{key}/draft",
        status_code=204,
        response_class=Response,
        summary="Drop the draft of an agent",
        response_description="There is none.",
        responses=_problems(404, 409, 422),
    )
    async def drop_draft(who: Who, key: KeyInPath, revision: SeenRevision = None) -> None:
        """An agent that was never published goes with it."""
        async with db.tenant(who.tenant_id) as tx:
            await actions.discard_draft(tx, actor_of(who), key, revision=revision)

    return api


def _publishing_routes(caller: Authenticate, publishing: Publishing) -> APIRouter:
    Who = Annotated[Caller, Depends(caller)]  # noqa: N806
    api = APIRouter()

    @api.put(
        "/agents",
        summary="Put agents in order",
        response_description="All agents, in their order.",
        responses=_problems(404, 413, 422),
    )
    async def order_agents(who: Who, body: OrderBody) -> AgentPage:
        """The first one greets, and answers what is nobody's speciality."""
        found = await publishing.order(who.tenant_id, actor_of(who), body.keys)
        return AgentPage(items=[agent_out(one) for one in found], next_cursor=None)

    @api.post(
        "/agents/{key}/publish",
        summary="Publish the draft of an agent",
        response_description="The agent, whose draft is its live version.",
        responses=_problems(404, 409, 413, 422),
    )
    async def publish_draft(who: Who, key: KeyInPath, body: SeenBody | None = None) -> AgentOut:
        """It answers from now on, as the next version, which never changes."""
        seen = body.revision if body else None
        published = await publishing.publish(who.tenant_id, actor_of(who), key, revision=seen)
        return agent_out(published)

    @api.post(
        "/agents/{key}/retire",
        summary="Retire an agent",
        response_description="The agent, which answers no longer.",
        responses=_problems(404, 409, 413, 422),
    )
    async def retire_agent(who: Who, key: KeyInPath, body: SeenBody | None = None) -> AgentOut:
        """What it said and its versions stay; publishing one of them lets it answer again."""
        seen = body.revision if body else None
        retired = await publishing.retire(who.tenant_id, actor_of(who), key, revision=seen)
        return agent_out(retired)

    @api.post(
        "/agents/{key}/versions/{number}/publish",
        summary="Restore a version of an agent",
        response_description="The agent, which says what that version said.",
        responses=_problems(404, 409, 413, 422),
    )
    async def restore_version(
        who: Who, key: KeyInPath, number: NumberInPath, body: SeenBody | None = None
    ) -> AgentOut:
        """Its content is published anew, as the next version: what happened stays as it was."""
        seen = body.revision if body else None
        restored = await publishing.restore(
            who.tenant_id, actor_of(who), key, number, revision=seen
        )
        return agent_out(restored)

    return api


async def _tenant(tx: TenantTx) -> Tenant:
    found = await tenants.tenant(tx)
    if found is None:
        raise NotFound
    return found
