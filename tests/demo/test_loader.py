"""The demo: loaded whole, once, and completed where it was interrupted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from coccinelle.agents import store as agents
from coccinelle.channels.widget import store as widget
from coccinelle.demo import content, loader
from coccinelle.foundation import migrate, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.embedded import EmbeddedPostgres
from coccinelle.house import House
from coccinelle.knowledge import actions as knowledge
from coccinelle.knowledge.search import search
from coccinelle.tenants import actions as tenants
from coccinelle.tenants import store
from tests.demo.conftest import FirstRun

AGENCE, GARAGE = "agence-des-copines", "garage-des-tilleuls"


@pytest.fixture
async def empty(first: FirstRun, server: EmbeddedPostgres) -> AsyncIterator[House]:
    """The same house over another, empty database."""
    addresses = postgres.provision(server, database="demo_empty")
    migrate.migrate(addresses.owner)
    postgres.let_login_serve(addresses)
    db = Database(addresses.login)
    await db.open()
    yield dataclasses.replace(first.house, db=db)
    await db.close()


async def counted(house: House) -> dict[str, int]:
    counts = {}
    for slug in (AGENCE, GARAGE):
        tenant = await tenants.find(house.db, slug)
        async with house.db.tenant(tenant.id) as tx:
            for table in ("agents", "agent_versions", "tenant_domains", "sources", "chunks"):
                key = f"{slug} {table}"
                counts[key] = await tx.value(
                    f"SELECT count(*) FROM {table} WHERE tenant_id = %s", [tenant.id]
                )
    return counts


async def test_both_tenants_are_there_with_agents_hosts_and_knowledge(first: FirstRun) -> None:
    house = first.house
    agence = await tenants.find(house.db, AGENCE)
    garage = await tenants.find(house.db, GARAGE)
    for host, tenant in [
        ("localhost", agence),
        ("127.0.0.1", agence),
        ("[::1]", agence),
        ("garage.localhost", garage),
    ]:
        caller = await tenants.caller_by_host(house.db, host)
        assert caller is not None
        assert caller.tenant_id == tenant.id
    async with house.db.tenant(agence.id) as tx:
        facts = await store.tenant(tx)
        live = await agents.live_agents(tx)
        sources, _ = await knowledge.listed(tx, limit=200)
    assert facts is not None
    assert facts.phone == "01 99 00 12 34"
    assert facts.offer_url
    assert [agent.key for agent in live] == ["audrey", "carole"]
    assert all(len(agent.configuration.examples) >= 8 for agent in live)
    assert {source.state for source in sources} == {"ready"}
    for key in ("audrey", "carole"):
        assert sum(source.agents == [key] for source in sources) >= 12
    assert (await counted(house))[f"{AGENCE} chunks"] >= 150


async def test_each_business_has_a_widget_of_its_own_colour(first: FirstRun) -> None:
    chosen = []
    for slug in (AGENCE, GARAGE):
        tenant = await tenants.find(first.house.db, slug)
        async with first.house.db.tenant(tenant.id) as tx:
            settings = await widget.settings(tx)
        assert settings is not None
        chosen.append((settings.color, settings.reply_within_minutes))

    assert chosen == [("#c2255c", 120), ("#1f5c3a", 60)]


async def test_a_row_of_a_price_list_is_found_and_no_neighbour(first: FirstRun) -> None:
    garage = await tenants.find(first.house.db, GARAGE)
    async with first.house.db.tenant(garage.id) as tx:
        found = await search(
            tx, question="vidange citadine diesel", vector=None, agent_id=None, limit=5
        )
    rows = [passage.text for passage in found if passage.kind == "table_row"]
    assert "Citadine diesel" in rows[0]
    assert "89 €" in rows[0]


async def test_loading_again_changes_nothing(first: FirstRun) -> None:
    before = await counted(first.house)
    again = await loader.load(first.house)
    assert [tenant.is_new for tenant in again] == [False, False]
    assert await counted(first.house) == before


async def test_what_its_owner_removed_stays_removed(first: FirstRun) -> None:
    tenant = await tenants.find(first.house.db, GARAGE)
    async with first.house.db.tenant(tenant.id) as tx:
        source = (await knowledge.listed(tx, limit=1))[0][0]
        await knowledge.remove(tx, source.id)
    before = await counted(first.house)
    await loader.load(first.house)
    assert await counted(first.house) == before


class Stop(Exception):
    """Where an interrupted loading ends."""


async def test_a_loading_that_was_interrupted_is_completed_by_the_next(empty: House) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise Stop

    # Twice at once, as two processes on one database do.
    ends = await asyncio.gather(
        loader.load(empty, interrupt), loader.load(empty, interrupt), return_exceptions=True
    )
    assert [type(end) for end in ends] == [ExceptionGroup, ExceptionGroup]
    assert all(isinstance(end, ExceptionGroup) and end.subgroup(Stop) for end in ends)
    assert not await loader.is_searchable(empty.db)
    told: list[tuple[int, int]] = []
    await loader.load(empty, lambda done, total: told.append((done, total)))
    expected = sum(len(tenant.sources) for tenant in content.tenants())
    assert told[-1] == (expected, expected)
    assert await loader.is_searchable(empty.db)
    counts = await counted(empty)
    assert counts[f"{AGENCE} sources"] + counts[f"{GARAGE} sources"] == expected
