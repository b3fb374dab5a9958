"""Who changed what: one event, in the transaction of the change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import UserId, uuid7
from coccinelle.tenants.model import Caller

# What happens to be kept, as a past participle of what it happened to.
Action = Literal[
    "account.opened",
    "company.changed",
    "member.invited",
    "member.changed",
    "member.removed",
    "invitation.withdrawn",
    "invitation.accepted",
    "identity.linked",
    "identity.unlinked",
    "password.changed",
    "password.reset",
    "api_key.created",
    "api_key.revoked",
    "public_key.created",
    "public_key.changed",
    "public_key.revoked",
    "agent.created",
    "agent.published",
    "agent.discarded",
    "agent.retired",
    "agent.ordered",
    "number.withdrawn",
    "widget.changed",
    "handoff.claimed",
    "handoff.replied",
    "handoff.closed",
    "onboarding.started",
    "onboarding.business_saved",
    "onboarding.staff_saved",
    "onboarding.assistant_saved",
    "onboarding.knowledge_saved",
    "onboarding.site_read",
    "onboarding.exam_started",
    "onboarding.exam_answered",
    "onboarding.exam_dismissed",
    "onboarding.completed",
]


@dataclass(frozen=True)
class Actor:
    """Who does something: a user, a program by its key, or the operator at a terminal."""

    kind: Literal["user", "api_key", "operator"]
    id: UUID | None = None


@dataclass(frozen=True)
class Event:
    """Something that was changed. `actor_name` is None unless a member did it."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    action: str
    about: str | None
    details: dict[str, Any]


OPERATOR = Actor("operator")


def user(user_id: UserId) -> Actor:
    """Somebody who is logged in, or just signed up."""
    return Actor("user", user_id)


def actor_of(caller: Caller) -> Actor:
    """Who sends a request that may change something."""
    if caller.user_id is not None:
        return user(caller.user_id)
    return Actor("api_key", caller.key_id)


async def record(
    tx: TenantTx, actor: Actor, action: Action, *, about: UUID | str | None = None, **values: object
) -> None:
    """Keep that `actor` did `action`, if `tx` commits.

    Args:
        about: the id of what was changed.
        values: ids and words that are ours; never what people wrote, an address or a name.
    """
    await tx.run(
        "INSERT INTO audit_events (id, tenant_id, actor_kind, actor_id, action, about, details)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb)",
        [
            uuid7(),
            tx.tenant_id,
            actor.kind,
            actor.id,
            action,
            None if about is None else str(about),
            json.dumps(values, default=str),
        ],
    )


async def events(tx: TenantTx, *, limit: int, before: UUID | None = None) -> list[Event]:
    """What was changed, newest first, from the one before `before` on."""
    return await tx.all(
        Event,
        "SELECT e.id, e.at, e.actor_kind, e.actor_id, u.name AS actor_name, e.action, e.about,"
        " e.details FROM audit_events e"
        " LEFT JOIN users u ON e.actor_kind = 'user' AND u.id = e.actor_id"
        " WHERE e.tenant_id = %(tenant)s AND (%(before)s::uuid IS NULL OR e.id < %(before)s)"
        " ORDER BY e.id DESC LIMIT %(limit)s",
        {"tenant": tx.tenant_id, "before": before, "limit": limit},
    )
