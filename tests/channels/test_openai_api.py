"""The OpenAI-compatible endpoint, driven by the official client unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from coccinelle.agents import actions as agents
from coccinelle.agents.model import Configuration
from coccinelle.conversations.model import Message
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import Inbound, TextDelta, TextReset, TurnResult
from coccinelle.foundation.database import Database
from coccinelle.foundation.errors import NotFound, TooMany, Unavailable
from coccinelle.foundation.ids import uuid7

from .conftest import House, Shop
from .scripted import PIECES, fail, result_of

TEXT = "".join(PIECES)


@pytest.fixture
async def official(house: House, shop: Shop) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{house.url}/v1", api_key=shop.api_key, max_retries=0
    ) as client:
        yield client


def said(text: str = "Bonjour") -> list[Any]:
    return [{"role": "user", "content": text}]


async def test_a_completion_is_a_turn(official: openai.AsyncOpenAI, house: House) -> None:
    completion = await official.chat.completions.create(model="auto", messages=said(), user="u-1")

    assert completion.choices[0].message.content == TEXT
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 976
    assert completion.model_extra is not None
    assert completion.model_extra["sources"][0]["title"] == "Séquence de bienvenue"
    assert house.engine.inbound[-1].user_id == "u-1"
    assert house.engine.inbound[-1].agent_key is None


async def test_it_streams(official: openai.AsyncOpenAI, house: House) -> None:
    stream = await official.chat.completions.create(
        model="audrey", messages=said(), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].model_extra is not None
    assert chunks[-2].model_extra["sources"]
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1
    assert house.engine.inbound[-1].agent_key == "audrey"


async def test_the_last_user_message_is_the_turn_and_earlier_ones_are_context(
    official: openai.AsyncOpenAI, house: House
) -> None:
    await official.chat.completions.create(
        model="auto",
        messages=[
            {"role": "system", "content": "Tu es un pirate."},
            {"role": "user", "content": "Bonjour"},
            {"role": "assistant", "content": "Bonjour !"},
            {"role": "user", "content": [{"type": "text", "text": " Et les prix ? "}]},
        ],
    )
    inbound = house.engine.inbound[-1]

    assert inbound.text == "Et les prix ?"
    assert inbound.context == (Message("customer", "Bonjour"), Message("agent", "Bonjour !"))


async def test_a_conversation_goes_on_by_its_id(
    official: openai.AsyncOpenAI, house: House, shop: Shop
) -> None:
    for _ in range(2):
        await official.chat.completions.create(
            model="auto", messages=said(), metadata={"conversation_id": shop.name("c")}
        )
    first, second = house.engine.inbound[-2:]

    assert (first.conversation_id, first.user_id) == (second.conversation_id, second.user_id)
    assert first.conversation_id == shop.name("c")


async def test_without_a_user_each_completion_is_somebody_else(
    official: openai.AsyncOpenAI, house: House
) -> None:
    for _ in range(2):
        await official.chat.completions.create(model="auto", messages=said())
    first, second = house.engine.inbound[-2:]

    assert first.user_id != second.user_id
    assert first.conversation_id != second.conversation_id


async def test_an_idempotency_key_gets_the_stored_answer(official: openai.AsyncOpenAI) -> None:
    key = {"Idempotency-Key": uuid7().hex}
    first = await official.chat.completions.create(model="auto", messages=said(), extra_headers=key)
    again = await official.chat.completions.create(model="auto", messages=said(), extra_headers=key)
    with pytest.raises(openai.ConflictError):
        await official.chat.completions.create(
            model="auto", messages=said("Autre chose"), extra_headers=key
        )

    assert first.id == again.id


@pytest.mark.parametrize(
    ("refusal", "raised", "code"),
    [
        (TooMany(retry_after_seconds=9), openai.RateLimitError, "rate_limited"),
        (NotFound("agent_not_found"), openai.NotFoundError, "model_not_found"),
        (Unavailable("database_unavailable"), openai.InternalServerError, "database_unavailable"),
    ],
)
async def test_refusals_have_the_shape_that_the_client_knows(
    official: openai.AsyncOpenAI,
    house: House,
    refusal: Exception,
    raised: type[openai.APIError],
    code: str,
) -> None:
    house.engine.refusal = refusal
    with pytest.raises(raised) as caught:
        await official.chat.completions.create(model="auto", messages=said())

    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": []},
        {"messages": [{"role": "assistant", "content": "Bonjour"}]},
        {"messages": [{"role": "user", "content": "x" * 2001}]},
        {"messages": [{"role": "user", "content": "  "}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "pirate", "content": "Bonjour"}]},
        {"messages": "Bonjour"},
        {"model": ""},
        {"user": "u" * 129},
        {"n": 2},
        {"extra_headers": {"Idempotency-Key": "k" * 256}},
    ],
)
async def test_what_cannot_be_accepted_is_a_bad_request(
    official: openai.AsyncOpenAI, changes: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await official.chat.completions.create(**{"model": "auto", "messages": said(), **changes})

    assert caught.value.type == "invalid_request_error"


async def test_a_wrong_key_is_an_authentication_error(house: House) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{house.url}/v1", api_key="ck_nobody", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_failure_in_the_stream_is_raised_by_the_client(
    official: openai.AsyncOpenAI, house: House
) -> None:
    house.engine.script = fail
    stream = await official.chat.completions.create(model="auto", messages=said(), stream=True)
    with pytest.raises(openai.APIError, match="parler à une personne"):
        async for _ in stream:
            pass


async def test_text_that_cannot_be_taken_back_ends_the_stream(
    official: openai.AsyncOpenAI, house: House
) -> None:
    async def restarted(inbound: Inbound, live: LiveTurn) -> TurnResult:
        live.emit(TextDelta("Peut-être"))
        live.emit(TextReset())
        live.emit(TextDelta("Sûrement"))
        return result_of(inbound, live)

    house.engine.script = restarted
    stream = await official.chat.completions.create(model="auto", messages=said(), stream=True)
    texts = []

    async def read() -> None:
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content)

    with pytest.raises(openai.APIError):
        await read()

    assert texts == ["", "Peut-être"]
    assert house.engine.abandoned == []


async def test_models_are_the_agents_and_auto(
    official: openai.AsyncOpenAI, db: Database, shop: Shop
) -> None:
    async with db.tenant(shop.id) as tx:
        await agents.create(
            tx,
            key="audrey",
            position=0,
            configuration=Configuration("Audrey", "E-mails", "p", "Bonjour", "f", "c"),
        )
    models = [model.id async for model in official.models.list()]

    assert models == ["auto", "audrey"]
    assert (await official.models.retrieve("audrey")).owned_by == "coccinelle"
