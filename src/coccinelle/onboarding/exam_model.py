"""The bodies of the routes of the exam and of what a site proposes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from coccinelle.evals.exam.model import (
    Cited,
    Conflicting,
    Exam,
    ExamQuestion,
    Origin,
    State,
    Verdict,
)
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.outgoing import MAX_URL_CHARS
from coccinelle.knowledge.api_model import Body, Line
from coccinelle.knowledge.model import MAX_ANSWER_CHARS
from coccinelle.knowledge.suggest import Opening, Proposal, Service, Suggestion
from coccinelle.onboarding.api_model import AN_ID
from coccinelle.onboarding.suggestions import Proposed

_PAGE = "https://www.garage-dupont.example/contact"
_WORDS = "Garage Dupont, 5 rue des Forges, 44100 Nantes"


class AnswerBody(Body):
    """What the assistant is to answer."""

    text: Line = Field(
        min_length=1,
        max_length=MAX_ANSWER_CHARS,
        description="In the words that customers may read.",
        examples=["Nous reprenons la pièce sous 14 jours."],
    )


class SuggestBody(Body):
    """The site to read."""

    website: Line = Field(
        min_length=1,
        max_length=MAX_URL_CHARS,
        description="As people write it; https where it does not say.",
        examples=["www.garage-dupont.example"],
    )


class CitedOut(BaseModel):
    """A page that an answer rests on."""

    title: str = Field(description="Its title.", examples=["Contact"])
    url: str | None = Field(description="Where it is, if it is a page.", examples=[_PAGE])


class SideOut(CitedOut):
    """One of two statements that contradict each other."""

    text: str = Field(description="The words.", examples=["Vidange : 89 €"])
    is_declared: bool = Field(
        description="Whether the business said it of itself, and no page.", examples=[False]
    )


class ConflictOut(BaseModel):
    """What is told in two ways."""

    kind: Literal["price", "hours", "phone", "email"] = Field(
        description="What differs.", examples=["price"]
    )
    subject: str = Field(description="Of what.", examples=["Vidange"])
    sides: list[SideOut] = Field(description="The two statements.")


class ExamQuestionOut(BaseModel):
    """A question that customers are likely to ask, and what came of it."""

    id: UUID = Field(description="Of the question.", examples=[AN_ID])
    text: str = Field(description="As it is asked.", examples=["Où êtes-vous situés ?"])
    origin: Origin = Field(
        description="The sector's pack, the business's content, or a language model.",
        examples=["pack"],
    )
    verdict: Verdict | None = Field(
        description="`answered`; `missed`: the content speaks of it, the answer does not; `gap`:"
        " nothing speaks of it; `contradiction`; null: not asked yet.",
        examples=["gap"],
    )
    answer: str = Field(description="What the assistant said.", examples=["Je ne sais pas."])
    agent: str | None = Field(description="The key of who answered.", examples=["leyna"])
    sources: list[CitedOut] = Field(description="What the answer rests on.")
    conflict: ConflictOut | None = Field(description="What cannot both be right.")
    needs_you: bool = Field(description="Whether the owner has to do something.", examples=[True])
    resolved_at: datetime | None = Field(
        description="When she answered or dismissed it.", examples=["2026-11-03T12:09:00Z"]
    )


class ExamOut(BaseModel):
    """An exam, as far as it is."""

    id: UUID = Field(description="Of the exam.", examples=[AN_ID])
    state: State = Field(
        description="`waiting` for what is being read, `asking`, `done` or `failed`.",
        examples=["done"],
    )
    failure: str | None = Field(
        description="Why it failed, in the language of `Accept-Language`.",
        examples=["L'examen s'est interrompu de notre côté."],
    )
    failure_code: str | None = Field(
        description="The same, for programs.", examples=["exam_crashed"]
    )
    found: str | None = Field(
        description="What the content holds, in plain words; null while it waits.",
        examples=["48 pages, 31 prix, horaires : oui, politique de remboursement : introuvable"],
    )
    asked: int = Field(description="Questions that have a verdict.", examples=[20])
    total: int = Field(description="Questions.", examples=[20])
    to_do: int = Field(description="Questions that need the owner.", examples=[3])
    created_at: datetime = Field(description="When.", examples=["2026-11-03T12:00:00Z"])
    finished_at: datetime | None = Field(
        description="When it ended.", examples=["2026-11-03T12:01:00Z"]
    )
    questions: list[ExamQuestionOut] = Field(description="In the order in which they are asked.")


class ProposalOut(BaseModel):
    """A value, and where it stands."""

    value: str = Field(description="What is proposed.", examples=["Garage Dupont"])
    url: str = Field(description="The page.", examples=[_PAGE])
    excerpt: str = Field(description="The page's own words.", examples=[_WORDS])


class ProposedOpening(BaseModel):
    """A range of opening hours."""

    weekday: int = Field(description="ISO: 1 is Monday.", examples=[1])
    opens: str = Field(description="Local time.", examples=["09:00"])
    closes: str = Field(description="Local time.", examples=["12:00"])
    url: str = Field(description="The page.", examples=[_PAGE])
    excerpt: str = Field(description="The page's own words.", examples=["Lundi : 9h-12h"])


class ProposedService(BaseModel):
    """A service with its price."""

    name: str = Field(description="Its name.", examples=["Vidange"])
    price_cents: int = Field(description="Cents of a euro.", examples=[8900])
    at_least: bool = Field(description="Whether the price begins there.", examples=[False])
    url: str = Field(description="The page.", examples=[_PAGE])
    excerpt: str = Field(description="The page's own words.", examples=["Vidange : 89 €"])


class FoundOut(BaseModel):
    """What a site says; null and empty where it says nothing."""

    website: str = Field(description="The home page that was read.", examples=[_PAGE])
    pages: list[str] = Field(description="Pages that were read.", examples=[[_PAGE]])
    name: ProposalOut | None = Field(description="What the business is called.")
    phone: ProposalOut | None = Field(description="Its number.")
    email: ProposalOut | None = Field(description="Its e-mail address.")
    address: ProposalOut | None = Field(description="Where it is.")
    hours: list[ProposedOpening] = Field(description="Its usual week.")
    closed_days: list[int] = Field(description="ISO weekdays said to be closed.", examples=[[7]])
    services: list[ProposedService] = Field(description="What it sells, with prices.")
    tone: ProposalOut | None = Field(
        description="How the site speaks; null without a language model."
    )


class SuggestionOut(BaseModel):
    """What a site proposes, as far as it is read. Nothing of it is written."""

    website: str = Field(description="As it was given.", examples=["www.garage-dupont.example"])
    state: Literal["reading", "done", "failed"] = Field(
        description="How far it is.", examples=["done"]
    )
    failure: str | None = Field(
        description="Why the site could not be read, in the language of `Accept-Language`.",
        examples=["Cette adresse ne répond pas."],
    )
    failure_code: str | None = Field(
        description="The same, for programs.", examples=["address_unreachable"]
    )
    created_at: datetime = Field(description="When.", examples=["2026-11-03T12:00:00Z"])
    expires_at: datetime = Field(
        description="When it is forgotten.", examples=["2026-11-04T12:00:00Z"]
    )
    found: FoundOut | None = Field(description="What was found, once it is done.")


def exam_out(exam: Exam, locale: Locale) -> ExamOut:
    """An exam, for the wire."""
    return ExamOut(
        id=exam.id,
        state=exam.state,
        failure=exam.failure(locale),
        failure_code=exam.failure_code,
        found=None if exam.started_at is None else exam.found.told(locale),
        asked=exam.asked,
        total=len(exam.questions),
        to_do=len(exam.to_do),
        created_at=exam.created_at,
        finished_at=exam.finished_at,
        questions=[_question_out(question) for question in exam.questions],
    )


def suggestion_out(proposed: Proposed, locale: Locale) -> SuggestionOut:
    """A proposal, for the wire."""
    return SuggestionOut(
        website=proposed.website,
        state=proposed.state,
        failure=proposed.failure(locale),
        failure_code=proposed.failure_code,
        created_at=proposed.created_at,
        expires_at=proposed.expires_at,
        found=None if proposed.found is None else _found_out(proposed.found),
    )


def _question_out(question: ExamQuestion) -> ExamQuestionOut:
    return ExamQuestionOut(
        id=question.id,
        text=question.text,
        origin=question.origin,
        verdict=question.verdict,
        answer=question.answer,
        agent=question.agent_key,
        sources=[_cited_out(source) for source in question.sources],
        conflict=None if question.conflict is None else _conflict_out(question.conflict),
        needs_you=question.needs_you,
        resolved_at=question.resolved_at,
    )


def _cited_out(source: Cited) -> CitedOut:
    return CitedOut(title=source.title, url=source.url)


def _conflict_out(conflict: Conflicting) -> ConflictOut:
    sides = [
        SideOut(title=side.title, url=side.url, text=side.text, is_declared=side.is_declared)
        for side in conflict.sides
    ]
    return ConflictOut(kind=conflict.kind, subject=conflict.subject, sides=sides)


def _found_out(found: Suggestion) -> FoundOut:
    return FoundOut(
        website=found.website,
        pages=list(found.pages),
        name=_proposal_out(found.name),
        phone=_proposal_out(found.phone),
        email=_proposal_out(found.email),
        address=_proposal_out(found.address),
        hours=[_opening_out(opening) for opening in found.hours],
        closed_days=list(found.closed_days),
        services=[_service_out(service) for service in found.services],
        tone=_proposal_out(found.tone),
    )


def _proposal_out(found: Proposal | None) -> ProposalOut | None:
    if found is None:
        return None
    return ProposalOut(value=found.value, url=found.url, excerpt=found.excerpt)


def _opening_out(opening: Opening) -> ProposedOpening:
    return ProposedOpening(
        weekday=opening.weekday,
        opens=f"{opening.opens:%H:%M}",
        closes=f"{opening.closes:%H:%M}",
        url=opening.url,
        excerpt=opening.excerpt,
    )


def _service_out(service: Service) -> ProposedService:
    return ProposedService(
        name=service.name,
        price_cents=service.price_cents,
        at_least=service.at_least,
        url=service.url,
        excerpt=service.excerpt,
    )
