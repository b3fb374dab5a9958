"""A draft is written, compared, published and dropped; what was published is never rewritten."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace

import pytest

from coccinelle.agents import actions, files, store
from coccinelle.agents.actions import (
    AgentChanged,
    AgentNotFound,
    LastAgent,
    NoDraft,
    TooManyAgents,
    VersionNotFound,
)
from coccinelle.agents.differences import FIELDS, Difference, compared, differences
from coccinelle.agents.model import MAX_AGENTS, Configuration, Managed, key_of
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.tenants import audit
from coccinelle.tenants.audit import OPERATOR

LEYNA = Configuration(
    name="Leyna",
    description="Répond à tout.",
    persona="Tu es Leyna. Tu réponds en deux phrases.",
    greeting="Bonjour, je suis Leyna.",
    fallback_message="Je ne sais pas.",
    composer_intro="Voici :",
    examples=("Quels sont vos horaires ?",),
)


async def hired(db: Database, tenant_id: TenantId, *keys: str) -> None:
    async with db.tenant(tenant_id) as tx:
        for position, key in enumerate(keys):
            await actions.create(tx, key=key, position=position, configuration=LEYNA)


async def written(
    db: Database, tenant_id: TenantId, key: str, *, revision: int | None = None, **changes: object
) -> Managed:
    async with db.tenant(tenant_id) as tx:
        agent = await actions.one(tx, key)
        draft = replace(agent.written, **changes)  # type: ignore[arg-type]
        return await actions.save_draft(tx, OPERATOR, key, draft, revision=revision)


async def seen(db: Database, tenant_id: TenantId, key: str) -> Managed:
    async with db.tenant(tenant_id) as tx:
        return await actions.one(tx, key)


async def live_names(db: Database, tenant_id: TenantId) -> list[str]:
    async with db.tenant(tenant_id) as tx:
        return [agent.name for agent in await store.live_agents(tx)]


async def published(db: Database, tenant_id: TenantId, key: str) -> Managed:
    async with db.tenant(tenant_id) as tx:
        return await actions.publish_draft(tx, OPERATOR, key, revision=None)


async def test_a_draft_changes_nothing_that_answers_until_it_is_published(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    for tenant in (rivoli, nordlys):
        await hired(db, tenant, "leyna")

    agent = await written(db, rivoli, "leyna", name="Camille")

    assert await live_names(db, rivoli) == ["Leyna"]
    assert agent.draft is not None
    assert agent.draft.based_on == 1
    assert (agent.name, agent.written.name) == ("Leyna", "Camille")
    agent = await published(db, rivoli, "leyna")
    assert agent.live is not None
    assert agent.draft is None
    assert (agent.live.number, agent.live.based_on, agent.live.configuration.name) == (
        2,
        1,
        "Camille",
    )
    assert await live_names(db, rivoli) == ["Camille"]
    assert await live_names(db, nordlys) == ["Leyna"]


async def test_what_is_published_is_an_event_that_says_which_version(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")
    await written(db, rivoli, "leyna", name="Camille")
    agent = await published(db, rivoli, "leyna")

    async with db.tenant(rivoli) as tx:
        event = (await audit.events(tx, limit=1))[0]

    assert (event.action, event.about) == ("agent.published", str(agent.id))
    assert event.details == {"version": 2}


async def test_the_second_of_two_people_who_write_at_once_is_told(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")
    before = (await seen(db, rivoli, "leyna")).revision

    told = await asyncio.gather(
        written(db, rivoli, "leyna", revision=before, name="Camille"),
        written(db, rivoli, "leyna", revision=before, name="Hugo"),
        return_exceptions=True,
    )

    (kept,) = [one for one in told if isinstance(one, Managed)]
    (refused,) = [one for one in told if isinstance(one, BaseException)]
    assert isinstance(refused, AgentChanged)
    assert (await seen(db, rivoli, "leyna")).written == kept.written


@pytest.mark.parametrize("change", ["publish", "restore", "retire", "elsewhere"])
async def test_whatever_changes_an_agent_is_noticed_by_who_wrote_meanwhile(
    db: Database, rivoli: TenantId, change: str
) -> None:
    await hired(db, rivoli, "leyna", "max")
    agent = await written(db, rivoli, "leyna", name="Camille")
    async with db.tenant(rivoli) as tx:
        if change == "publish":
            await actions.publish_draft(tx, OPERATOR, "leyna", revision=agent.revision)
        elif change == "restore":
            await actions.restore(tx, OPERATOR, "leyna", 1)
        elif change == "retire":
            await actions.retire(tx, OPERATOR, "leyna", revision=agent.revision)
        else:
            await actions.publish(tx, agent_id=agent.id, configuration=LEYNA)

    with pytest.raises(AgentChanged):
        await written(db, rivoli, "leyna", revision=agent.revision, name="Hugo")


async def test_a_draft_that_says_what_is_live_is_none(db: Database, rivoli: TenantId) -> None:
    await hired(db, rivoli, "leyna")
    await written(db, rivoli, "leyna", name="Camille")

    assert (await written(db, rivoli, "leyna", name="Leyna")).draft is None
    with pytest.raises(NoDraft):
        await published(db, rivoli, "leyna")


async def test_a_draft_is_told_of_what_is_published_elsewhere(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")
    agent = await written(db, rivoli, "leyna", name="Camille")
    assert not agent.is_outdated

    async with db.tenant(rivoli) as tx:
        text = files.WrittenAgent.model_validate(
            {"key": "leyna", "name": "Léna"}
            | {name: getattr(LEYNA, name) for name in ("description", "persona", "greeting")}
            | {"fallback_message": "Je ne sais pas.", "composer_intro": "Voici :"}
        )
        assert await actions.publish_all(tx, [text]) == ["leyna"]

    agent = await seen(db, rivoli, "leyna")
    assert agent.is_outdated
    assert agent.written.name == "Camille"
    assert agent.name == "Léna"
    agent = await published(db, rivoli, "leyna")
    assert agent.live is not None
    assert (agent.live.number, agent.name) == (3, "Camille")


async def test_restoring_publishes_what_was_said_again_and_rewrites_nothing(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")
    await written(db, rivoli, "leyna", name="Camille")
    await published(db, rivoli, "leyna")
    await written(db, rivoli, "leyna", name="Hugo")

    async with db.tenant(rivoli) as tx:
        agent = await actions.restore(tx, OPERATOR, "leyna", 1)
        again = await actions.restore(tx, OPERATOR, "leyna", 3)
        told = await actions.versions(tx, "leyna", limit=10)

    assert agent.live is not None
    assert agent.live.configuration == LEYNA
    assert [(one.number, one.configuration.name, one.based_on) for one in told] == [
        (3, "Leyna", 1),
        (2, "Camille", 1),
        (1, "Leyna", None),
    ]
    assert agent.draft is not None
    assert agent.draft.configuration.name == "Hugo"
    assert agent.is_outdated
    assert again.live == agent.live


async def test_a_new_agent_is_met_by_nobody_until_it_is_published(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")
    async with db.tenant(rivoli) as tx:
        made = await actions.create_draft(tx, OPERATOR, LEYNA)
        other = await actions.create_draft(tx, OPERATOR, replace(LEYNA, name="Élise"))

    assert (made.key, made.state, made.position, other.key) == ("leyna-2", "new", 1, "elise")
    assert await live_names(db, rivoli) == ["Leyna"]
    assert (await published(db, rivoli, "elise")).state == "live"
    assert await live_names(db, rivoli) == ["Leyna", "Élise"]
    async with db.tenant(rivoli) as tx:
        assert await actions.discard_draft(tx, OPERATOR, "leyna-2", revision=None) is None
        kept = await actions.discard_draft(tx, OPERATOR, "elise", revision=None)
    assert kept is not None
    assert kept.state == "live"
    with pytest.raises(AgentNotFound):
        await seen(db, rivoli, "leyna-2")


async def test_a_business_has_fifty_agents_and_no_more(db: Database, rivoli: TenantId) -> None:
    await hired(db, rivoli, *(f"a{n}" for n in range(MAX_AGENTS)))

    with pytest.raises(TooManyAgents):
        async with db.tenant(rivoli) as tx:
            await actions.create_draft(tx, OPERATOR, LEYNA)


async def test_a_retired_agent_answers_no_longer_and_may_come_back(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    for tenant in (rivoli, nordlys):
        await hired(db, tenant, "leyna", "max")
    async with db.tenant(rivoli) as tx:
        agent = await actions.retire(tx, OPERATOR, "leyna")
    assert agent.state == "retired"
    assert len(await live_names(db, rivoli)) == 1
    assert len(await live_names(db, nordlys)) == 2

    with pytest.raises(LastAgent):
        async with db.tenant(rivoli) as tx:
            await actions.retire(tx, OPERATOR, "max")
    async with db.tenant(rivoli) as tx:
        assert (await actions.retire(tx, OPERATOR, "leyna")).state == "retired"
        agent = await actions.restore(tx, OPERATOR, "leyna", 1)
    assert agent.live is not None
    assert agent.live.number == 2


async def test_two_people_who_retire_the_last_two_agents_at_once_leave_one(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna", "max")

    async def retire(key: str) -> None:
        async with db.tenant(rivoli) as tx:
            await actions.retire(tx, OPERATOR, key)

    async with db.tenant(rivoli) as tx:
        await actions.retire(tx, OPERATOR, "leyna")
        other = asyncio.create_task(retire("max"))
        done, _ = await asyncio.wait({other}, timeout=0.3)

    assert not done
    with pytest.raises(LastAgent):
        await other
    assert len(await live_names(db, rivoli)) == 1


async def test_agents_come_in_the_order_that_is_asked_for(db: Database, rivoli: TenantId) -> None:
    await hired(db, rivoli, "lea", "max", "zoe")
    async with db.tenant(rivoli) as tx:
        ordered = await actions.put_in_order(tx, OPERATOR, ["zoe", "lea"])
        assert [agent.key for agent in ordered] == ["zoe", "max", "lea"]
        with pytest.raises(AgentNotFound):
            await actions.put_in_order(tx, OPERATOR, ["zoe", "nobody"])


async def test_the_agents_of_another_business_are_not_there(
    db: Database, rivoli: TenantId, nordlys: TenantId
) -> None:
    await hired(db, rivoli, "leyna")

    for change in (
        lambda tx: actions.save_draft(tx, OPERATOR, "leyna", LEYNA, revision=None),
        lambda tx: actions.discard_draft(tx, OPERATOR, "leyna", revision=None),
        lambda tx: actions.publish_draft(tx, OPERATOR, "leyna", revision=None),
        lambda tx: actions.restore(tx, OPERATOR, "leyna", 1),
        lambda tx: actions.retire(tx, OPERATOR, "leyna"),
        lambda tx: actions.versions(tx, "leyna", limit=1),
    ):
        with pytest.raises(AgentNotFound):
            async with db.tenant(nordlys) as tx:
                await change(tx)


async def test_a_version_that_was_never_published_cannot_be_restored(
    db: Database, rivoli: TenantId
) -> None:
    await hired(db, rivoli, "leyna")

    with pytest.raises(VersionNotFound):
        async with db.tenant(rivoli) as tx:
            await actions.restore(tx, OPERATOR, "leyna", 2)


def test_every_field_of_a_configuration_is_compared() -> None:
    assert set(FIELDS) == {field.name for field in fields(Configuration)}


def test_differences_are_told_word_by_word() -> None:
    other = replace(LEYNA, name="Camille", persona="Tu es Camille. Tu réponds en deux phrases.")

    told = differences(LEYNA, other)

    assert [one.field for one in told] == ["name", "persona"]
    assert [(piece.kind, piece.text) for piece in told[1].pieces] == [
        ("same", "Tu es "),
        ("removed", "Leyna"),
        ("added", "Camille"),
        ("same", ". Tu réponds en deux phrases."),
    ]


def test_lists_are_told_line_by_line() -> None:
    other = replace(LEYNA, examples=("Quels sont vos horaires ?", "Quels sont vos prix ?"))

    (told,) = differences(LEYNA, other)

    assert [(piece.kind, piece.text) for piece in told.pieces] == [
        ("same", "Quels sont vos horaires ?\n"),
        ("added", "Quels sont vos prix ?\n"),
    ]


@pytest.mark.parametrize("text", ["a b " * 3_000, "a\n" * 9_000, "", "é" * 20_000])
def test_long_texts_are_compared_too(text: str) -> None:
    pieces = compared(text + "un", text + "deux")

    assert "".join(piece.text for piece in pieces if piece.kind != "added") == text + "un"
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == text + "deux"


def test_a_key_is_never_a_reserved_one() -> None:
    assert key_of("Auto", taken=[]) == "auto-2"


async def test_texts_that_alternate_are_told_apart_without_comparing_all_with_all() -> None:
    one = " ".join("a" if n % 2 else f"x{n}" for n in range(1_000))
    other = " ".join("a" if n % 2 else f"y{n}" for n in range(1_000))
    lists = Difference("examples", "a\nb\n" * 12_500, "b\na\n" * 12_000, is_list=True)

    # A minute is far more than it takes, and far less than comparing all with all would.
    async with asyncio.timeout(60):
        pieces = await asyncio.to_thread(compared, one, other)
        await asyncio.to_thread(lambda: lists.pieces)

    assert "".join(piece.text for piece in pieces if piece.kind != "added") == one
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == other
