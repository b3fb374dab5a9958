"""One turn while it runs: what it carries from stage to stage, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import (
    Admitted,
    CallRecord,
    Context,
    Draft,
    Outcome,
    Source,
    Step,
    StepName,
    UsedPassage,
    distinct,
)
from coccinelle.engine.extractive import title
from coccinelle.engine.live import LiveTurn
from coccinelle.engine.model import ESCALATE, Inbound, TextDelta, TextReset, TurnResult
from coccinelle.engine.orchestrator import Decision
from coccinelle.engine.phrases import phrase
from coccinelle.engine.view import View
from coccinelle.foundation import clock
from coccinelle.knowledge.search import Passage
from coccinelle.providers.language.model import ModelCall


@dataclass
class Turn:
    """All that one running turn carries from stage to stage."""

    inbound: Inbound
    view: View
    live: LiveTurn
    admitted: Admitted
    draft: Draft
    started: float
    context: Context = field(default_factory=Context)
    calls: list[ModelCall] = field(default_factory=list)
    handoff_reason: str | None = None
    agent: Agent | None = None

    def elapsed_ms(self) -> int:
        """Milliseconds since its message arrived."""
        return int(clock.elapsed_ms(self.started))

    def step(self, name: StepName, since_ms: int) -> None:
        """Note a step that began at `since_ms` and ends now."""
        self.draft.steps.append(Step(name, since_ms, self.elapsed_ms() - since_ms))

    def say(self, text: str) -> None:
        """Let whoever attends read more of the answer."""
        if not text:
            return
        if self.draft.first_text_ms is None:
            self.draft.first_text_ms = self.elapsed_ms()
        self.draft.text += text
        self.live.emit(TextDelta(text))

    def unsay(self) -> None:
        """Let whoever attends drop what was said so far."""
        self.draft.text = ""
        self.live.emit(TextReset())


def note_decision(turn: Turn, decision: Decision) -> None:
    """Keep who was chosen and why."""
    route, draft = decision.route, turn.draft
    draft.confidence, draft.reason = route.confidence, route.reason
    draft.route_method, draft.route_scores = route.method, dict(route.scores)
    draft.search_question = route.search_question
    draft.best_score = decision.best_score
    draft.answer_threshold = turn.view.answer_threshold


def note_passages(turn: Turn, passages: tuple[Passage, ...], cited: list[Passage]) -> None:
    """Cited passages first, in the order of their citation; without any, the best one counts."""
    shown = cited or list(passages[:1])
    rest = [passage for passage in passages if passage not in shown]
    turn.draft.passages = [_used(p, cited=True) for p in shown] + [
        _used(p, cited=False) for p in rest
    ]


def add_offer(turn: Turn) -> None:
    """The same thing three times: the tenant's offer, and a conversation worth looking at."""
    turn.draft.loop_detected = True
    tenant = turn.view.tenant
    if tenant.offer_text:
        url = f" {tenant.offer_url}" if tenant.offer_url else ""
        turn.say(f"\n\n{tenant.offer_text}{url}")


def call_record(call: ModelCall) -> CallRecord:
    """A model call as the turn's row keeps it."""
    first = call.first_token_ms
    return CallRecord(
        task=call.task,
        provider=call.provider,
        model=call.model,
        outcome=call.outcome,
        first_token_ms=None if first is None else int(first),
        duration_ms=int(call.duration_ms),
        prompt_tokens=call.usage.prompt_tokens,
        completion_tokens=call.usage.completion_tokens,
        cost_microeur=call.usage.cost_microeur,
        estimated=call.usage.estimated,
    )


def result(turn: Turn) -> TurnResult:
    """All that a channel may say of a turn that has ended."""
    draft, agent = turn.draft, turn.agent
    tenant, outcome = turn.view.tenant, draft.outcome
    answered_by = [call.model for call in turn.calls if call.task == "answer"]
    return TurnResult(
        turn_id=draft.turn_id,
        conversation_id=turn.inbound.conversation_id,
        outcome=outcome,
        text=draft.text,
        agent=agent.key if agent else ESCALATE,
        agent_name=agent.name if agent else None,
        legacy_type=agent.configuration.legacy_type if agent else None,
        confidence=draft.confidence or 0.0,
        reason=draft.reason or "",
        finished_at=draft.finished_at or clock.now(),
        sources=distinct(Source(p.title, p.url, p.score) for p in draft.passages if p.cited),
        handoff=turn.context.handoff_open or turn.handoff_reason is not None,
        notice=notice(outcome, company=tenant.company_name, locale=tenant.locale),
        loop_detected=draft.loop_detected,
        steps=tuple(draft.steps),
        first_text_ms=draft.first_text_ms,
        latency_ms=draft.latency_ms,
        prompt_tokens=sum(call.prompt_tokens for call in draft.calls),
        completion_tokens=sum(call.completion_tokens for call in draft.calls),
        cost_microeur=sum(call.cost_microeur for call in draft.calls),
        model=answered_by[-1] if answered_by else None,
    )


def notice(outcome: Outcome, *, company: str, locale: str) -> str:
    """What stands for the answer that nobody gave, where an empty one cannot be shown."""
    if outcome != "handed_over":
        return ""
    return phrase("handed_over", locale, company=company)


def _used(passage: Passage, *, cited: bool) -> UsedPassage:
    score = round(min(1.0, max(0.0, passage.answer_score)), 4)
    return UsedPassage(passage.chunk_id, title(passage), passage.url, score, cited)
