"""A customer wants a person: one open hand-off, one mail, and somebody who closes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest

from coccinelle.conversations import actions as conversations
from coccinelle.conversations.model import Admitted, Arrival, Draft, Limits
from coccinelle.foundation import jobs, postgres
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import Invalid, NotFound
from coccinelle.foundation.ids import ConversationId, HandoffId, TenantId, uuid7
from coccinelle.foundation.settings import Settings, load
from coccinelle.handoffs import actions as handoffs
from coccinelle.handoffs.jobs import tell
from coccinelle.providers.mail import Mail, MailNotSent
from coccinelle.tenants import actions as tenants
from tests.handoffs.people import member


@dataclass
class Postbox:
    """Takes mail, unless it is full."""

    is_full: bool = False
    has_server: bool = True
    mails: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> bool:
        """See `Mailer`."""
        if self.is_full:
            raise MailNotSent
        if self.has_server:
            self.mails.append(mail)
        return self.has_server


@dataclass(frozen=True)
class Services:
    """What jobs are given."""

    db: Database
    mailer: Postbox
    settings: Settings = field(default_factory=lambda: load({}))


@pytest.fixture
async def shop(db: Database) -> TenantId:
    return await tenants.create(
        db,
        slug=f"shop-{uuid4().hex[:12]}",
        company_name="La Boutique",
        email="contact@shop.example",
        handoff_email="equipe@shop.example",
    )


@pytest.fixture
async def conversation(db: Database, shop: TenantId) -> ConversationId:
    return await said(db, shop, "Je voudrais parler à quelqu'un")


@pytest.fixture
async def no_other_jobs(addresses: postgres.Addresses) -> AsyncIterator[None]:
    """Jobs of other tests stay out of the way."""
    await drop_jobs(addresses)
    yield
    await drop_jobs(addresses)


async def drop_jobs(addresses: postgres.Addresses) -> None:
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute("SET search_path = procrastinate")
        await owner.execute("DELETE FROM procrastinate_jobs")


async def count_jobs(addresses: postgres.Addresses) -> int:
    async with await psycopg.AsyncConnection.connect(addresses.owner) as owner:
        cursor = await owner.execute("SELECT count(*) FROM procrastinate.procrastinate_jobs")
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def said(db: Database, tenant_id: TenantId, text: str) -> ConversationId:
    name = uuid4().hex
    arrival = Arrival(tenant_id, "chat_v2", f"u-{name}", f"c-{name}", text)
    admitted = await conversations.admit(db, arrival, Limits())
    assert isinstance(admitted, Admitted)
    draft = Draft(admitted.turn_id, admitted.conversation_id, admitted.seq, admitted.lease_id)
    draft.outcome, draft.text = "escalated", "Une personne vous répondra."
    async with db.tenant(tenant_id) as tx:
        await conversations.finish(tx, draft)
    return admitted.conversation_id


async def opened(
    db: Database, tenant_id: TenantId, conversation_id: ConversationId, **contact: str
) -> HandoffId:
    async with db.tenant(tenant_id) as tx:
        return await handoffs.open(tx, conversation_id=conversation_id, reason="asked", **contact)


async def run_jobs(addresses: postgres.Addresses, services: Services) -> None:
    async with jobs.queue(addresses.login) as app:
        await jobs.work(app, services, concurrency=1, until_idle=True)


async def test_an_open_handoff_is_returned_and_not_opened_twice(
    db: Database, shop: TenantId, conversation: ConversationId
) -> None:
    first = await opened(db, shop, conversation)
    again = await opened(db, shop, conversation)
    async with db.tenant(shop) as tx:
        listed = await handoffs.list_handoffs(tx, state="open")

    assert first == again
    assert [handoff.id for handoff in listed] == [first]


async def test_twenty_at_once_open_one(
    db: Database, shop: TenantId, conversation: ConversationId
) -> None:
    ids = await asyncio.gather(*(opened(db, shop, conversation) for _ in range(20)))

    assert len(set(ids)) == 1


async def test_what_the_customer_adds_is_kept_and_nothing_is_lost(
    db: Database, shop: TenantId, conversation: ConversationId
) -> None:
    await opened(db, shop, conversation, email="lea@example.com", note="Le matin")
    await opened(db, shop, conversation, phone="06 12 34 56 78", note=" ")
    async with db.tenant(shop) as tx:
        (handoff,) = await handoffs.list_handoffs(tx, state="open")

    assert (handoff.email, handoff.phone, handoff.note) == (
        "lea@example.com",
        "06 12 34 56 78",
        "Le matin",
    )


async def test_a_closed_one_is_listed_no_more_and_another_may_open(
    db: Database, shop: TenantId, conversation: ConversationId
) -> None:
    first = await opened(db, shop, conversation)
    async with db.tenant(shop) as tx:
        await handoffs.close(tx, first, by=None)
        await handoffs.close(tx, first, by=None)
    second = await opened(db, shop, conversation)
    async with db.tenant(shop) as tx:
        listed = await handoffs.list_handoffs(tx, state="open")
        everything = await handoffs.list_handoffs(tx)

    assert [handoff.id for handoff in listed] == [second]
    assert [handoff.id for handoff in everything] == [second, first]


async def test_another_tenants_handoff_is_not_there(
    db: Database, shop: TenantId, conversation: ConversationId, nordlys: TenantId
) -> None:
    mine = await opened(db, shop, conversation)
    async with db.tenant(nordlys) as tx:
        assert await handoffs.list_handoffs(tx) == []
        with pytest.raises(NotFound):
            await handoffs.close(tx, mine, by=None)
    async with db.tenant(shop) as tx:
        assert [handoff.id for handoff in await handoffs.list_handoffs(tx)] == [mine]


@pytest.mark.parametrize(
    "contact",
    [
        {"email": "lea"},
        {"email": "lea@"},
        {"email": "lea@a b"},
        {"email": "a@b\r\nBcc: x@y"},
        {"email": "=?utf-8?q?a=0d=0aBcc=3Ax?=@example.com"},
        {"email": "a\x01@example.com"},
        {"email": "a@" + "b" * 253},
        {"phone": "bonjour"},
        {"phone": "1"},
        {"phone": "0" * 33},
        {"note": "x" * 2001},
    ],
)
async def test_contacts_that_are_none_are_refused_and_nothing_is_written(
    db: Database, shop: TenantId, conversation: ConversationId, contact: dict[str, str]
) -> None:
    with pytest.raises(Invalid):
        await opened(db, shop, conversation, **contact)
    async with db.tenant(shop) as tx:
        assert await handoffs.list_handoffs(tx) == []


@pytest.mark.usefixtures("no_other_jobs")
class TestMail:
    """The business is told, once, when the hand-off is there for good."""

    async def test_the_business_is_mailed_once(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        postbox = Postbox()
        handoff_id = await opened(db, shop, conversation, email="lea@example.com")
        await opened(db, shop, conversation, email="lea@example.com")
        await run_jobs(addresses, Services(db, postbox))
        await tell(db, postbox, shop, handoff_id)

        (mail,) = postbox.mails
        assert (mail.to, mail.reply_to) == ("equipe@shop.example", "lea@example.com")
        assert "La Boutique" in mail.subject
        assert "E-mail : lea@example.com" in mail.text
        assert "Client : Je voudrais parler à quelqu'un" in mail.text
        assert "Assistant : Une personne vous répondra." in mail.text

    async def test_the_mail_leads_to_the_inbox_where_the_address_of_this_installation_is_known(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        known, unknown = Postbox(), Postbox()
        settings = load({"COCCINELLE_PUBLIC_URL": "https://chat.example.com/"})
        handoff_id = await opened(db, shop, conversation)
        await run_jobs(addresses, Services(db, known, settings))
        other = await opened(db, shop, await said(db, shop, "Une personne ?"))
        await run_jobs(addresses, Services(db, unknown))

        link = f"https://chat.example.com/dashboard/inbox/{handoff_id}"
        assert f"Répondez-lui ici, en direct : {link}" in known.mails[0].text
        assert str(other) not in unknown.mails[0].text

    async def test_what_is_claimed_or_said_meanwhile_is_not_mailed_again(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        handoff_id = await opened(db, shop, conversation)
        postbox = Postbox()
        await run_jobs(addresses, Services(db, postbox))
        lea = await member(db, shop)
        async with db.tenant(shop) as tx:
            await handoffs.reply(tx, handoff_id, by=lea, text="Bonjour", message_key="1")
        await opened(db, shop, conversation)
        await run_jobs(addresses, Services(db, postbox))

        assert len(postbox.mails) == 1

    async def test_nothing_new_queues_nothing(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        for _ in range(3):
            await opened(db, shop, conversation, email="lea@example.com")

        assert await count_jobs(addresses) == 1

    async def test_an_undone_change_mails_nothing(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        postbox = Postbox()
        with suppress(ZeroDivisionError):
            async with db.tenant(shop) as tx:
                await handoffs.open(tx, conversation_id=conversation, reason="asked")
                raise ZeroDivisionError
        await run_jobs(addresses, Services(db, postbox))

        assert postbox.mails == []

    async def test_what_the_customer_adds_later_is_mailed_too(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        postbox = Postbox()
        for contact in ({}, {"phone": "06 12 34 56 78"}, {"phone": "06 12 34 56 78"}):
            await opened(db, shop, conversation, **contact)
            await run_jobs(addresses, Services(db, postbox))

        assert ["06 12 34 56 78" in mail.text for mail in postbox.mails] == [False, True]

    async def test_a_mail_that_is_refused_is_tried_again(
        self, db: Database, shop: TenantId, conversation: ConversationId
    ) -> None:
        postbox = Postbox(is_full=True)
        handoff_id = await opened(db, shop, conversation)
        with pytest.raises(MailNotSent):
            await tell(db, postbox, shop, handoff_id)
        postbox.is_full = False

        assert await tell(db, postbox, shop, handoff_id)
        assert len(postbox.mails) == 1

    async def test_what_the_customer_adds_while_it_is_being_mailed_is_mailed_too(
        self, db: Database, shop: TenantId, conversation: ConversationId
    ) -> None:
        class Slow(Postbox):
            async def send(self, mail: Mail) -> bool:
                """See `Mailer`."""
                if not self.mails:
                    await opened(db, shop, conversation, phone="06 12 34 56 78")
                return await super().send(mail)

        postbox = Slow()
        handoff_id = await opened(db, shop, conversation)

        assert await tell(db, postbox, shop, handoff_id)
        assert await tell(db, postbox, shop, handoff_id)
        assert not await tell(db, postbox, shop, handoff_id)
        assert ["06 12 34 56 78" in mail.text for mail in postbox.mails] == [False, True]

    async def test_a_mail_server_that_is_down_is_waited_for(
        self,
        db: Database,
        addresses: postgres.Addresses,
        shop: TenantId,
        conversation: ConversationId,
    ) -> None:
        await opened(db, shop, conversation)
        async with await psycopg.AsyncConnection.connect(addresses.owner) as owner:
            await owner.execute("SET search_path = procrastinate")
            await owner.execute("UPDATE procrastinate_jobs SET attempts = 5")
        await run_jobs(addresses, Services(db, Postbox(is_full=True)))
        async with await psycopg.AsyncConnection.connect(addresses.owner) as owner:
            cursor = await owner.execute(
                "SELECT status::text, scheduled_at > now() + interval '20 minutes'"
                " FROM procrastinate.procrastinate_jobs WHERE task_name = 'mail_handoff'"
            )
            assert await cursor.fetchall() == [("todo", True)]

    async def test_without_a_mail_server_it_is_listed_as_not_mailed(
        self, db: Database, shop: TenantId, conversation: ConversationId
    ) -> None:
        handoff_id = await opened(db, shop, conversation)

        assert not await tell(db, Postbox(has_server=False), shop, handoff_id)
        async with db.tenant(shop) as tx:
            (handoff,) = await handoffs.list_handoffs(tx, state="open")
        assert handoff.mailed_at is None

    async def test_a_tenant_without_an_address_is_not_mailed(
        self, db: Database, rivoli: TenantId
    ) -> None:
        postbox = Postbox()
        handoff_id = await opened(db, rivoli, await said(db, rivoli, "Une personne ?"))

        assert not await tell(db, postbox, rivoli, handoff_id)
        assert postbox.mails == []

    async def test_a_job_of_another_tenant_finds_nothing(
        self, db: Database, shop: TenantId, conversation: ConversationId, nordlys: TenantId
    ) -> None:
        postbox = Postbox()
        handoff_id = await opened(db, shop, conversation)

        assert not await tell(db, postbox, nordlys, handoff_id)
        assert not await tell(db, postbox, shop, HandoffId(uuid7()))
        assert postbox.mails == []

    async def test_a_closed_one_is_not_mailed(
        self, db: Database, shop: TenantId, conversation: ConversationId
    ) -> None:
        handoff_id = await opened(db, shop, conversation)
        async with db.tenant(shop) as tx:
            await handoffs.close(tx, handoff_id, by=None)

        assert not await tell(db, Postbox(), shop, handoff_id)

    async def test_an_english_business_is_told_in_english(self, db: Database) -> None:
        tenant_id = await tenants.create(
            db, slug=f"en-{uuid4().hex[:12]}", company_name="Shop", email="a@b.example", locale="en"
        )
        postbox = Postbox()
        conversation_id = await said(db, tenant_id, "A person please")
        handoff_id = await opened(db, tenant_id, conversation_id, phone="06 12 34 56 78")
        await tell(db, postbox, tenant_id, handoff_id)

        assert postbox.mails[0].subject == "Shop: a customer asks for a person"
        assert "Phone: 06 12 34 56 78" in postbox.mails[0].text
