"""The v1 webhook: what its recorded exchanges do not show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import Inbound, TurnResult
from coccinelle.foundation.errors import Conflict, TooMany, Unavailable

from .conftest import House, Shop
from .scripted import fail, result_of

Send = Callable[..., Awaitable[httpx2.Response]]
SORRY = "Désolée, je rencontre un petit souci technique. Réessaie dans un instant !"


@pytest.fixture
def send(client: httpx2.AsyncClient, shop: Shop) -> Send:
    async def post(**changes: object) -> httpx2.Response:
        body = {
            "conversationId": shop.name("c"),
            "userId": shop.name("u"),
            "message": "Bonjour",
            "timestamp": "2026-11-03T12:00:00Z",
            **changes,
        }
        return await client.post("/webhook/chat", json=body, headers={"Host": shop.host})

    return post


def answering(**changes: Any) -> Callable[[Inbound, LiveTurn], Awaitable[TurnResult]]:
    async def script(inbound: Inbound, live: LiveTurn) -> TurnResult:
        return replace(result_of(inbound, live), **changes)

    return script


async def test_too_many_messages_is_told_in_the_words_of_the_contract(
    send: Send, house: House
) -> None:
    house.engine.refusal = TooMany(retry_after_seconds=7)
    answer = await send()

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    assert {k: v for k, v in answer.json().items() if k != "timestamp"} == {
        "error": "Trop de messages envoyés. Attendez quelques instants.",
        "type": "RATE_LIMIT",
    }


@pytest.mark.parametrize(
    ("refusal", "status"), [(Unavailable(), 503), (RuntimeError("ck_secret"), 500)]
)
async def test_trouble_of_ours_is_told_in_the_words_of_the_contract(
    send: Send, house: House, refusal: Exception, status: int
) -> None:
    house.engine.refusal = refusal
    answer = await send()

    assert answer.status_code == status
    assert list(answer.json()) == ["error", "type", "code", "timestamp"]
    assert answer.json()["error"] == SORRY
    assert (answer.json()["type"], answer.json()["code"]) == ("SERVICE_ERROR", "SERVICE_ERROR")


async def test_a_failed_turn_is_trouble_of_ours(send: Send, house: House) -> None:
    house.engine.script = fail

    assert (await send()).json()["error"] == SORRY


async def test_an_answer_that_was_cut_before_its_first_word_is_trouble_of_ours(
    send: Send, house: House
) -> None:
    house.engine.script = answering(outcome="interrupted", text="")

    assert (await send()).status_code == 503


@pytest.mark.parametrize(
    ("agent", "legacy_type", "told"),
    [
        ("carole", "creation", "creation"),
        ("audrey", "automation", "automation"),
        ("escalate", None, "creation"),
    ],
)
async def test_the_kind_of_agent_is_one_of_two(
    send: Send, house: House, agent: str, legacy_type: str | None, told: str
) -> None:
    house.engine.script = answering(agent=agent, legacy_type=legacy_type)

    assert (await send()).json()["agentType"] == told


async def test_a_loop_is_told(send: Send, house: House) -> None:
    house.engine.script = answering(loop_detected=True)

    assert (await send()).json()["loopDetected"] is True


async def test_the_same_message_sent_again_is_one_turn_and_another_time_is_not(
    send: Send, house: House
) -> None:
    for changes in ({}, {}, {"message": " Bonjour "}, {"timestamp": "2026-11-03T12:00:01Z"}):
        assert (await send(**changes)).status_code == 200
    keys = [inbound.message_key for inbound in house.engine.inbound]

    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert keys[0] is not None
    assert keys[0].startswith("v1:")


async def test_a_message_being_answered_keeps_its_status(send: Send, house: House) -> None:
    house.engine.refusal = Conflict("twin_in_flight", retry_after_seconds=5)
    answer = await send()

    assert (answer.status_code, answer.json()["type"]) == (409, "CONFLICT")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"conversationId": ""}, "VALIDATION_ERROR"),
        ({"userId": "u" * 129}, "VALIDATION_ERROR"),
        ({"userId": None}, "VALIDATION_ERROR"),
        ({"message": 7}, "VALIDATION_ERROR"),
        ({"message": ["Bonjour"]}, "VALIDATION_ERROR"),
        ({"timestamp": 1762171200}, "VALIDATION_ERROR"),
        ({"timestamp": ""}, "VALIDATION_ERROR"),
        ({"message": "a\x00b"}, "VALIDATION_ERROR"),
        ({"message": ""}, "INVALID_MESSAGE"),
        ({"message": "x" * 2001}, "MESSAGE_TOO_LONG"),
    ],
)
async def test_what_is_wrong_is_400(send: Send, changes: dict[str, Any], kind: str) -> None:
    answer = await send(**changes)

    assert (answer.status_code, answer.json()["type"]) == (400, kind)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"[" * 30_000, b"\xff"])
async def test_what_is_no_json_object_is_400(
    client: httpx2.AsyncClient, shop: Shop, content: bytes
) -> None:
    answer = await client.post("/webhook/chat", content=content, headers={"Host": shop.host})

    assert (answer.status_code, answer.json()["type"]) == (400, "VALIDATION_ERROR")


async def test_rejected_bodies_count_for_the_address(
    client: httpx2.AsyncClient, shop: Shop
) -> None:
    far = {"Host": shop.host, "X-Forwarded-For": "203.0.113.9"}
    answers = [await client.post("/webhook/chat", json={}, headers=far) for _ in range(61)]

    assert [answer.status_code for answer in answers] == [400] * 60 + [429]


async def test_another_page_hears_nothing(client: httpx2.AsyncClient, shop: Shop) -> None:
    headers = {"Host": shop.host, "Origin": "https://evil.example"}
    answer = await client.post("/webhook/chat", json={}, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (403, "FORBIDDEN")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_wrong_method_keeps_its_status(client: httpx2.AsyncClient, shop: Shop) -> None:
    answer = await client.get("/webhook/chat", headers={"Host": shop.host})

    assert (answer.status_code, answer.json()["type"]) == (405, "METHOD_NOT_ALLOWED")
