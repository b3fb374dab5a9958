"""A customer who has left gets by mail what a person said to them, and nothing that they saw."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from coccinelle.foundation import postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import ConversationId, HandoffId, TenantId, UserId
from coccinelle.handoffs import actions as handoffs
from coccinelle.handoffs.jobs import reach
from coccinelle.providers.mail import MailNotSent
from coccinelle.tenants import actions as tenants
from tests.handoffs.people import member
from tests.handoffs.test_handoffs import (
    Postbox,
    conversation,
    no_other_jobs,
    opened,
    said,
    shop,
)

__all__ = ["conversation", "no_other_jobs", "shop"]


@pytest.fixture
async def lea(db: Database, shop: TenantId) -> UserId:
    return await member(db, shop)


@pytest.fixture
async def handoff(db: Database, shop: TenantId, conversation: ConversationId) -> HandoffId:
    return await opened(db, shop, conversation, email="camille@example.com")


async def replied(db: Database, shop: TenantId, handoff: HandoffId, by: UserId, text: str) -> None:
    async with db.tenant(shop) as tx:
        await handoffs.reply(tx, handoff, by=by, text=text, message_key=uuid4().hex)


async def shown(db: Database, shop: TenantId, handoff: HandoffId) -> None:
    """The customer's page shows all that was said."""
    async with db.tenant(shop) as tx:
        found = await handoffs.one(tx, handoff)
        last = await tx.value(
            "SELECT max(seq) FROM messages WHERE conversation_id = %s", [found.conversation_id]
        )
        await handoffs.see(tx, conversation_external_id=found.conversation_external_id, seq=last)


async def reached(db: Database, shop: TenantId, handoff: HandoffId, postbox: Postbox) -> bool:
    return await reach(db, postbox, shop, handoff, after_seconds=0)


async def test_replies_that_were_not_seen_are_mailed_in_one_and_once(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    postbox = Postbox()
    await replied(db, shop, handoff, lea, "Bonjour Camille,\nje regarde.")
    await replied(db, shop, handoff, lea, "C'est prêt.")

    assert await reached(db, shop, handoff, postbox)
    assert not await reached(db, shop, handoff, postbox)
    (mail,) = postbox.mails
    assert (mail.to, mail.reply_to) == ("camille@example.com", "contact@shop.example")
    assert mail.subject == "La Boutique vous a répondu"
    assert "Léa :\n    Bonjour Camille,\n    je regarde.\n\nLéa :\n    C'est prêt." in mail.text
    assert "Martin" not in mail.text

    await replied(db, shop, handoff, lea, "Une chose encore.")
    assert await reached(db, shop, handoff, postbox)
    assert "Une chose encore." in postbox.mails[1].text
    assert "C'est prêt." not in postbox.mails[1].text


async def test_what_the_customer_was_shown_is_not_mailed(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    postbox = Postbox()
    await replied(db, shop, handoff, lea, "Bonjour")
    await shown(db, shop, handoff)

    assert not await reached(db, shop, handoff, postbox)
    assert postbox.mails == []


async def test_while_the_person_still_writes_nothing_is_mailed(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    postbox = Postbox()
    await replied(db, shop, handoff, lea, "Bonjour")

    assert not await reach(db, postbox, shop, handoff)
    assert postbox.mails == []


@pytest.mark.usefixtures("no_other_jobs")
@pytest.mark.parametrize("has_address", [True, False])
async def test_it_is_looked_at_in_two_minutes_where_there_is_an_address(
    db: Database,
    addresses: postgres.Addresses,
    shop: TenantId,
    lea: UserId,
    has_address: bool,
) -> None:
    contact = {"email": "camille@example.com"} if has_address else {}
    handoff = await opened(db, shop, await said(db, shop, "Oui ?"), **contact)
    await replied(db, shop, handoff, lea, "Bonjour")
    async with await psycopg.AsyncConnection.connect(addresses.owner) as owner:
        cursor = await owner.execute(
            "SELECT scheduled_at > now() + interval '100 seconds'"
            " FROM procrastinate.procrastinate_jobs WHERE task_name = 'mail_replies'"
        )
        assert await cursor.fetchall() == [(True,)] * has_address


async def test_a_mail_that_is_refused_is_tried_again(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    postbox = Postbox(is_full=True)
    await replied(db, shop, handoff, lea, "Bonjour")
    with pytest.raises(MailNotSent):
        await reached(db, shop, handoff, postbox)
    postbox.is_full = False

    assert await reached(db, shop, handoff, postbox)


async def test_nobody_is_mailed_more_often_than_ten_times_an_hour(
    db: Database, shop: TenantId, lea: UserId
) -> None:
    postbox, victim = Postbox(), f"v-{uuid4().hex[:12]}@example.com"
    for _ in range(10):
        theirs = await opened(db, shop, await said(db, shop, "Oui ?"), email=victim)
        await replied(db, shop, theirs, lea, "Achetez !")
        assert await reached(db, shop, theirs, postbox)
    theirs = await opened(db, shop, await said(db, shop, "Oui ?"), email=victim.upper())
    await replied(db, shop, theirs, lea, "Achetez !")

    with pytest.raises(MailNotSent):
        await reached(db, shop, theirs, postbox)
    assert len(postbox.mails) == 10


async def test_what_was_said_in_an_earlier_request_is_not_of_this_one(
    db: Database, shop: TenantId, handoff: HandoffId, lea: UserId, conversation: ConversationId
) -> None:
    postbox = Postbox()
    await replied(db, shop, handoff, lea, "Bonjour")
    async with db.tenant(shop) as tx:
        await handoffs.close(tx, handoff, by=lea)
    later = await opened(db, shop, conversation, email="camille@example.com")
    await replied(db, shop, later, lea, "Rebonjour")

    assert await reached(db, shop, later, postbox)
    assert "Bonjour" not in postbox.mails[0].text.removeprefix("Bonjour,")


async def test_a_business_without_a_public_address_says_to_come_back(
    db: Database, nordlys: TenantId, shop: TenantId, handoff: HandoffId, lea: UserId
) -> None:
    private = await tenants.create(
        db, slug=f"n-{uuid4().hex[:12]}", company_name="Nordlys", locale="en"
    )
    freya = await member(db, private, name="Freya Berg")
    theirs = await opened(db, private, await said(db, private, "Hi"), email="camille@example.com")
    await replied(db, private, theirs, freya, "Hello")
    await replied(db, shop, handoff, lea, "Bonjour")
    postbox = Postbox()

    assert not await reached(db, nordlys, theirs, postbox)
    assert await reached(db, private, theirs, postbox)
    (mail,) = postbox.mails
    assert (mail.subject, mail.reply_to) == ("Nordlys has answered you", None)
    assert "Freya:\n    Hello" in mail.text
    assert "come back to the chat, on our site" in mail.text
