"""What each contract says while a person takes care of a conversation, over the real engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.house import House
from tests.accounts import Account, joined
from tests.living import Business, client, living, move_in

EMAILS = "Comment automatiser mes emails de bienvenue?"
PERSON = "Je voudrais parler à une personne"
NOTICE = (
    "Votre message est bien arrivé : une personne de l'équipe de Copines s'en occupe"
    " et vous répond."
)


@dataclass(frozen=True)
class Street:
    """A running house, a business in it, and two of its people."""

    house: House
    url: str
    business: Business
    owner: Account
    member: Account


@pytest.fixture(scope="module")
async def street(addresses: Addresses, tmp_path_factory: Any) -> AsyncIterator[Street]:
    async with living(addresses, tmp_path_factory.mktemp("data")) as (house, url):
        business = await move_in(house, "copines")
        people = [await joined(house, business.id, role=role) for role in ("owner", "member")]
        yield Street(house, url, business, *people)


@dataclass(frozen=True)
class Talk:
    """A customer who asked for a person, and how to reach the request."""

    visitor: httpx2.AsyncClient
    ids: dict[str, str]
    token: str
    path: str

    async def say(self, text: str, **headers: str) -> httpx2.Response:
        body = {**self.ids, "message": text}
        return await self.visitor.post("/api/chat", json=body, headers=headers)

    async def history(self, **query: int) -> dict[str, Any]:
        answer = await self.visitor.get(
            f"/api/conversations/{self.ids['conversation_id']}/messages",
            params={"user_id": self.ids["user_id"], **query},
            headers={"X-Visitor-Token": self.token},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def talk(street: Street) -> AsyncIterator[Talk]:
    name = uuid4().hex[:8]
    ids = {"user_id": f"u-{name}", "conversation_id": f"c-{name}"}
    async with client(street.url, street.business) as visitor:
        asked = await visitor.post("/api/chat", json={**ids, "message": PERSON})
        token = asked.headers["x-visitor-token"]
        opened = await visitor.post(
            f"/api/conversations/{ids['conversation_id']}/handoff",
            headers={"X-Visitor-Token": token},
        )
        yield Talk(visitor, ids, token, f"/api/v1/handoffs/{opened.json()['id']}")


async def act(
    street: Street, talk: Talk, verb: str, by: Account | None = None, **body: object
) -> httpx2.Response:
    """Claim, reply or close as a member, or as `by`."""
    async with client(street.url, None, **(by or street.member).headers) as team:
        return await team.post(f"{talk.path}/{verb}", json=body)


async def seen(street: Street, talk: Talk) -> int:
    """How far the customer was shown what a person said."""
    async with street.house.db.tenant(street.business.id) as tx:
        place: int = await tx.value(
            "SELECT seen_seq FROM handoffs WHERE id = %s", [talk.path.rsplit("/", 1)[-1]]
        )
    return place


async def test_chat_v2_keeps_the_message_and_says_that_a_person_has_it(
    street: Street, talk: Talk
) -> None:
    assert (await act(street, talk, "claim")).json()["state"] == "claimed"
    answer = (await talk.say(EMAILS)).json()
    streamed = (await talk.say(EMAILS, Accept="text/event-stream")).text
    names = [line[7:] for line in streamed.splitlines() if line.startswith("event: ")]
    done = json.loads(streamed.split("event: done\ndata: ")[1].splitlines()[0])

    for told in (answer, done):
        assert (told["message"], told["outcome"], told["handoff"]) == ("", "handed_over", True)
        assert (told["agent"], told["sources"]) == ("escalate", [])
    assert names == ["turn", "done"]


async def test_contracts_that_cannot_show_an_empty_answer_say_a_sentence(
    street: Street, talk: Talk
) -> None:
    await act(street, talk, "claim")
    sent = {
        "conversationId": talk.ids["conversation_id"],
        "userId": talk.ids["user_id"],
        "message": EMAILS,
        "timestamp": "2026-11-03T12:00:00Z",
    }
    v1 = [(await talk.visitor.post("/webhook/chat", json=sent)).json() for _ in range(2)]
    async with openai.AsyncOpenAI(
        base_url=f"{street.url}/v1", api_key=street.business.api_key, max_retries=0
    ) as official:
        asking: dict[str, Any] = {
            "model": "auto",
            "user": talk.ids["user_id"],
            "messages": [{"role": "user", "content": EMAILS}],
            "metadata": {"conversation_id": talk.ids["conversation_id"]},
        }
        whole = await official.chat.completions.create(**asking)
        pieces = [
            chunk.choices[0].delta.content or ""
            async for chunk in await official.chat.completions.create(**asking, stream=True)
        ]

    assert [answer["response"] for answer in v1] == [NOTICE, NOTICE]
    assert whole.choices[0].message.content == NOTICE
    assert "".join(pieces) == NOTICE


async def test_the_history_says_who_has_come_and_what_is_new(street: Street, talk: Talk) -> None:
    asked = await talk.history()
    assert await seen(street, talk) == 0
    await act(street, talk, "reply", text="Bonjour, je regarde.", message_id="m-1")
    await act(street, talk, "reply", text="Bonjour, je regarde.", message_id="m-1")
    last = asked["items"][-1]["seq"]
    assert await seen(street, talk) == 0
    new = await talk.history(after=last)
    assert await seen(street, talk) == new["items"][-1]["seq"]
    await talk.say("Merci !")
    thanks = (await talk.history(after=new["items"][-1]["seq"]))["items"]
    await act(street, talk, "close")
    over = await talk.history(after=last)

    assert (asked["handoff"], asked["handoff_state"], asked["person"]) == (True, "open", None)
    assert (new["handoff"], new["handoff_state"], new["person"]) == (True, "claimed", "Paul")
    assert [(one["author"], one["name"], one["text"]) for one in new["items"]] == [
        ("person", "Paul", "Bonjour, je regarde.")
    ]
    assert [(one["author"], one["outcome"]) for one in thanks] == [("customer", "handed_over")]
    assert (over["handoff"], over["handoff_state"], over["person"]) == (False, None, None)
    assert (await talk.say(EMAILS)).json()["outcome"] == "answered"


async def test_a_key_lists_and_closes_and_cannot_speak_in_place_of_a_person(
    street: Street, talk: Talk
) -> None:
    admin = client(street.url, None, **street.owner.headers)
    async with admin:
        body = {"name": "outil", "scopes": ["manage"]}
        secret = (await admin.post("/api/v1/api-keys", json=body)).json()["secret"]
    async with client(street.url, None, Authorization=f"Bearer {secret}") as program:
        listed = await program.get("/api/v1/handoffs", params={"state": "open", "limit": 1})
        claimed = await program.post(f"{talk.path}/claim")
        replied = await program.post(f"{talk.path}/reply", json={"text": "Bonjour"})
        closed = await program.post(f"{talk.path}/close")

    assert listed.json()["items"][0]["id"] in talk.path
    assert [one.status_code for one in (claimed, replied, closed)] == [403, 403, 200]
    assert claimed.json()["code"] == replied.json()["code"] == "handoff_needs_a_person"
    assert (closed.json()["state"], closed.json()["closed_by"]) == ("closed", None)


async def test_a_member_may_not_take_over_what_another_holds_and_an_admin_may(
    street: Street, talk: Talk
) -> None:
    await act(street, talk, "claim", by=street.owner)
    refused = await act(street, talk, "claim")
    forced = await act(street, talk, "claim", take_over=True)
    await act(street, talk, "claim", by=street.owner)
    answered = await act(street, talk, "reply", text="Bonjour")

    assert (refused.status_code, refused.json()["code"]) == (409, "handoff_claimed")
    assert (forced.status_code, forced.json()["code"]) == (403, "role_missing")
    assert (answered.status_code, answered.json()["code"]) == (409, "handoff_claimed")
    await act(street, talk, "close")


async def test_an_owner_takes_over_what_a_member_holds(street: Street, talk: Talk) -> None:
    await act(street, talk, "claim")
    taken = await act(street, talk, "claim", by=street.owner, take_over=True)

    assert taken.json()["claimed_by"] == str(street.owner.user_id)
