"""Asks the engine as a customer would, without a customer: nothing is admitted or recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Context
from coccinelle.engine import generation, guard
from coccinelle.engine.answering import AnswerModel
from coccinelle.engine.generation import Said, Say
from coccinelle.engine.model import EngineSettings, Inbound
from coccinelle.engine.orchestrator import Decision, Orchestrator
from coccinelle.engine.view import View, Views
from coccinelle.evals.exam.model import Cited, ExamQuestion, Result, Verdict
from coccinelle.evals.exam.reading import Content
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import TenantId
from coccinelle.knowledge.facts.lines import Piece
from coccinelle.knowledge.facts.prices import name_of
from coccinelle.knowledge.search import Passage
from coccinelle.providers.language.model import ModelCall, ModelFailed

MOST_SOURCES = 4
ANSWER_SECONDS = 60.0
# Of the expected answer's words, what an answer must have to say the same.
SAID_SHARE = 0.5


class ExamServices(Protocol):
    """The parts of the house that answer customers."""

    @property
    def db(self) -> Database: ...

    @property
    def views(self) -> Views: ...

    @property
    def orchestrator(self) -> Orchestrator: ...

    @property
    def answer_model(self) -> AnswerModel: ...

    @property
    def engine_settings(self) -> EngineSettings: ...


@dataclass
class Answer:
    """What a customer would have got; no agent: nobody answers."""

    text: str = ""
    agent: Agent | None = None
    score: float | None = None
    cited: Sequence[Passage] = ()
    calls: list[ModelCall] = field(default_factory=list)


async def ask(
    services: ExamServices, tenant_id: TenantId, text: str, *, may_write: bool = True
) -> Answer:
    """The answer to a question, as the engine gives it to a new customer.

    A model that fails or is late is replaced by quotes, as without one.

    Args:
        may_write: False has documents quoted although there is a model.

    Raises:
        NotFound: the tenant has no agent (`no_agent`).
    """
    view = await services.views.get(tenant_id)
    inbound = Inbound(tenant_id, "cli", "exam", "exam", text)
    answer = Answer()
    decision = await services.orchestrator.decide(inbound, view, Context(), answer.calls)
    answer.score = decision.best_score
    agent = decision.route.agent
    if decision.route.kind != "answer" or agent is None or not decision.is_known:
        return answer
    model = services.answer_model(agent) if may_write else None
    if model is None:
        _quote(answer, inbound, agent, decision)
        return answer
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await _write(services, answer, inbound, view, decision)
    except (ModelFailed, TimeoutError):
        _quote(answer, inbound, agent, decision)
    return answer


def judged(question: ExamQuestion, answer: Answer, content: Content) -> Result:
    """The verdict on an answer, by what the content says.

    A contradiction stays one whatever is answered. Without a topic the engine alone decides; with
    one, an answer must speak of it.
    """
    about = content.about(question)
    verdict = _verdict(question, answer, about)
    cited: Sequence[Passage | Piece] = about if verdict == "missed" else answer.cited
    sources = dict.fromkeys(Cited(_title(one), one.url) for one in cited)
    return Result(
        verdict=verdict,
        answer=answer.text,
        agent_key=answer.agent.key if answer.agent else None,
        agent_name=answer.agent.name if answer.agent else None,
        score=answer.score,
        sources=tuple(sources)[:MOST_SOURCES],
    )


def says(answer: str, expected: str) -> bool:
    """Whether an answer says what is expected: every figure of it, and half of its words."""
    if not guard.claims(expected) <= guard.facts(answer).claims:
        return False
    wanted = name_of(expected)
    return not wanted or len(wanted & name_of(answer)) / len(wanted) >= SAID_SHARE


def _verdict(question: ExamQuestion, answer: Answer, about: Sequence[Piece]) -> Verdict:
    if question.conflict is not None:
        return "contradiction"
    if question.origin == "model" or (not question.topic and not about):
        return "answered" if answer.agent else "gap"
    if not about:
        return "gap"
    known = {piece.chunk_id for piece in about}
    is_given = answer.agent is not None and any(p.chunk_id in known for p in answer.cited)
    return "answered" if is_given else "missed"


def _quote(answer: Answer, inbound: Inbound, agent: Agent, decision: Decision) -> None:
    said = Said()
    asked = decision.route.search_question or inbound.text
    says = generation.quote(inbound.text, asked, agent, decision.candidates, said)
    _keep(answer, agent, "".join(say.text for say in says), said)


async def _write(
    services: ExamServices, answer: Answer, inbound: Inbound, view: View, decision: Decision
) -> None:
    agent = decision.route.agent
    model = services.answer_model(agent) if agent else None
    if agent is None or model is None:
        return
    said, text = Said(), ""
    writing = generation.write(
        model,
        inbound=inbound,
        view=view,
        agent=agent,
        passages=decision.passages,
        history=(),
        settings=services.engine_settings,
        calls=answer.calls,
        said=said,
    )
    async with aclosing(writing):
        async for event in writing:
            text = text + event.text if isinstance(event, Say) else ""
    if said.has_answer:
        _keep(answer, agent, text, said)


def _keep(answer: Answer, agent: Agent, text: str, said: Said) -> None:
    answer.agent, answer.text, answer.cited = agent, text.strip(), tuple(said.cited)


def _title(one: Passage | Piece) -> str:
    return f"{one.title} — {one.heading}" if one.heading and one.heading != one.title else one.title
