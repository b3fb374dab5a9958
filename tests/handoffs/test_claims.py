"""Somebody of the business takes care of a customer: claimed by one, answered once, closed."""

from __future__ import annotations

import asyncio

import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Conflict, Invalid, NotFound
from coccinelle.foundation.ids import ConversationId, HandoffId, TenantId, UserId
from coccinelle.handoffs import actions as handoffs
from coccinelle.handoffs.model import Handoff, HandoffClaimed, HandoffClosed
from coccinelle.tenants import audit
from coccinelle.tenants.accounts import store as accounts
from tests.handoffs.people import member
from tests.handoffs.test_handoffs import conversation, opened, shop

__all__ = ["conversation", "shop"]


@pytest.fixture
async def lea(db: Database, shop: TenantId) -> UserId:
    return await member(db, shop)


@pytest.fixture
async def paul(db: Database, shop: TenantId) -> UserId:
    return await member(db, shop, name="Paul Petit")


@pytest.fixture
async def handoff(db: Database, shop: TenantId, conversation: ConversationId) -> HandoffId:
    return await opened(db, shop, conversation)


async def claimed(
    db: Database, shop: TenantId, handoff: HandoffId, by: UserId, *, take_over: bool = False
) -> Handoff:
    async with db.tenant(shop) as tx:
        return await handoffs.claim(tx, handoff, by=by, take_over=take_over)


async def replied(
    db: Database, shop: TenantId, handoff: HandoffId, by: UserId, text: str, key: str = "m-1"
) -> object:
    async with db.tenant(shop) as tx:
        return await handoffs.reply(tx, handoff, by=by, text=text, message_key=key)


async def closed(db: Database, shop: TenantId, handoff: HandoffId, by: UserId | None) -> None:
    async with db.tenant(shop) as tx:
        await handoffs.close(tx, handoff, by=by)


async def said(db: Database, shop: TenantId, handoff: HandoffId) -> list[tuple[str, str]]:
    """What a person said, and their name as the visitor's history has it."""
    async with db.tenant(shop) as tx:
        found = await handoffs.one(tx, handoff)
        user = await tx.value(
            "SELECT i.value FROM conversations c JOIN customer_identities i USING (customer_id)"
            " WHERE c.id = %s",
            [found.conversation_id],
        )
        items = await conversations.read_history(
            tx,
            external_id=found.conversation_external_id,
            user_id=user,
            after_seq=0,
            limit=50,
        )
    return [(item.name or "", item.text) for item in items if item.author == "person"]


async def actions_of(db: Database, shop: TenantId) -> list[str]:
    async with db.tenant(shop) as tx:
        return [event.action for event in reversed(await audit.events(tx, limit=50))]


async def test_who_claims_it_holds_it_and_a_second_time_changes_nothing(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    first = await claimed(db, shop, handoff, lea)
    again = await claimed(db, shop, handoff, lea)

    assert (first.state, first.claimed_by, first.claimed_by_name) == ("claimed", lea, "Léa Martin")
    assert again == first
    assert await actions_of(db, shop) == ["handoff.claimed"]


async def test_of_two_who_claim_it_at_once_one_does(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, paul: UserId
) -> None:
    results = await asyncio.gather(
        *(claimed(db, shop, handoff, by) for by in (lea, paul)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["Handoff", "HandoffClaimed"]
    assert await actions_of(db, shop) == ["handoff.claimed"]


async def test_it_can_be_taken_over_and_who_had_it_may_not_answer_any_more(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, paul: UserId
) -> None:
    await claimed(db, shop, handoff, lea)
    taken = await claimed(db, shop, handoff, paul, take_over=True)
    with pytest.raises(HandoffClaimed):
        await replied(db, shop, handoff, lea, "Bonjour")

    assert taken.claimed_by == paul
    assert await said(db, shop, handoff) == []


@pytest.mark.parametrize("is_removed", [True, False])
async def test_who_left_the_business_or_is_kept_out_holds_nothing(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, paul: UserId, is_removed: bool
) -> None:
    await replied(db, shop, handoff, lea, "Bonjour")
    async with db.tenant(shop) as tx:
        if is_removed:
            await accounts.delete_membership(tx, lea)
        else:
            await accounts.update_membership(tx, lea, role="member", is_disabled=True)
        left = await handoffs.one(tx, handoff)
    taken = await claimed(db, shop, handoff, paul)

    assert (left.state, left.claimed_by, left.claimed_by_name) == ("open", None, None)
    assert taken.claimed_by == paul
    assert [text for _, text in await said(db, shop, handoff)] == ["Bonjour"]


async def test_a_reply_claims_what_nobody_has_and_is_in_the_conversation_under_its_name(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    await replied(db, shop, handoff, lea, "  Bonjour, je m'en occupe. ")
    async with db.tenant(shop) as tx:
        found = await handoffs.one(tx, handoff)

    assert (found.state, found.claimed_by) == ("claimed", lea)
    assert await said(db, shop, handoff) == [("Léa Martin", "Bonjour, je m'en occupe.")]
    assert await actions_of(db, shop) == ["handoff.claimed", "handoff.replied"]


async def test_the_same_key_is_the_same_message_even_when_it_is_over(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    ids = await asyncio.gather(*(replied(db, shop, handoff, lea, "Bonjour") for _ in range(5)))
    await closed(db, shop, handoff, lea)
    again = await replied(db, shop, handoff, lea, "Bonjour")
    with pytest.raises(Conflict) as other:
        await replied(db, shop, handoff, lea, "Autre chose")

    assert {*ids, again} == {ids[0]}
    assert other.value.code == "message_id_reused"
    assert await said(db, shop, handoff) == [("Léa Martin", "Bonjour")]


async def test_replies_at_once_each_have_their_own_place(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    texts = [f"Ligne {number}" for number in range(8)]
    await asyncio.gather(*(replied(db, shop, handoff, lea, text, key=text) for text in texts))

    assert sorted(text for _, text in await said(db, shop, handoff)) == texts


@pytest.mark.parametrize("text", ["", " \n ", "x" * 2001])
async def test_a_reply_that_is_blank_or_too_long_is_refused_and_claims_nothing(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, text: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await replied(db, shop, handoff, lea, text)
    async with db.tenant(shop) as tx:
        found = await handoffs.one(tx, handoff)

    assert [error.field for error in refused.value.errors] == ["text"]
    assert found.state == "open"


async def test_what_is_closed_is_claimed_and_answered_no_more(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, paul: UserId
) -> None:
    await claimed(db, shop, handoff, lea)
    for by in (paul, lea, None):
        await closed(db, shop, handoff, by)
    with pytest.raises(HandoffClosed):
        await claimed(db, shop, handoff, lea)
    with pytest.raises(HandoffClosed):
        await replied(db, shop, handoff, lea, "Bonjour")
    async with db.tenant(shop) as tx:
        found = await handoffs.one(tx, handoff)

    assert (found.state, found.closed_by) == ("closed", paul)
    assert await actions_of(db, shop) == ["handoff.claimed", "handoff.closed"]


async def test_they_are_listed_by_their_state_the_newest_first_page_by_page(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    from tests.handoffs.test_handoffs import said as wrote

    second, third = [await opened(db, shop, await wrote(db, shop, "Oui ?")) for _ in range(2)]
    await claimed(db, shop, second, lea)
    await closed(db, shop, handoff, lea)
    async with db.tenant(shop) as tx:
        every = [one.id for one in await handoffs.list_handoffs(tx)]
        rest = [one.id for one in await handoffs.list_handoffs(tx, limit=1, before=second)]
        by_state = {
            state: [one.id for one in await handoffs.list_handoffs(tx, state=state)]
            for state in ("open", "claimed", "closed")
        }

    assert every == [third, second, handoff]
    assert rest == [handoff]
    assert by_state == {"open": [third], "claimed": [second], "closed": [handoff]}


async def test_another_business_can_do_nothing_with_it(
    db: Database, shop: TenantId, handoff: HandoffId, nordlys: TenantId
) -> None:
    stranger = await member(db, nordlys)
    for acting in (
        claimed(db, nordlys, handoff, stranger, take_over=True),
        replied(db, nordlys, handoff, stranger, "Bonjour"),
        closed(db, nordlys, handoff, stranger),
    ):
        with pytest.raises(NotFound):
            await acting
    async with db.tenant(shop) as tx:
        assert (await handoffs.one(tx, handoff)).state == "open"
