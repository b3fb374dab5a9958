"""A scripted server, connections to it, and models made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from coccinelle.providers.breaker import Breakers
from coccinelle.providers.language.failover import Failover
from coccinelle.providers.language.guarded import Guarded
from coccinelle.providers.language.model import (
    ChatMessage,
    Completed,
    LanguageModel,
    ModelCall,
    Piece,
    Prompt,
    Restarted,
)
from coccinelle.providers.language.openai_compatible import OpenAICompatible
from coccinelle.providers.model import Deadlines, Endpoint
from coccinelle.providers.wire import Wire
from tests.scripted_llm import ScriptedLLM

SHORT = Deadlines(first_token_seconds=0.25, gap_seconds=0.25, total_seconds=0.8)
PROMPT = Prompt((ChatMessage("user", "Comment automatiser mes emails ?"),), max_tokens=300)


@dataclass
class Heard:
    """What a stream gave."""

    pieces: list[str] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)
    dropped: str = ""
    completed: Completed | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def listen(model: LanguageModel, calls: list[ModelCall], heard: Heard | None = None) -> Heard:
    """Everything that a stream says, as a client that obeys `Restarted` sees it."""
    heard = heard or Heard()
    async for event in model.stream(PROMPT, calls=calls):
        match event:
            case Piece(text):
                heard.pieces.append(text)
            case Restarted(name):
                heard.dropped += heard.text
                heard.pieces.clear()
                heard.restarts.append(name)
            case Completed():
                heard.completed = event
    return heard


@pytest.fixture
async def llm() -> AsyncIterator[ScriptedLLM]:
    async with ScriptedLLM() as server:
        yield server


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    pool = Wire(connect_seconds=1.0)
    yield pool
    await pool.aclose()


@pytest.fixture
def endpoint(llm: ScriptedLLM) -> Endpoint:
    return Endpoint(llm.base_url, "sk-test", "scripted")


@pytest.fixture
def model(wire: Wire, endpoint: Endpoint) -> OpenAICompatible:
    return OpenAICompatible(wire, endpoint, "first", task="answer", deadlines=SHORT)


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


@pytest.fixture
def pair(wire: Wire, endpoint: Endpoint, breakers: Breakers) -> Failover:
    """`first`, then `second`, with short deadlines; a key of its own for each."""
    return Failover(
        [
            Guarded(
                OpenAICompatible(wire, endpoint, name, task="answer", deadlines=SHORT),
                endpoint=f"key of {name}",
                name=name,
                task="answer",
                breakers=breakers,
            )
            for name in ("first", "second")
        ],
        total_seconds=10,
    )
