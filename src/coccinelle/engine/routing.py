"""Which agent a message is for, without asking a language model.

Score of an agent: mean of the three best centred cosines between the message and its description
and example questions, plus a bonus for a keyword. Stock sentences that are nobody's business
(greetings, complaints, unrelated matters) are scored the same way.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coccinelle.agents.model import Agent, Configuration
from coccinelle.engine import cues
from coccinelle.engine.model import EngineSettings
from coccinelle.foundation.ids import AgentId

Vectors = NDArray[np.float32]
Courtesy = Literal["greeting", "thanks", "clarification", "farewell", "identity"]
Kind = Courtesy | Literal["answer", "person", "neither"]
Method = Literal["forced", "sticky", "words", "embedding", "model", "found", "blind"]

BEST_OF = 3
# The stock sentences outnumber any agent's examples, and the best three of more are better.
STOCK_HANDICAP = 0.05
PERSON = "person"
COURTESY_SCORE = 0.45
COMPLAINT_SCORE = 0.45
KERNEL_WIDTH = 0.06
EDGE_SHARE = 0.75

_KINDS: dict[str, Kind] = {
    "greetings": "greeting",
    "thanks": "thanks",
    "clarifications": "clarification",
    "person": "person",
    "complaints": "neither",
    "unrelated": "neither",
    "insults": "neither",
    "instructions": "neither",
    "farewells": "farewell",
    "identity": "identity",
}


@dataclass(frozen=True)
class Profile:
    """What an agent is recognised by: vectors of its description and examples, and its keywords."""

    agent: Agent
    vectors: Vectors


@dataclass(frozen=True)
class Stock:
    """The sentences that are no agent's business, by class."""

    classes: tuple[tuple[str, Vectors], ...]


@dataclass(frozen=True)
class Scores:
    """How near a message is to each agent, best first, and to the nearest stock class."""

    agents: tuple[tuple[Agent, float], ...]
    stock_class: str
    stock_score: float

    @property
    def best(self) -> float:
        """Score of the nearest agent."""
        return self.agents[0][1]

    @property
    def lead(self) -> float:
        """How far the nearest agent is ahead of the next one."""
        return self.best - self.agents[1][1] if len(self.agents) > 1 else self.best

    def as_record(self) -> dict[str, float]:
        """The scores as a turn keeps them."""
        kept = {agent.key: round(score, 4) for agent, score in self.agents}
        return {**kept, f"stock:{self.stock_class}": round(self.stock_score, 4)}


@dataclass(frozen=True)
class Route:
    """The orchestrator's decision. `agent` is None where nobody's business is escalated."""

    kind: Kind
    agent: Agent | None
    confidence: float
    reason: str
    method: Method
    scores: Mapping[str, float] = field(default_factory=dict)
    search_question: str | None = None


@dataclass(frozen=True)
class Calibration:
    """How often the nearest agent is the right one, as a function of score and lead."""

    points: tuple[tuple[float, float, bool], ...] = ()

    def confidence(self, score: float, lead: float) -> float:
        """Share that is right near this score and lead: a kernel mean, with one half as prior.

        Beyond nearly all that is known, what is known at the edge holds.
        """
        right, total = 0.5, 1.0
        score, lead = min(score, self._edge(0)), min(lead, self._edge(1))
        for known_score, known_lead, was_right in self.points:
            distance = (known_score - score) ** 2 + (known_lead - lead) ** 2
            weight = math.exp(-distance / (2 * KERNEL_WIDTH**2))
            total += weight
            right += weight * was_right
        return min(1.0, right / total)

    def _edge(self, axis: Literal[0, 1]) -> float:
        known = sorted(point[axis] for point in self.points)
        return known[int(len(known) * EDGE_SHARE)] if known else 1.0


@cache
def stock_sentences() -> dict[str, tuple[str, ...]]:
    """Class to sentences, French first."""
    text = resources.files("coccinelle.engine").joinpath("out_of_scope.toml").read_text("utf-8")
    return {name: tuple(sentences) for name, sentences in tomllib.loads(text).items()}


@cache
def _stock_words() -> dict[str, Kind]:
    return {
        cues.normalised(sentence).rstrip(" !.?"): _KINDS[name]
        for name, sentences in stock_sentences().items()
        for sentence in sentences
        if _KINDS[name] != "neither"
    }


def profile_texts(configuration: Configuration) -> tuple[str, ...]:
    """What is embedded, as questions, to recognise an agent."""
    return (configuration.description, *configuration.examples)


def kind_by_words(text: str) -> Kind | None:
    """The kind of a message that is a stock sentence to the letter, or asks for a person."""
    if cues.asks_for_person(text):
        return "person"
    return _stock_words().get(cues.normalised(text).rstrip(" !.?"))


def score(
    text: str,
    vector: Vectors,
    profiles: Sequence[Profile],
    stock: Stock,
    *,
    keyword_bonus: float,
) -> Scores:
    """Scores of a message: `vector` is its unit vector, [dimensions]."""
    plain = cues.normalised(text)
    scored = [
        (profile.agent, _nearness(vector, profile.vectors) + _bonus(plain, profile, keyword_bonus))
        for profile in profiles
    ]
    scored.sort(key=lambda item: (-item[1], item[0].position))
    # "Je veux…" alone is near to any wish: who asks for a person is heard by the words.
    nearest = max(
        ((name, _nearness(vector, vectors)) for name, vectors in stock.classes if name != PERSON),
        key=lambda item: item[1],
    )
    return Scores(tuple(scored), nearest[0], nearest[1] - STOCK_HANDICAP)


def is_sure(scores: Scores, settings: EngineSettings) -> bool:
    """Whether the nearest agent needs no second opinion."""
    return (
        scores.best >= settings.route_sure_score
        and scores.lead >= settings.route_sure_lead
        and scores.best > scores.stock_score
    )


def kind_by_scores(scores: Scores, settings: EngineSettings) -> Kind:
    """What a message is when no routing model is asked: an agent's business, or what else."""
    if scores.stock_score <= scores.best and scores.best >= settings.route_floor_score:
        return "answer"
    return _KINDS[scores.stock_class] if scores.stock_score >= COURTESY_SCORE else "neither"


def is_plain(scores: Scores, settings: EngineSettings) -> bool:
    """Whether no agent is meant, so plainly that no routing model is asked."""
    return scores.best < settings.route_floor_score


def calibrate(profiles: Sequence[Profile], *, keyword_bonus: float) -> Calibration:
    """Leave each example out in turn, and see whether the others still send it to its agent."""
    points: list[tuple[float, float, bool]] = []
    for profile in profiles:
        for position in range(1, len(profile.vectors)):
            points.append(_left_out(profiles, profile, position, keyword_bonus))
    return Calibration(tuple(points))


def _left_out(
    profiles: Sequence[Profile], own: Profile, position: int, keyword_bonus: float
) -> tuple[float, float, bool]:
    text = own.agent.configuration.examples[position - 1]
    plain = cues.normalised(text)
    scored: list[tuple[float, AgentId]] = []
    for profile in profiles:
        vectors = profile.vectors
        if profile is own:
            vectors = np.delete(vectors, position, axis=0)
        nearness = _nearness(own.vectors[position], vectors)
        scored.append((nearness + _bonus(plain, profile, keyword_bonus), profile.agent.id))
    scored.sort(key=lambda item: -item[0])
    lead = scored[0][0] - scored[1][0] if len(scored) > 1 else scored[0][0]
    return scored[0][0], lead, scored[0][1] == own.agent.id


def _nearness(vector: Vectors, vectors: Vectors) -> float:
    if len(vectors) == 0:
        return -1.0
    cosines = vectors @ vector
    best = np.sort(cosines)[-BEST_OF:]
    return float(best.mean())


def _bonus(plain: str, profile: Profile, keyword_bonus: float) -> float:
    keywords = profile.agent.configuration.keywords
    return keyword_bonus if any(cues.mentions(plain, keyword) for keyword in keywords) else 0.0
