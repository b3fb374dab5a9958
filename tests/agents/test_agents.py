"""Agents are created from what an owner writes, and what was published never changes."""

from __future__ import annotations

import psycopg
import pytest

from coccinelle.agents import actions, files, store
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid
from coccinelle.foundation.ids import TenantId

WRITTEN = """
[[agents]]
key = "lea"
name = "Léa"
description = "Répond sur les coupes."
persona = "Tu es Léa."
greeting = "Bonjour !"
fallback_message = "Je ne sais pas."
composer_intro = "Voici :"
examples = ["Combien coûte une coupe ?"]

[[agents]]
key = "max"
name = "Max"
description = "Répond sur les couleurs."
persona = "Tu es Max."
greeting = "Bonjour !"
fallback_message = "Je ne sais pas."
composer_intro = "Voici :"
"""


async def keys(db: Database, tenant_id: TenantId) -> list[str]:
    async with db.tenant(tenant_id) as tx:
        return [agent.key for agent in await store.live_agents(tx)]


async def publish(db: Database, tenant_id: TenantId, text: str) -> list[str]:
    async with db.tenant(tenant_id) as tx:
        return await actions.publish_all(tx, files.read(text))


async def test_two_businesses_may_write_the_same_agents(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    assert await publish(db, rivoli, WRITTEN) == ["lea", "max"]
    assert await publish(db, nordlys, WRITTEN) == ["lea", "max"]

    assert await keys(db, rivoli) == await keys(db, nordlys) == ["lea", "max"]


async def test_only_what_changed_gets_a_new_version(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await publish(db, rivoli, WRITTEN)
    await publish(db, nordlys, WRITTEN)

    assert await publish(db, rivoli, WRITTEN) == []
    assert await publish(db, rivoli, WRITTEN.replace("les coupes", "les barbes")) == ["lea"]

    async with db.tenant(rivoli) as tx:
        numbers = await tx.value(
            "SELECT array_agg(number ORDER BY number) FROM agent_versions v JOIN agents a"
            " ON a.id = v.agent_id WHERE a.key = 'lea'"
        )
        live = await store.live_agents(tx)
    assert numbers == [1, 2]
    assert live[0].configuration.description == "Répond sur les barbes."
    async with db.tenant(nordlys) as tx:
        assert (await store.live_agents(tx))[0].configuration.description.endswith("coupes.")


def agent_named(key: str) -> str:
    return f"[[agents]]{WRITTEN.split('[[agents]]')[1].replace('lea', key)}"


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ("max lea", "max lea"),
        ("lea", "lea max"),
        ("max", "lea max"),
        ("zoe", "lea max zoe"),
        ("zoe max lea", "zoe max lea"),
        ("zoe lea", "zoe max lea"),
    ],
)
async def test_agents_come_in_the_order_in_which_they_are_written(
    db: Database, rivoli: TenantId, nordlys: TenantId, written: str, order: str
) -> None:
    for tenant in (rivoli, nordlys):
        await publish(db, tenant, agent_named("lea") + agent_named("max"))

    changed = await publish(db, rivoli, "".join(map(agent_named, written.split())))

    assert changed == [key for key in written.split() if key == "zoe"]
    assert await keys(db, rivoli) == order.split()
    assert await keys(db, nordlys) == ["lea", "max"]


async def test_a_published_version_cannot_be_changed(db: Database, rivoli: TenantId) -> None:
    await publish(db, rivoli, WRITTEN)

    async with db.tenant(rivoli) as tx:
        assert await tx.run("UPDATE agent_versions SET name = 'Autre'") == 0
        assert await tx.run("DELETE FROM agent_versions") == 0


async def test_a_version_cannot_be_another_business_s_agent(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await publish(db, rivoli, WRITTEN)
    async with db.tenant(rivoli) as tx:
        foreign = (await store.live_agents(tx))[0]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with db.tenant(nordlys) as tx:
            await actions.publish(tx, agent_id=foreign.id, configuration=foreign.configuration)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("agents = [", "agents_file_not_toml"),
        ("", "agents_file_invalid"),
        ("[[agents]]\nkey = 'Léa'", "agents_file_invalid"),
        (WRITTEN.replace('key = "max"', 'key = "max"\npassword = "x"'), "agents_file_invalid"),
    ],
)
def test_a_file_that_cannot_be_accepted_says_where(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        files.read(text)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ('key = "auto"', "key"),
        ('key = "escalate"', "key"),
        (f'key = "lea"\nkeywords = {["mot"] * 201}', "keywords"),
        (f'key = "lea"\nmodels = {["x" * 501]}', "models.0"),
    ],
)
def test_what_the_database_or_a_turn_could_not_bear_is_refused(written: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        files.read(WRITTEN.replace('key = "lea"', written))

    assert [error.field for error in refused.value.errors] == [f"agents.0.{field}"]


def test_an_agent_may_have_a_hundred_examples_and_no_more() -> None:
    written = WRITTEN.replace('["Combien coûte une coupe ?"]', str(["Combien ?"] * 100))
    assert len(files.read(written)[0].examples) == 100

    with pytest.raises(Invalid) as refused:
        files.read(written.replace("['Combien ?'", "['Combien ?', 'Combien ?'"))

    assert [error.field for error in refused.value.errors] == ["agents.0.examples"]


def test_a_file_names_the_agent_and_the_field() -> None:
    with pytest.raises(Invalid) as refused:
        files.read(WRITTEN.replace('greeting = "Bonjour !"', "", 1))

    assert [error.field for error in refused.value.errors] == ["agents.0.greeting"]
