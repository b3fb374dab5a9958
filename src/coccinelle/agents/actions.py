"""What is done to an agent: created, given a new version, published."""

from __future__ import annotations

from collections.abc import Sequence

from coccinelle.agents import store
from coccinelle.agents.files import WrittenAgent
from coccinelle.agents.model import Configuration
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.ids import AgentId, AgentVersionId, uuid7


async def create(tx: TenantTx, *, key: str, position: int, configuration: Configuration) -> AgentId:
    """A new agent with its first version, live at once. Raises `AgentKeyTaken`."""
    agent_id = AgentId(uuid7())
    await store.insert_agent(tx, agent_id=agent_id, key=key, position=position)
    await publish(tx, agent_id=agent_id, configuration=configuration)
    return agent_id


async def publish(
    tx: TenantTx, *, agent_id: AgentId, configuration: Configuration
) -> AgentVersionId:
    """Freeze `configuration` as the agent's next version and let it answer from now on."""
    version_id = AgentVersionId(uuid7())
    await store.insert_draft(
        tx, version_id=version_id, agent_id=agent_id, configuration=configuration
    )
    await store.publish_version(tx, agent_id=agent_id, version_id=version_id)
    return version_id


async def publish_all(tx: TenantTx, written: Sequence[WrittenAgent]) -> list[str]:
    """Let the tenant's agents be as they are written: new ones made, changed ones published.

    They also come in the order in which they are written. Agents that are not mentioned stay as
    and where they are; what a file does not say (type, voice) stays too. Returns the keys of those
    that got a new version.
    """
    live = {agent.key: agent for agent in await store.live_agents(tx)}
    changed = []
    for agent in written:
        known = live.get(agent.key)
        configuration = agent.configuration(known.configuration if known else None)
        if known is not None and known.configuration == configuration:
            continue
        if known is None:
            await create(tx, key=agent.key, position=len(live), configuration=configuration)
        else:
            await publish(tx, agent_id=known.id, configuration=configuration)
        changed.append(agent.key)
    await store.put_in_order(tx, _in_order(list(live), [agent.key for agent in written]))
    return changed


def _in_order(present: Sequence[str], written: Sequence[str]) -> list[str]:
    """`present` with the written keys among it in their order, new ones after the last."""
    following = iter(written)
    placed = [next(following) if key in written else key for key in present]
    return [*placed, *following]
