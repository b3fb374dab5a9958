"""The answer's words: quoted from passages, or written by a model and checked as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Message
from coccinelle.engine import extractive
from coccinelle.engine.guard import Guard
from coccinelle.engine.model import EngineSettings, Inbound
from coccinelle.engine.phrases import language_of, phrase
from coccinelle.engine.prompting import answer_prompt
from coccinelle.engine.view import View
from coccinelle.knowledge.search import Passage
from coccinelle.numbers.model import phone_of
from coccinelle.providers.language.model import (
    LanguageModel,
    ModelCall,
    Piece,
    Restarted,
)


@dataclass(frozen=True)
class Say:
    """More of the answer."""

    text: str


@dataclass(frozen=True)
class Unsay:
    """What was said is void."""


@dataclass
class Said:
    """What became of an answer: which passages it rests on, or that there was none to give."""

    cited: list[Passage] = field(default_factory=list)
    has_answer: bool = True


def quote(
    message: str, question: str, agent: Agent, passages: Sequence[Passage], said: Said
) -> list[Say]:
    """The answer without a model."""
    quotes = extractive.quoted(message, question, passages)
    said.cited = quotes
    language = language_of(message, agent.configuration.language)
    first, *more = extractive.compose(agent, quotes, language).split("\n\n")
    return [Say(first), *(Say(f"\n\n{text}") for text in more)]


async def write(
    model: LanguageModel,
    *,
    inbound: Inbound,
    view: View,
    agent: Agent,
    passages: Sequence[Passage],
    history: Sequence[Message],
    settings: EngineSettings,
    calls: list[ModelCall],
    said: Said,
) -> AsyncGenerator[Say | Unsay, None]:
    """The answer as a model writes it, a checked sentence at a time.

    Raises:
        ModelFailed: no model could finish it.
    """
    prompt = answer_prompt(
        tenant=view.tenant,
        agent=agent,
        passages=passages,
        history=history,
        text=inbound.text,
        max_tokens=settings.max_tokens,
        history_tokens=settings.history_tokens,
    )
    guard = _guard(inbound, view, agent, passages, history)
    shown = False
    async with aclosing(model.stream(prompt, calls=calls)) as events:
        async for event in events:
            if isinstance(event, Piece):
                if text := guard.feed(event.text):
                    shown = True
                    yield Say(text)
            elif isinstance(event, Restarted):
                guard.reset()
                if shown:
                    shown = False
                    yield Unsay()
    if text := guard.finish().rstrip():
        yield Say(text)
    said.has_answer = guard.passed > 0
    said.cited = [passages[number - 1] for number in guard.cited]


def _guard(
    inbound: Inbound,
    view: View,
    agent: Agent,
    passages: Sequence[Passage],
    history: Sequence[Message],
) -> Guard:
    said = [message.text for message in history if message.author == "customer"]
    names = [text for known in view.agents for text in _own_words(known)]
    language = language_of(inbound.text, agent.configuration.language)
    return Guard(
        [_text(passage) for passage in passages],
        [*view.tenant.facts, phone_of(view.tenant) or "", *names],
        phrase("unverified", language),
        said=[*said, inbound.text],
    )


def _own_words(agent: Agent) -> tuple[str, ...]:
    """What the business itself says of an agent to its customers."""
    said = agent.configuration
    return (agent.name, said.greeting, said.description, *said.keywords)


def _text(passage: Passage) -> str:
    parts = (passage.title, passage.heading, passage.question or "", passage.text)
    return "\n".join(parts)
