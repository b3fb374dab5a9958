"""Route and retrieve, side by side: who answers, and from which passages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from coccinelle.agents.model import Agent
from coccinelle.conversations.model import Context, Message
from coccinelle.engine import cues, routing
from coccinelle.engine.model import EngineSettings, Inbound
from coccinelle.engine.phrases import phrase
from coccinelle.engine.routing import Route, Scores
from coccinelle.engine.routing_model import Opinion, second_opinion
from coccinelle.engine.view import View, Views
from coccinelle.foundation import clock
from coccinelle.foundation.database import Database
from coccinelle.foundation.ids import AgentId
from coccinelle.knowledge import search as knowledge
from coccinelle.knowledge.search import Passage
from coccinelle.providers.embeddings.model import Embedder, EmbeddingUnavailable, Vectors
from coccinelle.providers.language.model import LanguageModel, ModelCall, ModelFailed
from coccinelle.providers.rerank.model import Reranker

LONG_MESSAGE_CHARS = 400
LOOP_MESSAGES = 6
COMPLAINTS = "stock:complaints"
NO_QUESTIONS = frozenset({"stock:insults", "stock:instructions"})
CANDIDATES = 20
QUOTABLE = 12
# A document answers a message that no agent was recognised for only when it clearly does.
RESCUE_MARGIN = 0.10
# Without vectors only words are left to judge by: this share of the question's must be there.
COVERAGE_WITHOUT_VECTORS = 0.5


@dataclass(frozen=True)
class Decision:
    """Who answers and from what; `best_score` is compared with the tenant's threshold.

    `passages` are what a model is shown, `candidates` all that may be quoted without one. What is
    no question leaves no gap in the knowledge.

    Route and passages are made side by side: both times count from the same start.
    """

    route: Route
    passages: tuple[Passage, ...] = ()
    candidates: tuple[Passage, ...] = ()
    best_score: float | None = None
    is_known: bool = False
    is_question: bool = True
    says_the_same: bool = False
    route_ms: int = 0
    retrieve_ms: int = 0


@dataclass(frozen=True)
class _Asked:
    """A routing model that is asked after its head start, or as soon as the embedding is unsure."""

    task: asyncio.Task[Opinion]
    unsure: asyncio.Event

    async def settled(self) -> Opinion | None:
        """The opinion, or None when the model failed or was late: then the embedding decides."""
        self.unsure.set()
        try:
            return await self.task
        except ModelFailed:
            return None


class Orchestrator:
    """Decides for one message; holds no state of its own."""

    def __init__(
        self,
        db: Database,
        views: Views,
        embedder: Embedder,
        *,
        routing_model: LanguageModel | None,
        reranker: Reranker | None,
        settings: EngineSettings,
    ):
        self._db = db
        self._views = views
        self._embedder = embedder
        self._model = routing_model
        self._reranker = reranker
        self._settings = settings

    async def decide(
        self, inbound: Inbound, view: View, context: Context, calls: list[ModelCall]
    ) -> Decision:
        """The route, and the passages of the agent that it names."""
        started = time.perf_counter()
        history = inbound.context or context.history
        current = view.agent_by_id(context.last_agent_id)
        by_words = self._by_words(inbound, view, context, current)
        if by_words is not None:
            same = await self._repeats(inbound.text, context, history)
            return Decision(by_words, says_the_same=same)
        question = _search_question(inbound.text, history)
        opinion = self._ask_early(inbound, view, current, history, calls)
        try:
            vectors = await self._embed(inbound.text, question, history, context)
            search = asyncio.create_task(self._search(view, question, vectors))
            try:
                route = await self._route(inbound, view, current, vectors, opinion)
                route_ms = int(clock.elapsed_ms(started))
                found = await search
            finally:
                search.cancel()
        finally:
            if opinion is not None:
                opinion.task.cancel()
        if route.search_question and _wants_model_question(inbound.text, route):
            found = await self._search_again(view, route.search_question)
        else:
            route = replace(route, search_question=question)
        decision = await self._with_passages(view, route, current, found, vectors)
        return replace(
            decision,
            says_the_same=_says_the_same(vectors, self._settings),
            route_ms=route_ms,
            retrieve_ms=int(clock.elapsed_ms(started)),
        )

    def _by_words(
        self, inbound: Inbound, view: View, context: Context, current: Agent | None
    ) -> Route | None:
        kind = routing.kind_by_words(inbound.text)
        if cues.accepts(inbound.text):
            kind = "person" if _awaits_a_yes(context) else "clarification"
        if kind is None:
            return None
        if kind == "person":
            return Route("person", None, 1.0, self._say(view, "route_person"), "words")
        agent = self._forced(inbound, view) or current or view.agents[0]
        reason = self._say(view, "route_stock", score=1.0)
        return Route(kind, agent, 1.0, reason, "words")

    def _ask_early(
        self,
        inbound: Inbound,
        view: View,
        current: Agent | None,
        history: Sequence[Message],
        calls: list[ModelCall],
    ) -> _Asked | None:
        """Ask the routing model beside the embedding: waiting for one to ask the other is slow."""
        follows_up = current is not None and cues.leans_on_history(inbound.text)
        if self._model is None or inbound.agent_key or follows_up or len(view.agents) == 1:
            return None
        unsure = asyncio.Event()
        opinion = self._opinion(self._model, inbound, view, current, history, calls, unsure)
        asked = asyncio.create_task(opinion)
        asked.add_done_callback(_notice)
        return _Asked(asked, unsure)

    async def _opinion(
        self,
        model: LanguageModel,
        inbound: Inbound,
        view: View,
        current: Agent | None,
        history: Sequence[Message],
        calls: list[ModelCall],
        unsure: asyncio.Event,
    ) -> Opinion:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.routing_head_start_ms / 1000):
                await unsure.wait()
        return await second_opinion(
            model,
            tenant=view.tenant,
            agents=view.agents,
            current=current,
            history=history,
            text=inbound.text,
            seconds=self._settings.routing_seconds,
            calls=calls,
        )

    async def _embed(
        self, text: str, question: str, history: Sequence[Message], context: Context
    ) -> list[Vectors] | None:
        """Vectors of the message, of the search question, and of the last two messages where a
        loop is possible; None when the embedder is down."""
        earlier = _earlier(history) if context.customer_messages + 1 >= LOOP_MESSAGES else []
        texts = [text, question, *earlier]
        try:
            distinct = list(dict.fromkeys(texts))
            rows = await self._embedder.embed_queries(distinct)
        except EmbeddingUnavailable:
            return None
        by_text = dict(zip(distinct, rows, strict=True))
        return [by_text[text] for text in texts]

    async def _repeats(self, text: str, context: Context, history: Sequence[Message]) -> bool:
        if context.customer_messages + 1 < LOOP_MESSAGES:
            return False
        return _says_the_same(await self._embed(text, text, history, context), self._settings)

    async def _search(
        self, view: View, question: str, vectors: list[Vectors] | None
    ) -> dict[AgentId, list[Passage]]:
        vector = _asked(vectors) if vectors and view.has_comparable_vectors else None
        # Every vector of a small base is compared: one plan serves any question. The graph of a
        # large one is only walked by a plan that knows the question.
        is_small = view.chunk_count <= self._settings.exact_search_chunks
        async with self._db.tenant(view.tenant.id, plan_once=is_small) as tx:
            return await knowledge.search_agents(
                tx,
                question,
                vector,
                [agent.id for agent in view.agents],
                CANDIDATES if self._reranker else max(self._settings.passages, QUOTABLE),
                exact_limit=self._settings.exact_search_chunks,
            )

    async def _search_again(self, view: View, question: str) -> dict[AgentId, list[Passage]]:
        try:
            rows = await self._embedder.embed_queries([question])
        except EmbeddingUnavailable:
            return await self._search(view, question, None)
        return await self._search(view, question, [rows[0], rows[0]])

    async def _route(
        self,
        inbound: Inbound,
        view: View,
        current: Agent | None,
        vectors: list[Vectors] | None,
        opinion: _Asked | None,
    ) -> Route:
        forced = self._forced(inbound, view)
        if forced is not None:
            return Route("answer", forced, 1.0, self._say(view, "route_forced"), "forced")
        if current is not None and cues.leans_on_history(inbound.text):
            reason = self._say(view, "route_sticky", agent=current.name)
            return Route("answer", current, 0.9, reason, "sticky")
        scores = await self._scores(inbound.text, view, vectors)
        if scores is None:
            return await self._without_scores(view, current, opinion)
        if routing.is_sure(scores, self._settings):
            return self._by_scores(view, scores, current, "route_sure")
        if opinion is not None and not routing.is_plain(scores, self._settings):
            named = await opinion.settled()
            if named is not None:
                return self._by_opinion(view, named, scores)
        return self._by_scores(view, scores, current, "route_best")

    async def _scores(self, text: str, view: View, vectors: list[Vectors] | None) -> Scores | None:
        if vectors is None or not view.profiles:
            return None
        try:
            stock = await self._views.stock()
        except EmbeddingUnavailable:
            return None
        bonus = self._settings.route_keyword_bonus
        return routing.score(text, vectors[0], view.profiles, stock, keyword_bonus=bonus)

    async def _without_scores(
        self, view: View, current: Agent | None, opinion: _Asked | None
    ) -> Route:
        named = await opinion.settled() if opinion is not None else None
        if named is not None:
            return self._by_opinion(view, named, None)
        agent = current or view.agents[0]
        return Route(
            "answer", agent, 0.5, self._say(view, "route_blind", agent=agent.name), "blind"
        )

    def _by_scores(self, view: View, scores: Scores, current: Agent | None, reason: str) -> Route:
        kind = routing.kind_by_scores(scores, self._settings)
        kept = scores.as_record()
        best = scores.agents[0][0]
        alone = len(view.agents) == 1 and not _is_complaint(scores)
        if kind == "answer" or (kind == "neither" and alone):
            confidence = view.calibration.confidence(scores.best, scores.lead)
            said = self._say(view, reason, agent=best.name, score=scores.best, lead=scores.lead)
            return Route("answer", best, confidence, said, "embedding", kept)
        confidence = max(0.0, min(1.0, scores.stock_score))
        if kind == "neither":
            said = self._say(view, "route_neither", score=scores.stock_score)
            return Route(kind, None, confidence, said, "embedding", kept)
        said = self._say(view, "route_stock", score=scores.stock_score)
        return Route(kind, current or view.agents[0], confidence, said, "embedding", kept)

    def _by_opinion(self, view: View, opinion: Opinion, scores: Scores | None) -> Route:
        kept = scores.as_record() if scores else {}
        question = opinion.search_question
        if opinion.agent is None:
            return Route(
                "neither", None, opinion.confidence, opinion.reason, "model", kept, question
            )
        if opinion.confidence < self._settings.route_min_confidence:
            reason = self._say(
                view, "route_unsure", confidence=opinion.confidence, reason=opinion.reason
            )
            return Route("neither", None, opinion.confidence, reason, "model", kept, question)
        return Route(
            "answer", opinion.agent, opinion.confidence, opinion.reason, "model", kept, question
        )

    async def _with_passages(
        self,
        view: View,
        route: Route,
        current: Agent | None,
        found: dict[AgentId, list[Passage]],
        vectors: list[Vectors] | None,
    ) -> Decision:
        if route.kind == "neither":
            route = self._rescued(view, route, current, found)
        if route.kind != "answer" or route.agent is None:
            return Decision(route, is_question=_asks_something(route))
        passages = found.get(route.agent.id, [])
        best = max((passage.answer_score for passage in passages), default=0.0)
        known = best >= view.answer_threshold
        if vectors is None or not view.has_comparable_vectors:
            known = any(p.coverage >= COVERAGE_WITHOUT_VECTORS for p in passages)
        if known and self._reranker is not None and route.search_question:
            passages = await knowledge.reranked(
                self._reranker, route.search_question, passages, self._settings.passages
            )
        kept = tuple(passages[: self._settings.passages])
        return Decision(route, kept, tuple(passages), best, known)

    def _rescued(
        self,
        view: View,
        route: Route,
        current: Agent | None,
        found: dict[AgentId, list[Passage]],
    ) -> Route:
        """What no agent is recognised for may still stand, clearly, in what one of them knows."""
        complaint = route.scores.get(COMPLAINTS, 0.0)
        is_no_question = not NO_QUESTIONS.isdisjoint(route.scores)
        if complaint >= routing.COMPLAINT_SCORE or is_no_question or route.method == "model":
            return route
        best = max(
            (passage for passages in found.values() for passage in passages),
            key=lambda passage: passage.answer_score,
            default=None,
        )
        if best is None or best.answer_score < view.answer_threshold + RESCUE_MARGIN:
            return route
        agent = _owner(best, view) or current or view.agents[0]
        reason = self._say(view, "route_found", agent=agent.name, score=best.answer_score)
        return replace(
            route,
            kind="answer",
            agent=agent,
            confidence=min(1.0, best.answer_score),
            reason=reason,
            method="found",
        )

    def _forced(self, inbound: Inbound, view: View) -> Agent | None:
        return None if inbound.agent_key is None else view.agent_by_key(inbound.agent_key)

    def _say(self, view: View, code: str, **values: object) -> str:
        return phrase(code, view.tenant.locale, **values)


def _asks_something(route: Route) -> bool:
    told = {COMPLAINTS, *NO_QUESTIONS}
    return route.kind == "neither" and told.isdisjoint(route.scores)


def _is_complaint(scores: Scores) -> bool:
    return scores.as_record().get(COMPLAINTS, 0.0) >= routing.COMPLAINT_SCORE


def _owner(passage: Passage, view: View) -> Agent | None:
    """The agent whose own passage this is; None when all of them share it."""
    return view.agent_by_id(passage.agent_ids[0]) if passage.agent_ids else None


def _notice(task: asyncio.Task[Opinion]) -> None:
    """A failure that nobody waits for any more is not an error."""
    if not task.cancelled():
        task.exception()


def _search_question(text: str, history: Sequence[Message]) -> str:
    """The message, behind the customer's last one where it leans on that."""
    if not cues.leans_on_history(text):
        return text
    for message in reversed(history):
        if message.author == "customer" and not cues.leans_on_history(message.text):
            return f"{message.text} {text}"
    return text


def _awaits_a_yes(context: Context) -> bool:
    """Whether the last answer was, or ended by, the offer of a person, or said that one comes."""
    last = context.history[-1] if context.history else None
    if last is not None and last.author == "person":
        return False
    unverified = (phrase("unverified", language) for language in ("fr", "en"))
    in_part = (
        last is not None and last.author == "agent" and any(s in last.text for s in unverified)
    )
    return context.last_outcome == "escalated" or in_part


def _asked(vectors: list[Vectors]) -> Vectors:
    """Where to search: half the message alone, so that "Et pour un webinaire ?" leads away from
    what came before, and half the search question that holds both."""
    both = vectors[0] + vectors[1]
    halfway: Vectors = both / max(float(np.linalg.norm(both)), 1e-12)
    return halfway


def _wants_model_question(text: str, route: Route) -> bool:
    is_unclear = cues.leans_on_history(text) or len(text) > LONG_MESSAGE_CHARS
    return route.method == "model" and is_unclear


def _earlier(history: Sequence[Message]) -> list[str]:
    return [message.text for message in history if message.author == "customer"][-2:]


def _says_the_same(vectors: list[Vectors] | None, settings: EngineSettings) -> bool:
    """Whether the last three messages are alike, pairwise; `vectors` as `_embed` gives them."""
    if vectors is None or len(vectors) < 4:
        return False
    now, before, earlier = vectors[0], vectors[2], vectors[3]
    pairs = (now @ before, now @ earlier, before @ earlier)
    return all(float(cosine) >= settings.loop_similarity for cosine in pairs)
