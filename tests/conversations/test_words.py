"""What was said is found by its words, kept by a worker or not yet, and by nobody else."""

from __future__ import annotations

import asyncio

import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.conversations import reading, words
from coccinelle.conversations.jobs import keep
from coccinelle.conversations.model import Admitted, Arrival, Draft, Limits
from coccinelle.conversations.reading import Filters
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId

LIMITS = Limits(messages=1000)


async def said(db: Database, tenant: TenantId, name: str, asked: str, answer: str) -> None:
    """A turn of a conversation, answered."""
    admitted = await conversations.admit(db, Arrival(tenant, "cli", "u", name, asked), LIMITS)
    assert isinstance(admitted, Admitted)
    draft = Draft(admitted.turn_id, admitted.conversation_id, admitted.seq, admitted.lease_id)
    draft.outcome, draft.text = "answered", answer
    async with db.tenant(tenant) as tx:
        assert await conversations.finish(tx, draft)


async def found(db: Database, tenant: TenantId, asked: str) -> list[str]:
    """Names of the conversations that have these words, sorted."""
    async with db.tenant(tenant) as tx:
        rows = await reading.conversations(tx, Filters(words=asked), limit=50, before=None)
    return sorted(row.external_id for row in rows)


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("vidange", ["a", "b"]),
        ("VIDANGES", ["a", "b"]),
        ("vid", ["a", "b"]),
        ("véhicule electrique", ["a"]),
        ("vidange électrique", ["a"]),
        ("electrique vidange samedi", []),
        ("samedi", ["b"]),
        ("dange", []),
        ("est-ce que", []),
        ("d'accord' & | ! <-> \\ :*", ["c"]),
        ("lea@example.com", ["c"]),
    ],
)
async def test_a_conversation_is_found_by_all_of_the_words_that_were_said_in_it(
    db: Database,
    rivoli: TenantId,
    nordlys: TenantId,
    asked: str,
    expected: list[str],
    is_kept: bool,
) -> None:
    await said(db, rivoli, "a", "Une vidange ?", "Oui, pour un véhicule électrique aussi.")
    await said(db, rivoli, "b", "Ouvert samedi ?", "Oui. La vidange se fait sans rendez-vous.")
    await said(db, rivoli, "c", "D'accord, écrivez à lea@example.com", "Merci.")
    await said(db, nordlys, "theirs", "Une vidange samedi ?", "Véhicule électrique, d'accord.")
    if is_kept:
        await keep(db)

    assert await found(db, rivoli, asked) == expected


async def test_what_is_said_after_its_words_were_kept_is_found_at_once_and_kept_then(
    db: Database, rivoli: TenantId
) -> None:
    await said(db, rivoli, "a", "Une vidange ?", "Oui.")
    await keep(db)
    await said(db, rivoli, "a", "Et le samedi ?", "Non.")
    before = await found(db, rivoli, "vidange samedi")
    await keep(db)
    async with db.tenant(rivoli) as tx:
        left = await words.keep(tx, most=10)

    assert before == await found(db, rivoli, "vidange samedi") == ["a"]
    assert left == 0


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_customer_who_says_more_words_than_can_be_kept_hides_no_other_conversation(
    db: Database, rivoli: TenantId, is_kept: bool
) -> None:
    await said(db, rivoli, "a", "Une vidange ?", "Oui.")
    for turn in range(3):
        flood = " ".join(f"{turn}{n}{'x' * 1_900}" for n in range(300))
        many = " ".join(f"b{turn}z{n}{'x' * 80}" for n in range(5_000))
        await said(db, rivoli, "flood", flood, many)
        if is_kept:
            await keep(db)

    assert await found(db, rivoli, "vidange") == ["a"]


async def test_one_who_speaks_while_words_are_kept_is_not_forgotten(
    db: Database, rivoli: TenantId
) -> None:
    await said(db, rivoli, "a", "Une vidange ?", "Oui.")
    async with db.tenant(rivoli) as keeping:
        async with db.tenant(rivoli) as speaking:
            await speaking.run(
                "UPDATE conversations SET last_message_at = now() + interval '1 second'"
                " WHERE tenant_id = %s",
                [rivoli],
            )
            kept = asyncio.create_task(words.keep(keeping, most=10))
            async with asyncio.timeout(10):
                while not await waits(db, rivoli):  # noqa: ASYNC110  (of PostgreSQL)
                    await asyncio.sleep(0.01)
        assert await kept == 0

    async with db.tenant(rivoli) as tx:
        assert await words.keep(tx, most=10) == 1


async def waits(db: Database, tenant: TenantId) -> bool:
    """Whether a statement waits for another's lock."""
    async with db.tenant(tenant) as tx:
        return bool(await tx.value("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
