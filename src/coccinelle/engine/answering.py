"""What a decision comes to in words: an agent's answer, a courtesy, a regret, a hand-over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from coccinelle.agents.model import Agent
from coccinelle.engine import generation
from coccinelle.engine.generation import Said, Say
from coccinelle.engine.model import ESCALATE, AgentSelected, EngineSettings
from coccinelle.engine.orchestrator import Decision
from coccinelle.engine.phrases import language_of, phrase
from coccinelle.engine.turn import Turn, note_passages
from coccinelle.numbers.model import phone_of
from coccinelle.providers.language.model import LanguageModel

AnswerModel = Callable[[Agent], LanguageModel | None]
"""The model that answers for an agent; None: its documents are quoted."""


class Answering:
    """Says what a turn has to say; holds no state of its own."""

    def __init__(self, answer_model: AnswerModel, settings: EngineSettings):
        self._answer_model = answer_model
        self._settings = settings

    async def respond(self, turn: Turn, decision: Decision) -> None:
        """Say it, and note what became of it. Raises `ModelFailed` when no model could."""
        route = decision.route
        if route.kind == "person":
            self._hand_over(turn, route.reason)
        elif route.agent is None or (route.kind == "answer" and not decision.is_known):
            self._escalate(turn, route.agent, decision)
        else:
            self._select(turn, route.agent)
            if route.kind == "answer":
                await self._answer(turn, route.agent, decision)
            else:
                self._reply(turn, route.agent, route.kind)

    async def _answer(self, turn: Turn, agent: Agent, decision: Decision) -> None:
        said = Said()
        model = self._answer_model(agent)
        if model is None:
            text = turn.inbound.text
            asked = turn.draft.search_question or text
            for piece in generation.quote(text, asked, agent, decision.candidates, said):
                turn.say(piece.text)
        else:
            history = turn.inbound.context or turn.context.history
            writing = generation.write(
                model,
                inbound=turn.inbound,
                view=turn.view,
                agent=agent,
                passages=decision.passages,
                history=history,
                settings=self._settings,
                calls=turn.calls,
                said=said,
            )
            async with aclosing(writing):
                async for event in writing:
                    if isinstance(event, Say):
                        turn.say(event.text)
                    else:
                        turn.unsay()
        if not said.has_answer:
            self._give_up(turn, agent)
            return
        turn.draft.outcome = "answered"
        note_passages(turn, decision.passages, said.cited)

    def _select(self, turn: Turn, agent: Agent) -> None:
        draft = turn.draft
        turn.agent = agent
        draft.agent_id, draft.agent_version_id = agent.id, agent.version_id
        turn.live.emit(
            AgentSelected(agent.key, agent.name, draft.confidence or 0.0, draft.reason or "")
        )

    def _select_nobody(self, turn: Turn) -> None:
        draft = turn.draft
        turn.agent = None
        draft.agent_id = draft.agent_version_id = None
        draft.outcome = "escalated"
        turn.live.emit(AgentSelected(ESCALATE, None, draft.confidence or 0.0, draft.reason or ""))

    def _reply(self, turn: Turn, agent: Agent, kind: str) -> None:
        language = self._language(turn, agent)
        if kind == "greeting" and language == agent.configuration.language:
            turn.say(agent.configuration.greeting)
        else:
            said = "identity" if kind == "greeting" else kind
            turn.say(
                phrase(said, language, agent=agent.name, company=turn.view.tenant.company_name)
            )
        turn.draft.outcome = "answered"

    def _escalate(self, turn: Turn, agent: Agent | None, decision: Decision) -> None:
        """Nobody's business, or nothing that answers it: say so, and offer a person."""
        language = self._language(turn, agent)
        if agent is not None:
            turn.draft.reason = phrase(
                "below_threshold",
                turn.view.tenant.locale,
                score=decision.best_score or 0.0,
                threshold=turn.view.answer_threshold,
            )
        if decision.is_question:
            turn.draft.gap_question = turn.draft.search_question or turn.inbound.text
        self._select_nobody(turn)
        turn.say(_regret(agent, language))

    def _give_up(self, turn: Turn, agent: Agent) -> None:
        """The model read the passages and found no answer, or none that could be let through."""
        turn.draft.reason = phrase("not_in_documents", turn.view.tenant.locale)
        turn.draft.gap_question = turn.draft.search_question or turn.inbound.text
        if turn.draft.text:
            turn.unsay()
        self._select_nobody(turn)
        turn.say(_regret(agent, self._language(turn, agent)))

    def _hand_over(self, turn: Turn, reason: str) -> None:
        tenant = turn.view.tenant
        language = self._language(turn, None)
        turn.handoff_reason = reason
        self._select_nobody(turn)
        text = phrase("handoff", language)
        contact = ", ".join(fact for fact in (phone_of(tenant), tenant.email) if fact)
        if contact:
            text += " " + phrase("handoff_contact", language, contact=contact)
        turn.say(text)

    def _language(self, turn: Turn, agent: Agent | None) -> str:
        default = agent.configuration.language if agent else turn.view.tenant.locale
        return language_of(turn.inbound.text, default)


def _regret(agent: Agent | None, language: str) -> str:
    if agent is not None and agent.configuration.language == language:
        return agent.configuration.fallback_message
    return f"{phrase('out_of_scope', language)} {phrase('offer_person', language)}"
