"""The bodies of the search tester and of questions without an answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt

from coccinelle.knowledge.api_model import MAX_QUESTION_CHARS, Body, Line
from coccinelle.knowledge.model import MAX_ANSWER_CHARS, Gap, Settled
from coccinelle.knowledge.search import Passage
from coccinelle.knowledge.tester import Tested


class SearchBody(Body):
    """A question to try the search with."""

    question: Line = Field(
        min_length=1,
        max_length=MAX_QUESTION_CHARS,
        description="As a customer would ask it.",
        examples=["Quels sont vos délais de livraison ?"],
    )
    agent: Line | None = Field(
        None,
        min_length=1,
        max_length=63,
        description="Key of the agent whose passages are searched; none: those of all.",
        examples=["audrey"],
    )
    limit: StrictInt = Field(10, ge=1, le=50, description="Passages, at most.", examples=[10])


class AnswerBody(Body):
    """What the assistant is to answer."""

    text: Line = Field(
        min_length=1,
        max_length=MAX_ANSWER_CHARS,
        description="In the words that customers may read.",
        examples=["Oui, nous reprenons l'ancien appareil à la livraison."],
    )


class PassageBody(BaseModel):
    """A piece that may answer, and why it is where it is."""

    chunk_id: UUID = Field(description="Of it.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e13"])
    source_id: UUID = Field(
        description="Where it is from.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e11"]
    )
    document_id: UUID = Field(
        description="Where it is from.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e12"]
    )
    title: str = Field(description="Of its document.", examples=["Livraison"])
    heading: str = Field(description="Path of the headings above it.", examples=["Tarifs > Europe"])
    url: str | None = Field(description="Of its page.", examples=["https://a.example/livraison"])
    text: str = Field(description="It.", examples=["Nous livrons en trois jours ouvrés."])
    question: str | None = Field(
        description="What it answers, if its document says so.",
        examples=["Livrez-vous en Belgique ?"],
    )
    kind: Literal["text", "table_row", "qa"] = Field(
        description="Prose, a row of a table with its headers, or a question and its answer.",
        examples=["qa"],
    )
    score: float = Field(
        description="What it is ordered by: fused, 0 to 1, within this search.", examples=[0.91]
    )
    dense: float | None = Field(
        description="Cosine of the question and the text, centred; none when not compared.",
        examples=[0.55],
    )
    question_dense: float | None = Field(
        description="Cosine of the question and what the piece answers.", examples=[0.72]
    )
    bm25: float = Field(description="Of the words in common.", examples=[7.4])
    coverage: float = Field(
        description="Share of the question's words that it has, by rarity, 0 to 1.", examples=[0.8]
    )
    answer_score: float = Field(
        description="How sure it is that it answers: to be compared with `threshold`.",
        examples=[0.84],
    )
    words: list[str] = Field(
        description="Words of the question that it has, in whatever form.", examples=[["délais"]]
    )


class Passages(BaseModel):
    """What a search found."""

    passages: list[PassageBody] = Field(description="The best first.")
    threshold: float = Field(
        description="`answer_score` below which no answer is given.", examples=[0.34]
    )
    by_words_only: bool = Field(
        description="True if there was no vector of the question to compare with.", examples=[False]
    )
    took_ms: float = Field(description="Time of it all, milliseconds.", examples=[31.4])


class GapBody(BaseModel):
    """A question that was asked, and that the knowledge has no answer to."""

    id: UUID = Field(description="Of it.", examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e14"])
    question: str = Field(
        description="As it was first asked.", examples=["Reprenez-vous les anciens appareils ?"]
    )
    best_score: float | None = Field(
        description="`answer_score` of the nearest passage, the last time; none without any.",
        examples=[0.18],
    )
    asked_count: int = Field(description="How often it was asked.", examples=[3])
    first_asked_at: datetime = Field(
        description="The first time.", examples=["2026-11-03T12:00:00Z"]
    )
    last_asked_at: datetime = Field(description="The last time.", examples=["2026-11-04T09:30:00Z"])
    settled_as: Settled | None = Field(
        description="`answered` or `dismissed`; none while it is open.", examples=["answered"]
    )
    settled_at: datetime | None = Field(
        description="When it was; none while it is open.", examples=["2026-11-04T10:00:00Z"]
    )


class GapPage(BaseModel):
    """Some of the gaps."""

    items: list[GapBody] = Field(description="In the order asked for.")
    next_cursor: UUID | None = Field(
        description="To ask for the items after these; none at the end.",
        examples=["019dd1f0-5a0e-7c31-9f5c-3b1a9d0a7e14"],
    )


def passages_body(found: Tested) -> Passages:
    """What the tester found, as it is answered."""
    return Passages(
        passages=[_passage(passage, found) for passage in found.passages],
        threshold=found.threshold,
        by_words_only=found.by_words_only,
        took_ms=found.took_ms,
    )


def gap_body(gap: Gap) -> GapBody:
    """A gap as it is answered."""
    return GapBody.model_validate(gap, from_attributes=True)


def _passage(passage: Passage, found: Tested) -> PassageBody:
    fields = {**asdict(passage), "answer_score": passage.answer_score}
    return PassageBody.model_validate(
        {**fields, "words": found.words[passage.chunk_id]}, extra="ignore"
    )
