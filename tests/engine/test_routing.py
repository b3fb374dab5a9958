"""Which agent a message is for, by vectors and words alone."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coccinelle.agents.model import Agent
from coccinelle.engine import routing
from coccinelle.engine.model import EngineSettings
from coccinelle.engine.routing import Calibration, Profile, Scores, Stock
from coccinelle.foundation.ids import AgentId, AgentVersionId
from tests.embedder import vectors
from tests.engine.setting import AUDREY, CAROLE, EMAILS, REELS

SETTINGS = EngineSettings()
STOCK = Stock(
    tuple((name, vectors(list(group))) for name, group in routing.stock_sentences().items())
)


def agent(key: str, position: int, configuration: object = AUDREY) -> Agent:
    return Agent(AgentId(uuid4()), AgentVersionId(uuid4()), key, position, configuration)  # type: ignore[arg-type]


A = agent("audrey", 0, AUDREY)
B = agent("carole", 1, CAROLE)


def profile(of: Agent) -> Profile:
    return Profile(of, vectors(list(routing.profile_texts(of.configuration))))


PROFILES = [profile(A), profile(B)]


def scores_of(text: str, bonus: float = 0.08) -> Scores:
    return routing.score(text, vectors([text])[0], PROFILES, STOCK, keyword_bonus=bonus)


def made(best: float, second: float, stock: float, name: str = "unrelated") -> Scores:
    return Scores(((A, best), (B, second)), name, stock)


def test_the_score_is_the_mean_of_the_three_best_cosines() -> None:
    basis = np.eye(4, dtype=np.float32)
    tilted = np.array([[0.6, 0.8, 0, 0], [0.2, 0, 0.98, 0]], np.float32)
    found = routing.score(
        "rien",
        basis[0],
        [
            Profile(
                replace(A, configuration=replace(AUDREY, keywords=())), np.vstack([basis, tilted])
            )
        ],
        Stock((("unrelated", basis[3:]),)),
        keyword_bonus=0.08,
    )

    assert found.best == pytest.approx((1 + 0.6 + 0.2) / 3)
    assert found.stock_score == pytest.approx(-routing.STOCK_HANDICAP)


def test_a_keyword_adds_its_bonus_once_and_only_as_a_whole_word() -> None:
    without = scores_of("emails tunnel zapier", bonus=0.0)
    with_bonus = scores_of("emails tunnel zapier", bonus=0.08)
    part = scores_of("emailsx", bonus=0.08)

    assert with_bonus.best - without.best == pytest.approx(0.08)
    assert {a.key: s for a, s in part.agents}["audrey"] < 0.08


@pytest.mark.parametrize(("text", "key"), [(EMAILS, "audrey"), (REELS, "carole")])
def test_a_message_is_for_the_agent_whose_examples_are_near(text: str, key: str) -> None:
    found = scores_of(text)

    assert found.agents[0][0].key == key
    assert routing.is_sure(found, SETTINGS)
    assert set(found.as_record()) == {"audrey", "carole", f"stock:{found.stock_class}"}


def test_of_equal_scores_the_first_in_the_tenants_order_wins() -> None:
    twin = agent("zoe", 0)
    later = agent("abel", 1)
    for order in ([twin, later], [later, twin]):
        found = routing.score(
            EMAILS, vectors([EMAILS])[0], [profile(a) for a in order], STOCK, keyword_bonus=0.08
        )
        assert found.agents[0][0].key == "zoe"
        assert found.lead == 0


@pytest.mark.parametrize(
    ("best", "second", "stock", "sure"),
    [
        (0.31, 0.25, 0.1, True),
        (0.29, 0.10, 0.1, False),
        (0.40, 0.36, 0.1, False),
        (0.40, 0.20, 0.41, False),
    ],
)
def test_a_route_is_sure_by_its_score_its_lead_and_what_is_nobodys(
    best: float, second: float, stock: float, sure: bool
) -> None:
    assert routing.is_sure(made(best, second, stock), SETTINGS) is sure


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        (made(0.20, 0.10, 0.10), "answer"),
        (made(0.20, 0.18, 0.20), "answer"),
        (made(0.14, 0.10, 0.10), "neither"),
        (made(0.20, 0.10, 0.30), "neither"),
        (made(0.20, 0.10, 0.50, "greetings"), "greeting"),
        (made(0.20, 0.10, 0.50, "thanks"), "thanks"),
        (made(0.20, 0.10, 0.50, "clarifications"), "clarification"),
        (made(0.20, 0.10, 0.50, "person"), "person"),
        (made(0.20, 0.10, 0.40, "person"), "neither"),
        (made(0.10, 0.10, 0.12, "greetings"), "neither"),
        (made(0.20, 0.10, 0.60, "complaints"), "neither"),
    ],
)
def test_without_a_model_scores_alone_say_what_a_message_is(scores: Scores, kind: str) -> None:
    assert routing.kind_by_scores(scores, SETTINGS) == kind


def test_below_the_floor_no_model_is_asked() -> None:
    assert routing.is_plain(made(0.149, 0, 0), SETTINGS)
    assert not routing.is_plain(made(0.15, 0, 0), SETTINGS)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Bonjour", "greeting"),
        ("bonjour !", "greeting"),
        ("MERCI", "thanks"),
        ("Qui êtes-vous ?", "identity"),
        ("Je veux parler à un humain", "person"),
        ("Bonjour, combien coûte un reel ?", None),
        ("Je veux être remboursé", None),
    ],
)
def test_a_stock_sentence_to_the_letter_needs_no_vector(text: str, kind: str | None) -> None:
    assert routing.kind_by_words(text) == kind


def test_calibration_leaves_each_example_out_of_its_own_judgement() -> None:
    basis = np.eye(6, dtype=np.float32)
    bare = replace(AUDREY, keywords=(), examples=("un", "deux"))
    near = np.vstack([basis[0], basis[1], 0.6 * basis[1] + 0.8 * basis[2]])
    found = routing.calibrate(
        [
            Profile(agent("a", 0, bare), near.astype(np.float32)),
            Profile(agent("b", 1, bare), basis[3:]),
        ],
        keyword_bonus=0.0,
    )

    assert [score for score, _, _ in found.points] == pytest.approx([0.3, 0.3, 0.0, 0.0])
    assert [is_right for _, _, is_right in found.points] == [True, True, False, False]


def test_calibration_of_agents_that_are_apart_is_surer_the_farther_they_are() -> None:
    found = routing.calibrate(PROFILES, keyword_bonus=0.08)

    assert len(found.points) == len(AUDREY.examples) + len(CAROLE.examples)
    near = scores_of(EMAILS)
    assert found.confidence(near.best, near.lead) > 0.5
    assert Calibration().confidence(0.5, 0.2) == 0.5


@given(
    points=st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.booleans()), max_size=30),
    score=st.floats(-1, 2),
    lead=st.floats(0, 2),
)
def test_a_confidence_is_a_share(
    points: list[tuple[float, float, bool]], score: float, lead: float
) -> None:
    assert 0 <= Calibration(tuple(points)).confidence(score, lead) <= 1


def test_an_agent_without_examples_can_be_scored() -> None:
    bare = agent("c", 0, replace(AUDREY, examples=(), keywords=()))
    profiles = [
        Profile(bare, vectors([AUDREY.description])),
        Profile(A, np.zeros((0, 384), np.float32)),
    ]
    found = routing.score(EMAILS, vectors([EMAILS])[0], profiles, STOCK, keyword_bonus=0)

    assert found.agents[0][0].key == "c"
    assert routing.calibrate(profiles[:1], keyword_bonus=0).points == ()


def test_every_stock_class_has_a_kind_and_both_languages() -> None:
    assert set(routing.stock_sentences()) == set(routing._KINDS)
    assert all(len(group) >= 15 for group in routing.stock_sentences().values())
