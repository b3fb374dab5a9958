"""What is done to an agent: created, written, published, restored, retired, put in order.

Every change takes the agent's row first and gives it a new revision, so that two people who change
one agent do so one after the other, and the second one is told. What was published stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from coccinelle.agents import store
from coccinelle.agents.files import WrittenAgent
from coccinelle.agents.model import (
    MAX_AGENTS,
    Configuration,
    Draft,
    Managed,
    Version,
    key_of,
)
from coccinelle.agents.store import AgentRow, VersionRow
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.errors import Conflict, NotFound
from coccinelle.foundation.ids import AgentId, AgentVersionId, uuid7
from coccinelle.tenants import audit
from coccinelle.tenants.audit import OPERATOR, Actor

Recognised = tuple[str, bytes]
"""What recognises a version: an embedding model, and the vectors that it made."""


class AgentNotFound(NotFound):
    """The tenant has no agent of this key."""

    default_code = "agent_not_found"


class VersionNotFound(NotFound):
    """The agent has no version of this number."""

    default_code = "agent_version_not_found"


class AgentChanged(Conflict):
    """Somebody else changed the agent since it was read."""

    default_code = "agent_changed"


class NoDraft(Conflict):
    """The agent has no draft to publish."""

    default_code = "agent_no_draft"


class LastAgent(Conflict):
    """Nobody else would answer the customers."""

    default_code = "last_agent"


class TooManyAgents(Conflict):
    """The tenant has as many agents as it may have."""

    default_code = "too_many_agents"


async def managed(tx: TenantTx) -> list[Managed]:
    """Every agent, live or not, in the tenant's order."""
    versions = await store.current(tx)
    return [_managed(row, versions) for row in await store.agents(tx)]


async def one(tx: TenantTx, key: str) -> Managed:
    """The agent of that key. Raises `AgentNotFound`."""
    row = next((row for row in await store.agents(tx) if row.key == key), None)
    if row is None:
        raise AgentNotFound
    return _managed(row, await store.current(tx, key=key))


async def versions(
    tx: TenantTx, key: str, *, limit: int, before: int | None = None
) -> list[Version]:
    """What was published of an agent, newest first. Raises `AgentNotFound`."""
    agent = await one(tx, key)
    found = await store.versions(tx, agent_id=agent.id, limit=limit, before=before)
    return [_version(row) for row in found]


async def create(
    tx: TenantTx,
    *,
    key: str,
    position: int,
    configuration: Configuration,
    actor: Actor = OPERATOR,
) -> AgentId:
    """A new agent with its first version, live at once. Raises `AgentKeyTaken`."""
    agent_id = AgentId(uuid7())
    await store.insert_agent(tx, agent_id=agent_id, key=key, position=position)
    await publish(tx, agent_id=agent_id, configuration=configuration, actor=actor)
    return agent_id


async def key_for(tx: TenantTx, name: str) -> str:
    """A key for an agent of this name that no agent of the tenant has, and that stays free until
    `tx` ends."""
    await store.one_at_a_time(tx)
    return key_of(name, taken=[row.key for row in await store.agents(tx)])


async def create_draft(tx: TenantTx, actor: Actor, configuration: Configuration) -> Managed:
    """A new agent that no customer meets until its draft is published, after all others.

    Raises:
        TooManyAgents: the tenant has 50.
    """
    key = await key_for(tx, configuration.name)
    known = await store.agents(tx)
    if len(known) >= MAX_AGENTS:
        raise TooManyAgents(most=MAX_AGENTS)
    position = 1 + max((row.position for row in known), default=-1)
    agent_id = AgentId(uuid7())
    await store.insert_agent(tx, agent_id=agent_id, key=key, position=position)
    await _write(tx, actor, agent_id, configuration, based_on=None)
    await audit.record(tx, actor, "agent.created", about=agent_id)
    return await one(tx, key)


async def save_draft(
    tx: TenantTx, actor: Actor, key: str, configuration: Configuration, *, revision: int | None
) -> Managed:
    """Write what the agent is to be; without a difference to what is live, there is no draft.

    Args:
        revision: of the agent as it was read; None writes over whatever there is.

    Raises:
        AgentNotFound
        AgentChanged: it is not of that revision any more; nothing is written.
    """
    agent = await _taken(tx, key, revision)
    base = agent.live or agent.latest
    if base is not None and base.configuration == configuration:
        if agent.draft is not None:
            await store.delete_draft(tx, agent_id=agent.id)
    elif agent.draft is None or agent.draft.configuration != configuration:
        number = base.number if base else None
        await _write(tx, actor, agent.id, configuration, based_on=number)
    return await one(tx, key)


async def discard_draft(
    tx: TenantTx, actor: Actor, key: str, *, revision: int | None
) -> Managed | None:
    """Forget the draft; an agent that was never published goes with it, and there is none.

    Raises:
        AgentNotFound, AgentChanged
    """
    agent = await _taken(tx, key, revision)
    if agent.state == "new":
        await store.delete_agent(tx, agent_id=agent.id)
        await audit.record(tx, actor, "agent.discarded", about=agent.id)
        return None
    await store.delete_draft(tx, agent_id=agent.id)
    return await one(tx, key)


async def publish_draft(
    tx: TenantTx,
    actor: Actor,
    key: str,
    *,
    revision: int | None,
    recognised: Recognised | None = None,
) -> Managed:
    """Freeze the draft as the next version, which answers from now on; a retired agent too.

    Args:
        recognised: by what the draft is recognised, so that no customer waits for it to be made.

    Raises:
        AgentNotFound, AgentChanged, NoDraft
    """
    agent = await _taken(tx, key, revision)
    number = await store.publish_draft(tx, agent_id=agent.id, author_id=_author(actor))
    if agent.draft is None or number is None:
        raise NoDraft
    if recognised is not None:
        model, vectors = recognised
        await store.save_vectors(
            tx, version_id=agent.draft.id, embedding_model=model, vectors=vectors
        )
    await _let_answer(tx, actor, agent.id, number)
    return await one(tx, key)


async def restore(
    tx: TenantTx, actor: Actor, key: str, number: int, *, revision: int | None = None
) -> Managed:
    """Let what version `number` says answer again, as a new version; a draft stays as it is.

    Where that very version is live, nothing is done.

    Raises:
        AgentNotFound, VersionNotFound, AgentChanged
    """
    agent = await _taken(tx, key, revision)
    found = await store.version(tx, agent_id=agent.id, number=number)
    if found is None:
        raise VersionNotFound
    if agent.live is None or agent.live.id != found.id:
        version_id = AgentVersionId(uuid7())
        written = await store.insert_version(
            tx,
            version_id=version_id,
            agent_id=agent.id,
            configuration=found.configuration,
            author_id=_author(actor),
            based_on=number,
        )
        await store.copy_vectors(tx, of=found.id, to=version_id)
        await _let_answer(tx, actor, agent.id, written)
    return await one(tx, key)


async def retire(tx: TenantTx, actor: Actor, key: str, *, revision: int | None = None) -> Managed:
    """Have the agent answer no longer; what it said and its versions stay.

    Publishing or restoring a version of it lets it answer again.

    Raises:
        AgentNotFound, AgentChanged
        LastAgent: no other agent is live.
    """
    await store.one_at_a_time(tx)
    agent = await _taken(tx, key, revision)
    if agent.live is not None:
        live = await store.live_agents(tx)
        if len(live) == 1:
            raise LastAgent(agent=agent.name)
        await store.let_answer(tx, agent_id=agent.id, number=None)
        await audit.record(tx, actor, "agent.retired", about=agent.id)
    return await one(tx, key)


async def put_in_order(tx: TenantTx, actor: Actor, keys: Sequence[str]) -> list[Managed]:
    """Let the agents come in this order, those that are not named where they are.

    The first one greets, and answers what is no specialist's. Raises `AgentNotFound`.
    """
    await store.one_at_a_time(tx)
    present = [row.key for row in await store.agents(tx)]
    wanted = list(dict.fromkeys(keys))
    if not set(wanted) <= set(present):
        raise AgentNotFound
    ordered = _in_order(present, wanted)
    if ordered != present:
        await store.put_in_order(tx, ordered)
        await audit.record(tx, actor, "agent.ordered")
    return await managed(tx)


async def publish(
    tx: TenantTx, *, agent_id: AgentId, configuration: Configuration, actor: Actor = OPERATOR
) -> AgentVersionId:
    """Freeze `configuration` as the agent's next version and let it answer from now on.

    A draft that there is stays, and is based on an older version from now on.
    """
    await store.next_revision(tx, agent_id=agent_id, seen=None)
    version_id = AgentVersionId(uuid7())
    number = await store.insert_version(
        tx,
        version_id=version_id,
        agent_id=agent_id,
        configuration=configuration,
        author_id=_author(actor),
        based_on=None,
    )
    await _let_answer(tx, actor, agent_id, number)
    return version_id


async def publish_all(
    tx: TenantTx, written: Sequence[WrittenAgent], *, actor: Actor = OPERATOR
) -> list[str]:
    """Let the tenant's agents be as they are written: new ones made, changed ones published.

    They also come in the order in which they are written, and one that was retired answers again.
    Agents that are not mentioned stay as and where they are, and so do drafts; what a file does
    not say (type, voice) stays too. Returns the keys of those that got a new version.
    """
    present = {agent.key: agent for agent in await managed(tx)}
    changed = []
    for agent in written:
        known = present.get(agent.key)
        before = (known.live or known.latest) if known else None
        configuration = agent.configuration(before.configuration if before else None)
        if known is not None and known.live and known.live.configuration == configuration:
            continue
        if known is None:
            position = len(present)
            await create(
                tx, key=agent.key, position=position, configuration=configuration, actor=actor
            )
        else:
            await publish(tx, agent_id=known.id, configuration=configuration, actor=actor)
        changed.append(agent.key)
    await store.put_in_order(tx, _in_order(list(present), [agent.key for agent in written]))
    return changed


async def _taken(tx: TenantTx, key: str, revision: int | None) -> Managed:
    """The agent, which nobody else changes until `tx` ends, with its new revision."""
    agent = await one(tx, key)
    if await store.next_revision(tx, agent_id=agent.id, seen=revision) is None:
        raise AgentChanged
    return await one(tx, key)


async def _write(
    tx: TenantTx,
    actor: Actor,
    agent_id: AgentId,
    configuration: Configuration,
    *,
    based_on: int | None,
) -> None:
    await store.save_draft(
        tx,
        version_id=AgentVersionId(uuid7()),
        agent_id=agent_id,
        configuration=configuration,
        author_id=_author(actor),
        based_on=based_on,
    )


async def _let_answer(tx: TenantTx, actor: Actor, agent_id: AgentId, number: int) -> None:
    await store.let_answer(tx, agent_id=agent_id, number=number)
    await audit.record(tx, actor, "agent.published", about=agent_id, version=number)


def _author(actor: Actor) -> UUID | None:
    return actor.id if actor.kind == "user" else None


def _managed(row: AgentRow, versions: Sequence[VersionRow]) -> Managed:
    own = [version for version in versions if version.agent_id == row.id]
    published = [_version(one) for one in own if one.published_at is not None]
    drafts = [_draft(one) for one in own if one.published_at is None]
    return Managed(
        id=row.id,
        key=row.key,
        position=row.position,
        revision=row.revision,
        live=next((one for one in published if one.id == row.live_version_id), None),
        latest=max(published, key=lambda one: one.number, default=None),
        draft=drafts[0] if drafts else None,
    )


def _version(row: VersionRow) -> Version:
    if row.number is None or row.published_at is None:
        raise LookupError("a draft is no version")
    return Version(row.id, row.number, row.published_at, row.based_on, row.by, row.configuration)


def _draft(row: VersionRow) -> Draft:
    return Draft(row.id, row.based_on, row.saved_at, row.by, row.configuration)


def _in_order(present: Sequence[str], written: Sequence[str]) -> list[str]:
    """`present` with the written keys among it in their order, new ones after the last."""
    following = iter(written)
    placed = [next(following) if key in written else key for key in present]
    return [*placed, *following]
