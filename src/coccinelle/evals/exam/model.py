"""An exam, its questions with their verdicts, and what its owner corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from coccinelle.evals.exam.packs import topics
from coccinelle.foundation import i18n
from coccinelle.foundation.errors import Conflict, NotFound, TooMany, Unavailable
from coccinelle.foundation.i18n import Locale

Verdict = Literal["answered", "missed", "gap", "contradiction"]
Origin = Literal["pack", "content", "model"]
State = Literal["waiting", "asking", "done", "failed"]

MAX_QUESTION_CHARS = 500
MAX_TESTS = 500
# An exam may cost MOST_COST_MICROEUR and no more: this bounds what a business spends by them.
MAX_EXAMS_A_DAY = 10
# Of what the content has; all that it lacks is told.
TOLD_FOUND = 3


class ExamNotFound(NotFound):
    """The business has no such exam, or none at all."""

    default_code = "exam_not_found"


class ExamQuestionNotFound(NotFound):
    """The business has no such question in an exam."""

    default_code = "exam_question_not_found"


class TooManyAnswers(Conflict):
    """The business has corrected as many answers as are kept."""

    default_code = "too_many_exam_answers"


class TooManyExams(TooMany):
    """The business has held as many exams as it may in 24 hours."""

    default_code = "too_many_exams"


class StillReading(Unavailable):
    """What the business gave is still being read: an exam now would ask too early."""

    default_code = "knowledge_being_read"


@dataclass(frozen=True)
class Side:
    """One of two statements that contradict each other, and where it stands.

    `is_declared`: it is what the business said of itself, and stands on no page.
    """

    title: str
    url: str | None
    text: str
    values: tuple[str, ...]
    is_declared: bool = False


@dataclass(frozen=True)
class Conflicting:
    """What is told in two ways: a price, hours, a phone number, an e-mail address."""

    kind: Literal["price", "hours", "phone", "email"]
    subject: str
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Cited:
    """A page that an answer rests on."""

    title: str
    url: str | None


@dataclass(frozen=True)
class NewQuestion:
    """A question that will be asked; `conflict` is known before it is."""

    text: str
    origin: Origin
    topic: str = ""
    about: str = ""
    conflict: Conflicting | None = None


@dataclass(frozen=True)
class Result:
    """What came of asking a question."""

    verdict: Verdict
    answer: str
    agent_key: str | None
    agent_name: str | None
    score: float | None
    sources: tuple[Cited, ...]


@dataclass(frozen=True)
class ExamQuestion:
    """A question of an exam; without a verdict, it has not been asked yet.

    `missed`: the content speaks of it, and the assistant's answer does not. `needs_you`: the owner
    has something to do about it.
    """

    id: UUID
    position: int
    text: str
    topic: str
    about: str
    origin: Origin
    verdict: Verdict | None
    answer: str
    agent_key: str | None
    agent_name: str | None
    score: float | None
    sources: tuple[Cited, ...]
    conflict: Conflicting | None
    resolved_at: datetime | None

    @property
    def needs_you(self) -> bool:
        """Whether it belongs on the owner's list."""
        return self.verdict not in (None, "answered") and self.resolved_at is None


@dataclass(frozen=True)
class Found:
    """What the content holds, counted."""

    pages: int
    prices: int
    found_topics: tuple[str, ...]
    missing_topics: tuple[str, ...]

    def told(self, locale: Locale) -> str:
        """In plain words: "48 pages, 31 prix, horaires : oui, politique de remboursement :
        introuvable"."""
        words = _WORDS[locale]
        parts = [_counted(self.pages, words["page"]), _counted(self.prices, words["price"])]
        parts += [f"{_label(t, locale)}{words['yes']}" for t in self.found_topics[:TOLD_FOUND]]
        parts += [f"{_label(t, locale)}{words['no']}" for t in self.missing_topics]
        return ", ".join(parts)


_WORDS: dict[Locale, dict[str, str]] = {
    "fr": {"page": "page", "price": "prix", "yes": " : oui", "no": " : introuvable"},
    "en": {"page": "page", "price": "price", "yes": ": yes", "no": ": not found"},
}


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 or noun.endswith('x') else noun + 's'}"


def _label(topic: str, locale: Locale) -> str:
    return topics()[topic].label[locale]


@dataclass(frozen=True)
class Exam:
    """An exam of a business's assistant, as far as it is."""

    id: UUID
    state: State
    failure_code: str | None
    locale: Locale
    found: Found
    cost_microeur: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    questions: tuple[ExamQuestion, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed")

    @property
    def asked(self) -> int:
        """How many questions have a verdict."""
        return sum(question.verdict is not None for question in self.questions)

    @property
    def to_do(self) -> tuple[ExamQuestion, ...]:
        """What the owner should look at, in the order of the questions."""
        return tuple(question for question in self.questions if question.needs_you)

    def failure(self, locale: Locale) -> str | None:
        """Why it failed, in words."""
        return i18n.sentence(self.failure_code, locale) if self.failure_code else None


@dataclass(frozen=True)
class KeptTest:
    """A question, what the owner wants said, and how its last run went (None: never run)."""

    id: UUID
    question: str
    expected: str
    created_at: datetime
    run_at: datetime | None
    has_passed: bool | None


@dataclass(frozen=True)
class TestRun:
    """A kept test that was run now."""

    test: KeptTest
    answer: str
    has_passed: bool


def conflict_record(conflict: Conflicting | None) -> dict[str, Any] | None:
    """A contradiction as the row keeps it."""
    if conflict is None:
        return None
    sides = [
        {"title": s.title, "url": s.url, "text": s.text, "values": list(s.values)}
        | ({"declared": True} if s.is_declared else {})
        for s in conflict.sides
    ]
    return {"kind": conflict.kind, "subject": conflict.subject, "sides": sides}


def conflict_of(record: dict[str, Any] | None) -> Conflicting | None:
    """The inverse of `conflict_record`."""
    if record is None:
        return None
    one, other = (
        Side(s["title"], s["url"], s["text"], tuple(s["values"]), s.get("declared", False))
        for s in record["sides"]
    )
    return Conflicting(record["kind"], record["subject"], (one, other))


def cited_of(records: Sequence[dict[str, Any]]) -> tuple[Cited, ...]:
    """Sources as the row keeps them."""
    return tuple(Cited(record["title"], record["url"]) for record in records)
