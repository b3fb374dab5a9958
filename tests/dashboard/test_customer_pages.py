"""Conversations and the inbox: what they show is in rows, what is done there is done to them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2
import pytest

from coccinelle.conversations import reading
from coccinelle.conversations.model import Arrival
from coccinelle.conversations.reading import Line
from coccinelle.dashboard.rendering import prose
from coccinelle.foundation.ids import ConversationId, HandoffId
from coccinelle.handoffs import actions as handoffs
from tests.accounts import Account, joined
from tests.dashboard.conftest import Reader, Town
from tests.living import Business, client, move_in

EMAILS = "Comment automatiser mes emails de bienvenue ?"
OUTSIDE = "Quelle est la capitale de l'Australie ?"
HOSTILE = '<img src=x onerror="window.__pwn=1"><script>window.__pwn=1</script> **gras** `x`'
CONVERSATIONS = "/dashboard/conversations"
INBOX = "/dashboard/inbox"
HTMX = {"HX-Request": "true"}


@dataclass(frozen=True)
class Shop:
    """A business, who works there, and a customer of hers who waits for a person."""

    town: Town
    business: Business
    boss: Account
    member: Account
    other: Account
    handoff_id: HandoffId

    def said_in(self, name: str) -> ConversationId:
        """The conversation that a page calls `name`."""
        return Arrival(self.business.id, "chat_v2", "u", name, "").conversation_uuid

    async def ask(self, name: str, message: str) -> None:
        async with client(self.town.url, self.business) as customer:
            body = {"user_id": f"u-{name}", "conversation_id": name, "message": message}
            answer = await customer.post("/api/chat", json=body)
            assert answer.status_code == 200, answer.text

    async def lines(self, name: str) -> list[Line]:
        async with self.town.house.db.tenant(self.business.id) as tx:
            return await reading.lines_after(tx, self.said_in(name), after_seq=0, limit=99)

    async def wanted(self, name: str, **contact: str) -> HandoffId:
        """A new customer's wish for a person."""
        await self.ask(name, EMAILS)
        async with self.town.house.db.tenant(self.business.id) as tx:
            said_in = self.said_in(name)
            return await handoffs.open(tx, conversation_id=said_in, reason="asked", **contact)


@pytest.fixture(scope="module")
async def shop(town: Town) -> Shop:
    business = await move_in(town.house, "rivoli")
    boss, member, other = [
        await joined(town.house, business.id, role=role) for role in ("owner", "member", "member")
    ]
    shop = Shop(town, business, boss, member, other, HandoffId(UUID(int=0)))
    await shop.ask("emails", EMAILS)
    await shop.ask("outside", OUTSIDE)
    await shop.ask("hostile", HOSTILE)
    contact = {"email": "ana@example.com", "phone": "06 12 34 56 78", "note": "Le matin, merci."}
    handoff_id = await shop.wanted("waiting", **contact)
    return Shop(town, business, boss, member, other, handoff_id)


@pytest.fixture
async def member(shop: Shop) -> AsyncIterator[Reader]:
    async with shop.town.reader(shop.member) as reader:
        yield reader


@pytest.fixture
async def other(shop: Shop) -> AsyncIterator[Reader]:
    async with shop.town.reader(shop.other) as reader:
        yield reader


@pytest.fixture
async def boss(shop: Shop) -> AsyncIterator[Reader]:
    async with shop.town.reader(shop.boss) as reader:
        yield reader


def rows(page: str) -> list[str]:
    """Each conversation or hand-off of a list, as text."""
    found = re.findall(
        r'<li>\s*<a [^>]*href="/dashboard/(?:conversations|inbox)/[^>]*>.*?</li>', page, re.S
    )
    return [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in found]


async def test_conversations_are_listed_searched_and_narrowed(shop: Shop, member: Reader) -> None:
    listed = rows(await member.see(CONVERSATIONS))
    found = rows(await member.see(f"{CONVERSATIONS}?q=AUSTRALIE&outcome=escalated"))
    asked = rows(await member.see(f"{CONVERSATIONS}?handoff=open"))
    nothing = await member.see(f"{CONVERSATIONS}?q=introuvable")

    assert len(listed) == 4
    assert EMAILS in listed[0]
    assert "Attend une personne" in listed[0]
    assert ["Sans réponse" in row for row in found] == [True]
    assert len(asked) == 1
    assert rows(nothing) == []
    assert "Aucune conversation ne correspond" in nothing


async def test_a_list_says_what_is_wrong_with_a_search(member: Reader) -> None:
    answer = await member.get(f"{CONVERSATIONS}?since=hier&q={'x' * 201}")

    assert answer.status_code == 422
    assert set(re.findall(r'id="(\w+)-error"', answer.text)) == {"q", "since"}
    assert "Un jour s&#39;écrit année-mois-jour" in answer.text


async def test_a_list_goes_on_where_it_ended(shop: Shop, member: Reader) -> None:
    async with shop.town.house.db.tenant(shop.business.id) as tx:
        await tx.run(
            "INSERT INTO conversations (id, tenant_id, external_id, customer_id, channel,"
            " last_message_at) SELECT gen_random_uuid(), c.tenant_id, 'many-' || n, c.id, 'cli',"
            " now() - make_interval(mins => n) FROM generate_series(0, 30) n,"
            " (SELECT * FROM customers WHERE tenant_id = %s LIMIT 1) c",
            [shop.business.id],
        )
    first = await member.see(f"{CONVERSATIONS}?channel=cli&q=")
    more = re.search(r'href="([^"]+cursor=[^"]+)"', first)
    assert more
    rest = await member.see(more[1])
    async with shop.town.house.db.tenant(shop.business.id) as tx:
        await tx.run(
            "DELETE FROM conversations WHERE tenant_id = %s AND channel = 'cli'",
            [shop.business.id],
        )

    assert (len(rows(first)), len(rows(rest))) == (30, 1)
    assert "channel=cli" in more[1]
    assert "q=" not in more[1]


async def test_a_conversation_says_why_each_answer_is_as_it_is(shop: Shop, member: Reader) -> None:
    known = await member.see(f"{CONVERSATIONS}/{shop.said_in('emails')}")
    unknown = await member.see(f"{CONVERSATIONS}/{shop.said_in('outside')}")

    for part in ("Pourquoi cette réponse", "Audrey a répondu", "Montré au client", "Questions"):
        assert part in known, part
    for part in ("Sûreté du choix", "Meilleur passage", "Chercher dans vos documents", "En tout"):
        assert part in known, part
    assert "sans modèle de langage" in known
    assert "/dashboard/knowledge/questions" not in known
    assert "Rien de ce que sait votre assistant" in unknown
    assert "/dashboard/knowledge/questions" in unknown


async def test_a_long_conversation_begins_at_its_end(shop: Shop, member: Reader) -> None:
    await shop.ask("long", EMAILS)
    async with shop.town.house.db.tenant(shop.business.id) as tx:
        await tx.run(
            "INSERT INTO messages (id, tenant_id, conversation_id, seq, author, text)"
            " SELECT gen_random_uuid(), %s, %s, n, 'customer', 'Ligne ' || n || '.'"
            " FROM generate_series(3, 40) n",
            [shop.business.id, shop.said_in("long")],
        )
    path = f"{CONVERSATIONS}/{shop.said_in('long')}"
    last = await member.see(path)
    older = re.search(r'href="([^"]+before=\d+)"', last)
    assert older
    first = await member.see(older[1])

    assert ("Ligne 40." in last, "Ligne 11." in last, "Ligne 10." in last) == (True, True, False)
    assert ("Ligne 10." in first, EMAILS in first, "Ligne 11." in first) == (True, True, False)
    assert "before=" not in first


async def test_a_page_of_a_conversation_parts_no_answer_from_its_question(
    shop: Shop, member: Reader
) -> None:
    await shop.ask("whole", EMAILS)
    async with shop.town.house.db.tenant(shop.business.id) as tx:
        await tx.run(
            "INSERT INTO messages (id, tenant_id, conversation_id, seq, author, text)"
            " SELECT gen_random_uuid(), %s, %s, n, 'customer', 'Ligne ' || n || '.'"
            " FROM generate_series(3, 31) n",
            [shop.business.id, shop.said_in("whole")],
        )
    last = await member.see(f"{CONVERSATIONS}/{shop.said_in('whole')}")
    older = re.search(r'href="([^"]+before=\d+)"', last)
    assert older
    first = await member.see(older[1])

    assert [len(re.findall(r'id="m\d+"', page)) for page in (first, last)] == [2, 29]
    assert "Pourquoi cette réponse" in first
    assert "n’a pas reçu de réponse" not in first


async def test_what_people_say_is_text(shop: Shop, member: Reader) -> None:
    for path in ("", "?q=gras", f"/{shop.said_in('hostile')}"):
        answer = await member.get(CONVERSATIONS + path)
        assert "<img src=x" not in answer.text
        assert "<script>window" not in answer.text
        assert "&lt;img src=x" in answer.text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("**Prix :** 3 €", "<strong>Prix :</strong> 3 €"),
        ("**<b>** & **", "<strong>&lt;b&gt;</strong> &amp; **"),
        ("2 ** 3 ** 4 [a](javascript:x) <i>", "2 ** 3 ** 4 [a](javascript:x) &lt;i&gt;"),
    ],
)
def test_of_what_a_model_says_only_bold_is_more_than_text(said: str, shown: str) -> None:
    assert str(prose(said)) == shown


async def test_a_request_is_claimed_answered_and_closed_without_javascript(
    shop: Shop, member: Reader, boss: Reader
) -> None:
    handoff_id = await shop.wanted("plain")
    path = f"{INBOX}/{handoff_id}"
    waiting = await member.see(path)
    claimed = await member.send(f"{path}/claim")
    mine = await member.see(path)
    sent = await member.send(f"{path}/reply", {"text": " Bonjour Ana. ", "message_key": "k1"})
    again = await member.send(f"{path}/reply", {"text": " Bonjour Ana. ", "message_key": "k1"})
    await shop.ask("plain", "Merci !")
    said = await member.see(path)
    closed = await member.send(f"{path}/close")
    over = await member.see(path)
    lines = await shop.lines("plain")
    audit = await boss.see("/dashboard/settings/audit")

    assert "Ce client attend une personne" in waiting
    assert "L’assistant lui répond encore" in waiting
    assert "L’assistant se tait" in mine
    assert {claimed.status_code, sent.status_code, again.status_code} == {303}
    assert closed.headers["location"] == path
    assert [(one.author, one.text) for one in lines[2:]] == [
        ("person", "Bonjour Ana."),
        ("customer", "Merci !"),
    ]
    assert said.count("Bonjour Ana.") == 1
    assert "Merci !" in said
    assert "Terminée" in over
    assert "<textarea" not in over
    for deed in ("s’est chargé d’une demande", "a répondu à un client", "a terminé une demande"):
        assert deed in audit


async def test_a_reply_claims_what_nobody_has_claimed(shop: Shop, member: Reader) -> None:
    handoff_id = await shop.wanted("direct")
    await member.send(f"{INBOX}/{handoff_id}/reply", {"text": "Bonjour.", "message_key": "k"})
    async with shop.town.house.db.tenant(shop.business.id) as tx:
        found = await handoffs.one(tx, handoff_id)

    assert (found.state, found.claimed_by) == ("claimed", shop.member.user_id)


async def test_one_person_answers_at_a_time_and_an_admin_may_take_over(
    shop: Shop, member: Reader, other: Reader, boss: Reader
) -> None:
    handoff_id = await shop.wanted("held")
    path = f"{INBOX}/{handoff_id}"
    await member.send(f"{path}/claim")
    seen = await other.see(path)
    late = await other.send(f"{path}/reply", {"text": "Je réponds aussi.", "message_key": "k"})
    claim = await other.send(f"{path}/claim")
    denied = await other.send(f"{path}/claim", {"do": "take_over"})
    offered = await boss.see(path)
    taken = await boss.send(f"{path}/claim", {"do": "take_over"})

    assert "Paul Petit s’en occupe" in seen
    assert "<textarea" not in seen
    assert "Prendre la suite" not in seen
    assert (late.status_code, claim.status_code, denied.status_code) == (409, 409, 403)
    assert "Je réponds aussi." in late.text
    assert "Votre texte n’est pas parti" in late.text
    assert "Prendre la suite" in offered
    assert taken.status_code == 303
    assert "<textarea" in await boss.see(path)
    assert "<textarea" not in await member.see(path)


async def test_what_is_refused_stays_in_the_box(shop: Shop, member: Reader) -> None:
    handoff_id = await shop.wanted("refused")
    path = f"{INBOX}/{handoff_id}/reply"
    blank = await member.send(path, {"text": "  ", "message_key": "k"})
    long = await member.send(path, {"text": "x" * 2001, "message_key": "k"})
    await member.send(path, {"text": "Oui.", "message_key": "k"})
    reused = await member.send(path, {"text": "Non.", "message_key": "k"})
    key = re.search(r'name="message_key" value="(\w+)"', reused.text)

    assert (blank.status_code, long.status_code, reused.status_code) == (422, 422, 409)
    assert 'id="text-error"' in blank.text
    assert "x" * 2001 in long.text
    assert "Non." in reused.text
    assert key
    assert key[1] != "k"


def poll(fragment: str) -> dict[str, str]:
    """What the page asks with next."""
    return dict(re.findall(r'name="(after|late|seen)" value="([^"]*)"', fragment))


async def test_only_what_is_new_comes_while_the_page_is_open(shop: Shop, member: Reader) -> None:
    handoff_id = await shop.wanted("live")
    path = f"{INBOX}/{handoff_id}"
    await member.send(f"{path}/claim")
    asked = poll(await member.see(path))

    async def news(values: dict[str, str]) -> httpx2.Response:
        return await member.client.get(path, params=values, headers=HTMX)

    nothing = await news(asked)
    await shop.ask("live", "Vous êtes là ?")
    new = await news(asked)
    after = await news(poll(new.text))
    form = {"text": "Oui !", "message_key": "k", **poll(new.text)}
    sent = await member.send(f"{path}/reply", form, **HTMX)
    await member.send(f"{path}/close")
    over = await news(poll(sent.text))

    assert (nothing.status_code, after.status_code) == (204, 204)
    assert new.text.count("<li") == sent.text.count("<li") == 1
    assert "Vous êtes là ?" in new.text
    assert 'id="status"' not in new.text
    assert "<textarea" not in new.text
    assert "Oui !" in sent.text
    assert "<textarea" in sent.text
    assert "Terminée" in over.text
    assert "<textarea" not in over.text
    assert "<html" not in new.text + sent.text + over.text


async def test_an_answer_that_comes_late_is_shown_though_others_spoke_meanwhile(
    shop: Shop, member: Reader
) -> None:
    handoff_id = await shop.wanted("late")
    path = f"{INBOX}/{handoff_id}"
    said_in, turn_id = shop.said_in("late"), uuid4()
    db, tenant = shop.town.house.db, shop.business.id
    async with db.tenant(tenant) as tx:
        await tx.run(
            "INSERT INTO turns (id, tenant_id, conversation_id, seq, channel, message_sha256,"
            " state, lease_id, lease_expires_at) VALUES (%s, %s, %s, 3, 'cli', '', 'answering',"
            " %s, now() + interval '1 hour')",
            [turn_id, tenant, said_in, uuid4()],
        )
        await tx.run(
            "UPDATE conversations SET next_seq = 5 WHERE tenant_id = %s AND id = %s",
            [tenant, said_in],
        )
    await member.send(f"{path}/reply", {"text": "J’arrive.", "message_key": "k"})
    asked = poll(await member.see(path))
    async with db.tenant(tenant) as tx:
        await tx.run(
            "INSERT INTO messages (id, tenant_id, conversation_id, seq, turn_id, author, text)"
            " VALUES (%s, %s, %s, 4, %s, 'agent', 'Enfin.')",
            [uuid4(), tenant, said_in, turn_id],
        )
        await tx.run(
            "UPDATE turns SET state = 'answered', lease_expires_at = NULL, finished_at = now()"
            " WHERE tenant_id = %s AND id = %s",
            [tenant, turn_id],
        )
    new = await member.client.get(path, params=asked, headers=HTMX)
    after = await member.client.get(path, params=poll(new.text), headers=HTMX)

    assert asked["late"] == "4"
    assert new.text.count("<li") == 1
    assert "Enfin." in new.text
    assert after.status_code == 204


async def test_the_inbox_says_who_waits_who_is_taken_care_of_and_how_to_reach_them(
    shop: Shop, member: Reader
) -> None:
    empty = await joined(shop.town.house, (await move_in(shop.town.house, "nordlys")).id)
    waiting = rows(await member.see(INBOX))
    one = await member.see(f"{INBOX}/{shop.handoff_id}")
    async with shop.town.reader(empty) as reader:
        nobody = [await reader.see(f"{INBOX}?state={state}") for state in ("open", "claimed", "x")]

    assert any("ana@example.com" in row and "Le matin, merci." in row for row in waiting)
    assert 'href="mailto:ana%40example.com"' in one
    assert 'href="tel:0612345678"' in one
    assert "Personne n’attend" in nobody[0]
    assert "Aucune demande n’est en cours" in nobody[1]
    assert "Personne n’attend" in nobody[2]


async def test_another_business_finds_nothing_of_this_one(shop: Shop) -> None:
    business = await move_in(shop.town.house, "nordlys")
    stranger = await joined(shop.town.house, business.id)
    at = [f"{CONVERSATIONS}/{shop.said_in('emails')}", f"{INBOX}/{shop.handoff_id}"]
    async with shop.town.reader(stranger) as reader:
        pages = [await reader.get(path) for path in at]
        pages += [await reader.send(f"{at[1]}/{do}") for do in ("claim", "reply", "close")]
        lists = [CONVERSATIONS, f"{CONVERSATIONS}?q={shop.business.canary}", INBOX]
        seen = "".join([await reader.see(path) for path in lists])

    statuses = [answer.status_code for answer in pages]
    assert statuses == [404] * 5
    assert not any(shop.business.canary in answer.text for answer in pages)
    assert rows(seen) == []


async def test_who_waits_for_a_person_is_not_told_as_unanswered(shop: Shop, member: Reader) -> None:
    await shop.ask("both", OUTSIDE)
    await shop.wanted("both")
    (waits,) = [
        row
        for row in rows(await member.see(f"{CONVERSATIONS}?handoff=open"))
        if "example.com" not in row and OUTSIDE in row
    ]

    assert "Attend une personne" in waits
    assert "Sans réponse" not in waits


async def test_a_request_names_its_visitor_as_their_conversation_does(
    shop: Shop, member: Reader
) -> None:
    await shop.ask("nameless", EMAILS)
    handoff_id = await shop.wanted("nameless")
    asked = next(row for row in rows(await member.see("/dashboard/inbox")) if EMAILS in row)
    name = " ".join(asked.split()[:2])

    assert re.fullmatch(r"Visiteur \S{4}", name)
    assert f"<h1>{name}</h1>" in await member.see(f"/dashboard/inbox/{handoff_id}")
    assert any(row.startswith(name) for row in rows(await member.see(CONVERSATIONS)))
