"""The channels over the real engine: what the replaced system's clients send is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest

from coccinelle.foundation.postgres import Addresses
from coccinelle.handoffs import actions as handoffs
from coccinelle.house import House
from tests.living import Business, client, living, move_in

EMAILS = "Comment automatiser mes emails de bienvenue?"
REELS = "Aide-moi avec les reels : en créer un, viral, sur Instagram"


@dataclass(frozen=True)
class Street:
    """A running house with a business in it."""

    house: House
    url: str
    business: Business


@pytest.fixture(scope="module")
async def street(addresses: Addresses, tmp_path_factory: Any) -> AsyncIterator[Street]:
    data: Path = tmp_path_factory.mktemp("data")
    async with living(addresses, data) as (house, url):
        yield Street(house, url, await move_in(house, "copines"))


@pytest.fixture
async def visitor(street: Street) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(street.url, street.business) as opened:
        yield opened


def asked(message: str, **changes: object) -> dict[str, object]:
    name = uuid4().hex[:8]
    body = {"user_id": f"u-{name}", "conversation_id": f"c-{name}", "message": message}
    return {**body, **changes}


@pytest.mark.parametrize(("message", "agent"), [(EMAILS, "audrey"), (REELS, "carole")])
async def test_a_question_reaches_its_agent_and_what_it_knows(
    visitor: httpx2.AsyncClient, street: Street, message: str, agent: str
) -> None:
    answer = (await visitor.post("/api/chat", json=asked(message))).json()

    assert answer["agent"] == agent
    assert street.business.canary in answer["message"]
    assert answer["sources"]


async def test_a_stream_and_its_answer_say_the_same(visitor: httpx2.AsyncClient) -> None:
    headers = {"Accept": "text/event-stream"}
    answer = await visitor.post("/api/chat", json=asked(EMAILS), headers=headers)
    seen = [
        (block.split("\n")[1].removeprefix("event: "), json.loads(block.split("\n")[2][6:]))
        for block in answer.text.strip().split("\n\n")
        if block.startswith("id: ")
    ]
    names = [name for name, _ in seen]
    text = "".join(data["text"] for name, data in seen if name == "delta")

    assert names[:2] == ["turn", "agent"]
    assert names[-1] == "done"
    assert seen[-1][1]["message"] == text


async def test_the_same_conversation_goes_on_in_the_other_contract(
    visitor: httpx2.AsyncClient,
) -> None:
    first = asked(EMAILS)
    token = (await visitor.post("/api/chat", json=first)).headers["x-visitor-token"]
    sent = {
        "conversationId": first["conversation_id"],
        "userId": first["user_id"],
        "message": REELS,
        "timestamp": "2020-02-02T02:02:02Z",
    }
    second = await visitor.post("/webhook/chat", json=sent)
    again = await visitor.post("/webhook/chat", json=sent)
    history = await visitor.get(
        f"/api/conversations/{first['conversation_id']}/messages",
        params={"user_id": str(first["user_id"])},
        headers={"X-Visitor-Token": token},
    )

    assert second.json()["agentType"] == "creation"
    assert again.json()["response"] == second.json()["response"]
    said = [item["text"] for item in history.json()["items"] if item["author"] == "customer"]
    assert said == [EMAILS, REELS]


async def test_fifty_posts_of_one_message_are_one_turn(
    visitor: httpx2.AsyncClient, street: Street
) -> None:
    body = asked(EMAILS, message_id=uuid4().hex)
    answers = await asyncio.gather(*(visitor.post("/api/chat", json=body) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["turn_id"] for answer in answers}) == 1
    left = await visitor.get(f"/api/rate-limit/{body['conversation_id']}")
    assert left.json()["remaining"] == 9


async def test_the_eleventh_message_waits_even_in_a_new_conversation(
    visitor: httpx2.AsyncClient,
) -> None:
    user = f"u-{uuid4().hex[:8]}"
    answers = [
        await visitor.post("/api/chat", json=asked("Bonjour", user_id=user)) for _ in range(11)
    ]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json()["detail"] == "Trop de messages. Attendez quelques instants."
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_customer_who_asks_for_a_person_gets_one(
    visitor: httpx2.AsyncClient, street: Street
) -> None:
    body = asked("Je voudrais parler à une personne")
    answer = await visitor.post("/api/chat", json=body)
    listed = await visitor.post(
        f"/api/conversations/{body['conversation_id']}/handoff",
        json={"email": "lea@example.com"},
        headers={"X-Visitor-Token": answer.headers["x-visitor-token"]},
    )
    async with street.house.db.tenant(street.business.id) as tx:
        opened = [
            handoff
            for handoff in await handoffs.list_handoffs(tx)
            if handoff.conversation_external_id == body["conversation_id"]
        ]

    assert (answer.json()["agent"], answer.json()["handoff"]) == ("escalate", True)
    assert [(str(one.id), one.email) for one in opened] == [
        (listed.json()["id"], "lea@example.com")
    ]


async def test_the_official_client_talks_to_an_agent(street: Street) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{street.url}/v1", api_key=street.business.api_key, max_retries=0
    ) as official:
        stream = await official.chat.completions.create(
            model="carole", messages=[{"role": "user", "content": REELS}], stream=True
        )
        text = "".join(
            [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        )
        with pytest.raises(openai.NotFoundError):
            await official.chat.completions.create(
                model="nobody", messages=[{"role": "user", "content": REELS}]
            )

    assert street.business.canary in text
