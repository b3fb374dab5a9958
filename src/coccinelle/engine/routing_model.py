"""The orchestrator's second opinion: a language model names the agent, and we hold it to rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Message
from coccinelle.engine.guard import visible
from coccinelle.engine.model import ESCALATE
from coccinelle.engine.prompting import routing_prompt
from coccinelle.providers.language.model import LanguageModel, ModelCall
from coccinelle.providers.language.structured import ask
from coccinelle.tenants.model import Tenant


@dataclass(frozen=True)
class Opinion:
    """What the model thinks. `agent` is None for `escalate`."""

    agent: Agent | None
    confidence: float
    reason: str
    search_question: str | None


async def second_opinion(
    model: LanguageModel,
    *,
    tenant: Tenant,
    agents: Sequence[Agent],
    current: Agent | None,
    history: Sequence[Message],
    text: str,
    seconds: float,
    calls: list[ModelCall],
) -> Opinion:
    """Ask the routing model. Raises `ModelFailed` when no valid answer came in time."""
    prompt = routing_prompt(
        tenant=tenant, agents=agents, current=current, history=history, text=text
    )
    until = asyncio.get_running_loop().time() + seconds
    shape = _answer_type(tuple(agent.key for agent in agents))
    answer: Any = await ask(model, prompt, shape, calls=calls, until=until)
    return _opinion(answer, agents)


def _opinion(answer: Any, agents: Sequence[Agent]) -> Opinion:
    """The surest of what was named; of equals the more urgent, then the first in the order."""
    order = {agent.key: position for position, agent in enumerate(agents)}
    named = [answer, *answer.also]
    best = min(named, key=lambda n: (-n.confidence, -n.urgency, order.get(n.agent, len(order))))
    by_key = {agent.key: agent for agent in agents}
    return Opinion(by_key.get(best.agent), best.confidence, best.reason, answer.search_question)


@lru_cache(maxsize=256)
def _answer_type(agent_keys: tuple[str, ...]) -> type[BaseModel]:
    """The shape of an answer that names one of these agents, and nobody else."""
    keys = (*agent_keys, ESCALATE)

    def known(key: str) -> str:
        if key not in keys:
            raise ValueError(f"must be one of {', '.join(keys)}")
        return key

    fields: dict[str, Any] = {
        "agent": (
            Annotated[str, AfterValidator(known), Field(json_schema_extra={"enum": [*keys]})],
            ...,
        ),
        "confidence": (Annotated[float, Field(ge=0, le=1)], ...),
        "reason": (Annotated[str, BeforeValidator(_shortened)], ""),
        "urgency": (Annotated[int, Field(ge=0, le=2)], 0),
    }
    named: Any = create_model("Named", **fields)
    more: dict[str, Any] = {
        "also": (list[named], Field(default_factory=list)),
        "search_question": (Annotated[str | None, BeforeValidator(_shortened)], None),
    }
    return create_model("Routing", __base__=named, **more)


def _shortened(value: object) -> object:
    return visible(value)[:500].strip() if isinstance(value, str) else value
