"""The routing model names an agent, and is held to rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Message
from coccinelle.engine.routing_model import Opinion, second_opinion
from coccinelle.foundation.ids import AgentId, AgentVersionId, TenantId
from coccinelle.providers.language.model import ModelCall, ModelFailed
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.model import Endpoint
from coccinelle.providers.wire import Wire
from coccinelle.tenants.model import Tenant
from tests.engine.setting import AUDREY, CAROLE
from tests.scripted_llm import Say, ScriptedLLM, Step

TENANT = Tenant(
    TenantId(uuid4()), "rivoli", "Rivoli", "x", None, None, None, None, "fr", "Europe/Paris",
    None, None, None,
)  # fmt: skip
AGENTS = [
    Agent(AgentId(uuid4()), AgentVersionId(uuid4()), "audrey", 0, AUDREY),
    Agent(AgentId(uuid4()), AgentVersionId(uuid4()), "carole", 1, CAROLE),
]


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


async def opinion(llm: ScriptedLLM, *steps: Step, seconds: float = 5.0) -> Opinion:
    llm.script(*steps)
    wire = Wire()
    calls: list[ModelCall] = []
    try:
        model = OpenAICompatible(wire, Endpoint(llm.base_url), "m", task="route")
        return await second_opinion(
            model,
            tenant=TENANT,
            agents=AGENTS,
            current=None,
            history=[Message("customer", "Avant")],
            text="Bonjour {agents}",
            seconds=seconds,
            calls=calls,
        )
    finally:
        assert calls
        await wire.aclose()


def named(agent: str, confidence: float, urgency: int = 0, **more: Any) -> dict[str, Any]:
    return {"agent": agent, "confidence": confidence, "reason": "r", "urgency": urgency, **more}


async def test_the_surest_of_what_is_named_wins(llm: ScriptedLLM) -> None:
    found = await opinion(
        llm, Say(named("audrey", 0.6, 2, also=[named("carole", 0.9)], search_question="q"))
    )

    assert found == Opinion(AGENTS[1], 0.9, "r", "q")


async def test_of_equally_sure_ones_the_more_urgent_wins(llm: ScriptedLLM) -> None:
    found = await opinion(llm, Say(named("audrey", 0.8, 0, also=[named("carole", 0.8, 2)])))

    assert found.agent == AGENTS[1]


@pytest.mark.parametrize(("first", "second"), [("audrey", "carole"), ("carole", "audrey")])
async def test_then_the_first_in_the_tenants_order(
    llm: ScriptedLLM, first: str, second: str
) -> None:
    found = await opinion(llm, Say(named(first, 0.8, 1, also=[named(second, 0.8, 1)])))

    assert found.agent == AGENTS[0]


async def test_nobody_comes_after_every_agent(llm: ScriptedLLM) -> None:
    found = await opinion(llm, Say(named("escalate", 0.8, 1, also=[named("carole", 0.8, 1)])))

    assert found.agent == AGENTS[1]
    assert (await opinion(llm, Say(named("escalate", 0.9)))).agent is None


async def test_an_agent_that_does_not_exist_is_repaired_once(llm: ScriptedLLM) -> None:
    found = await opinion(llm, Say(named("zoe", 0.9)), Say(named("carole", 0.9)))

    assert found.agent == AGENTS[1]
    assert "zoe" in str(llm.chats[-1].body["messages"])


@pytest.mark.parametrize(
    "answer",
    [
        "Je pense que c'est Carole.",
        named("zoe", 0.9),
        named("audrey", 1.7),
        named("audrey", float("nan")),
        named("audrey", 0.9, 7),
        {"agent": "audrey"},
        [],
        "",
    ],
)
async def test_what_is_not_valid_twice_is_no_opinion(llm: ScriptedLLM, answer: Any) -> None:
    with pytest.raises(ModelFailed):
        await opinion(llm, Say(answer), Say(answer))


async def test_an_opinion_that_is_late_is_none(llm: ScriptedLLM) -> None:
    with pytest.raises(ModelFailed):
        await opinion(llm, Say(named("audrey", 0.9), first_seconds=5), seconds=0.1)


async def test_a_reason_is_kept_short_and_storable(llm: ScriptedLLM) -> None:
    answer = named("audrey", 0.9, search_question="a\x07b") | {"reason": "x\u200b" * 900}
    found = await opinion(llm, Say(answer))

    assert found.reason == "x" * 500
    assert found.search_question == "ab"


async def test_the_model_is_told_the_agents_and_what_was_said(llm: ScriptedLLM) -> None:
    await opinion(llm, Say(named("audrey", 0.9)))
    messages = llm.chats[-1].body["messages"]

    assert "audrey (Audrey)" in messages[0]["content"]
    assert "Rivoli" in messages[0]["content"]
    assert [m["content"] for m in messages[1:3]] == ["Avant", "Bonjour {agents}"]
