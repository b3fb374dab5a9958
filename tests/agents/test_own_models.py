"""An agent's own models answer wherever there is an endpoint to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.foundation.postgres import Addresses
from coccinelle.foundation.settings import OPENROUTER_URL, Settings
from coccinelle.house import open_house
from coccinelle.providers.wire import Wire
from tests.engine import setting
from tests.engine.setting import EMAILS
from tests.scripted_llm import Say, ScriptedLLM

SAID = "Créez une séquence de trois emails dans Systeme.io [1]."


@asynccontextmanager
async def business(db: Database, model: str) -> AsyncIterator[tuple[ScriptedLLM, TenantId]]:
    """A business whose one agent has a model of its own, and the server of that model."""
    wire = Wire()
    async with ScriptedLLM(answer=lambda _: Say(SAID)) as llm:
        audrey = replace(setting.AUDREY, models=(model,))
        tenant = await setting.business(
            db,
            setting.embedder_of(wire, llm.base_url),
            name="Rivoli",
            facts=setting.RIVOLI[:1],
            configurations=[("audrey", audrey)],
        )
        yield llm, tenant
    await wire.aclose()


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, "own"),
        ({"llm_answer_models": ("common",)}, "own"),
        ({"llm_base_url": OPENROUTER_URL}, None),
    ],
    ids=["an endpoint", "an endpoint and models", "no key"],
)
async def test_an_agent_s_own_models_are_asked_where_there_is_an_endpoint(
    settings: dict[str, Any], asked: str | None, addresses: Addresses, db: Database
) -> None:
    async with business(db, "own") as (llm, tenant):
        known = {"llm_base_url": llm.base_url, "embeddings_base_url": llm.base_url} | settings
        async with open_house(Settings(**known), addresses) as house:
            result = await setting.talk(house.engine, tenant).say(EMAILS)

    assert [chat.body["model"] for chat in llm.chats] == ([asked] if asked else [])
    assert result.model == asked
    assert "Systeme.io" in result.text


async def test_a_list_price_is_charged_at_the_rate_that_is_set(
    addresses: Addresses, db: Database
) -> None:
    async with business(db, "openai/gpt-4o") as (llm, tenant):
        known: dict[str, Any] = {"llm_base_url": llm.base_url, "embeddings_base_url": llm.base_url}
        settings = Settings(**known, llm_api_key=SecretStr("sk"), usd_to_eur=0.5)
        async with open_house(settings, addresses) as house:
            await setting.talk(house.engine, tenant).say(EMAILS)

    call = await setting.row(db, tenant, "SELECT cost_microeur, estimated FROM model_calls")
    assert call == {"cost_microeur": 2250, "estimated": False}
