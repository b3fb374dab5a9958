"""What a business reads of its conversations by API: filtered, paged, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from coccinelle.foundation.ids import ConversationId
from coccinelle.foundation.postgres import Addresses
from coccinelle.handoffs import actions as handoffs
from coccinelle.house import House
from coccinelle.tenants import actions as tenants
from tests.accounts import Account, joined
from tests.living import Business, client, living, move_in

EMAILS = "Comment automatiser mes emails de bienvenue ?"
REELS = "Aide-moi avec les reels : comment créer un reel viral sur Instagram ?"
OUTSIDE = "Quelle est la capitale de l'Australie ?"
A_WEEK_AGO = "last_message_at = last_message_at - interval '7 days'"


@dataclass(frozen=True)
class Shop:
    """A business whose customers have said three things, and another one of which all is alike."""

    house: House
    url: str
    rivoli: Business
    nordlys: Business
    manager: dict[str, str]
    member: Account
    turns: dict[str, str]
    sender: httpx2.AsyncClient

    async def ask(
        self, path: str, by: dict[str, str] | None = None, **query: Any
    ) -> httpx2.Response:
        return await self.sender.get(
            f"/api/v1/{path}", params=query or None, headers=by or self.manager
        )

    async def get(self, path: str, by: dict[str, str] | None = None, **query: Any) -> Any:
        answer = await self.ask(path, by, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, **query: Any) -> list[str]:
        """Which conversations a list has, the latest first."""
        return [one["external_id"] for one in (await self.get("conversations", **query))["items"]]


async def asked(
    url: str, business: Business, said: dict[str, list[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Ask all that; the last turn of each conversation, and its visitor token."""
    turns: dict[str, str] = {}
    tokens: dict[str, str] = {}
    async with client(url, business) as customer:
        for name, questions in said.items():
            for question in questions:
                body = {"user_id": f"u-{name}", "conversation_id": name, "message": question}
                answer = await customer.post("/api/chat", json=body)
                assert answer.status_code == 200, answer.text
                turns[name] = answer.json()["turn_id"]
                tokens.setdefault(name, answer.headers.get("X-Visitor-Token", ""))
    return turns, tokens


@pytest.fixture(scope="module")
async def shop(
    addresses: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    async with living(addresses, tmp_path_factory.mktemp("shop")) as (house, url):
        rivoli, nordlys = await move_in(house, "rivoli"), await move_in(house, "nordlys")
        said = {"emails": [EMAILS, EMAILS], "outside": [OUTSIDE], "reels": [REELS]}
        turns, tokens = await asked(url, rivoli, said)
        await asked(url, nordlys, {"theirs": [EMAILS], "outside": [OUTSIDE]})
        async with client(url, rivoli, **{"X-Visitor-Token": tokens["reels"]}) as customer:
            body = {"score": -1, "comment": "Trop court."}
            answer = await customer.post(f"/api/turns/{turns['reels']}/feedback", json=body)
            assert answer.status_code < 300, answer.text
        async with house.db.tenant(rivoli.id) as tx:
            named = "SELECT id FROM conversations WHERE tenant_id = %s AND external_id = %s"
            emails = ConversationId(await tx.value(named, [rivoli.id, "emails"]))
            await handoffs.open(tx, conversation_id=emails, reason="asked")
            where = " WHERE tenant_id = %s AND external_id = 'outside'"
            await tx.run(f"UPDATE conversations SET {A_WEEK_AGO}{where}", [rivoli.id])
            key = await tenants.create_api_key(tx, name="gestion", scopes=["manage"])
        manager = {"Authorization": f"Bearer {key.secret}"}
        member = await joined(house, rivoli.id, role="member")
        async with client(url) as sender:
            yield Shop(house, url, rivoli, nordlys, manager, member, turns, sender)


async def test_the_latest_conversation_comes_first_at_a_glance(shop: Shop) -> None:
    found = (await shop.get("conversations"))["items"]
    reels = found[0]

    assert [one["external_id"] for one in found] == ["reels", "emails", "outside"]
    assert (reels["first_message"], reels["message_count"]) == (REELS, 2)
    assert (reels["user_id"], reels["channel"]) == ("u-reels", "chat_v2")
    assert (reels["agent"], reels["agent_name"]) == ("carole", "Carole")
    assert (reels["up_count"], reels["down_count"], reels["outcomes"]) == (0, 1, ["answered"])
    assert reels["handoff"] is None
    assert (found[1]["handoff"], found[2]["outcomes"]) == ("open", ["escalated"])


def day(days_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).date().isoformat()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "viral instag"}, ["reels"]),
        ({"q": "VIRALE"}, ["reels"]),
        ({"q": "  "}, ["reels", "emails", "outside"]),
        ({"q": "viral australie"}, []),
        ({"agent": "audrey"}, ["emails"]),
        ({"agent": "nobody"}, []),
        ({"outcome": "answered"}, ["reels", "emails"]),
        ({"outcome": "escalated"}, ["outside"]),
        ({"outcome": "failed"}, []),
        ({"agent": "carole", "outcome": "escalated"}, []),
        ({"feedback": "down"}, ["reels"]),
        ({"feedback": "up"}, []),
        ({"feedback": "down", "outcome": "answered", "q": "reel"}, ["reels"]),
        ({"channel": "chat_v2"}, ["reels", "emails", "outside"]),
        ({"channel": "webhook_v1"}, []),
        ({"handoff": "open"}, ["emails"]),
        ({"until": day(2)}, ["outside"]),
        ({"since": day(2)}, ["reels", "emails"]),
        ({"since": day(8), "until": day(6)}, ["outside"]),
    ],
)
async def test_filters_leave_what_is_all_that_is_asked_for(
    shop: Shop, query: dict[str, str], expected: list[str]
) -> None:
    assert await shop.names(**query) == expected


async def test_pages_follow_one_another_even_while_somebody_speaks(shop: Shop) -> None:
    business = await move_in(shop.house, "rivoli")
    names = [f"c{number}" for number in range(5)]
    await asked(shop.url, business, {name: [EMAILS] for name in names})
    by = {"Authorization": f"Bearer {await managing(shop, business)}"}
    first = await shop.get("conversations", by=by, limit=2)
    await asked(shop.url, business, {"c3": [REELS]})
    second = await shop.get("conversations", by=by, limit=2, cursor=first["next_cursor"])
    third = await shop.get("conversations", by=by, limit=2, cursor=second["next_cursor"])
    pages = [[one["external_id"] for one in page["items"]] for page in (first, second, third)]

    assert pages == [["c4", "c3"], ["c2", "c1"], ["c0"]]
    assert third["next_cursor"] is None


async def managing(shop: Shop, business: Business) -> str:
    async with shop.house.db.tenant(business.id) as tx:
        return (await tenants.create_api_key(tx, name="gestion", scopes=["manage"])).secret


async def test_a_conversation_is_read_from_its_beginning_page_by_page(shop: Shop) -> None:
    listed = (await shop.get("conversations", q="bienvenue"))["items"][0]
    first = await shop.get(f"conversations/{listed['id']}", limit=3)
    rest = await shop.get(f"conversations/{listed['id']}", cursor=first["next_cursor"])

    said = first["messages"] + rest["messages"]
    assert [line["author"] for line in said] == ["customer", "agent"] * 2
    assert [line["text"] for line in said[::2]] == [EMAILS, EMAILS]
    assert said[1]["name"] == "Audrey"
    assert shop.rivoli.canary in said[1]["text"]
    assert said[3]["turn_id"] == shop.turns["emails"]
    assert rest["next_cursor"] is None
    assert {name: first[name] for name in listed} == listed


async def test_a_turn_says_why(shop: Shop) -> None:
    turn = await shop.get(f"turns/{shop.turns['reels']}")

    assert (turn["state"], turn["agent"], turn["agent_name"]) == ("answered", "carole", "Carole")
    assert (turn["feedback"], turn["feedback_comment"]) == (-1, "Trop court.")
    assert turn["reason"]
    assert 0 <= turn["confidence"] <= 1
    assert turn["best_score"] >= turn["answer_threshold"]
    assert [step["step"] for step in turn["steps"]] == ["admit", "route", "retrieve", "generate"]
    assert any(source["cited"] for source in turn["sources"])
    assert turn["calls"] == []
    assert turn["cost_microeur"] == 0


async def test_any_member_reads_and_so_does_a_key_that_may_manage(shop: Shop) -> None:
    assert await shop.get("conversations", by=shop.member.headers) == await shop.get(
        "conversations"
    )
    weak = {"Authorization": f"Bearer {shop.rivoli.api_key}"}
    refused = await shop.ask("conversations", by=weak)
    nobody = await shop.ask("conversations", by={"Host": shop.rivoli.host})

    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "api_key_required")


async def test_nothing_of_another_business_is_found_listed_or_read(shop: Shop) -> None:
    nordlys = {"Authorization": f"Bearer {await managing(shop, shop.nordlys)}"}
    listed = (await shop.get("conversations"))["items"]
    theirs = await shop.get("conversations", by=nordlys, q=shop.rivoli.canary)
    assert (await shop.get("conversations", q=shop.rivoli.canary))["items"] != []
    async with client(shop.url, None, **nordlys) as reader:
        foreign = [f"conversations/{listed[0]['id']}", f"turns/{shop.turns['reels']}"]
        answers = [await reader.get(f"/api/v1/{path}") for path in foreign]
        none = [
            await reader.get(f"/api/v1/{path}/{uuid4()}") for path in ("conversations", "turns")
        ]

    assert theirs["items"] == []
    assert [alike(one) for one in answers] == [alike(one) for one in none]
    assert {one.status_code for one in answers} == {404}


def alike(answer: httpx2.Response) -> dict[str, Any]:
    """A refusal, without the request's number."""
    return {name: value for name, value in answer.json().items() if name != "request_id"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("conversations?since=hier", "since"),
        ("conversations?since=0", "since"),
        ("conversations?until=2026-02-30", "until"),
        ("conversations?outcome=fine", "outcome"),
        ("conversations?channel=fax", "channel"),
        ("conversations?feedback=1", "feedback"),
        ("conversations?handoff=closed", "handoff"),
        ("conversations?limit=0", "limit"),
        (f"conversations?q={'x' * 201}", "q"),
        ("conversations?cursor=1-2", "cursor"),
        (f"conversations?cursor={'9' * 17}-{UUID(int=4).hex}", "cursor"),
        (f"conversations/{UUID(int=1)}?cursor=-1", "cursor"),
        ("conversations/x", "id"),
        ("turns/x", "turn_id"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name(shop: Shop, path: str, field: str) -> None:
    answer = await shop.ask(path)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
