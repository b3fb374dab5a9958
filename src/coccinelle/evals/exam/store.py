"""Rows of exams, of their questions and of kept tests; chunks as an exam reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from coccinelle.evals.exam.model import (
    Exam,
    ExamQuestion,
    Found,
    KeptTest,
    NewQuestion,
    Origin,
    Result,
    State,
    Verdict,
    cited_of,
    conflict_of,
    conflict_record,
)
from coccinelle.foundation.database import TenantTx
from coccinelle.foundation.i18n import Locale
from coccinelle.foundation.ids import uuid7
from coccinelle.knowledge.facts.lines import Piece

MOST_CHUNKS = 5_000
"""Of a base; a business whose site has more is examined on the first ones."""


@dataclass(frozen=True)
class _ExamRow:
    id: UUID
    state: State
    failure_code: str | None
    locale: Locale
    pages: int
    prices: int
    found_topics: list[str]
    missing_topics: list[str]
    cost_microeur: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class _QuestionRow:
    id: UUID
    position: int
    question: str
    topic: str
    about: str
    origin: Origin
    verdict: Verdict | None
    answer: str
    agent_key: str | None
    agent_name: str | None
    score: float | None
    sources: list[dict[str, Any]]
    conflict: dict[str, Any] | None
    resolved_at: datetime | None


_QUESTION = (
    "SELECT id, position, question, topic, about, origin, verdict, answer, agent_key, agent_name,"
    " score, sources, conflict, resolved_at FROM exam_questions WHERE tenant_id = %(tenant)s"
)
_TEST = "SELECT id, question, expected, created_at, run_at, has_passed FROM exam_tests"


async def insert_exam(tx: TenantTx, *, locale: Locale) -> UUID | None:
    """None where one is under way."""
    found: UUID | None = await tx.value(
        "INSERT INTO exams (id, tenant_id, locale) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        [uuid7(), tx.tenant_id, locale],
    )
    return found


async def held_lately(tx: TenantTx) -> tuple[int, int]:
    """Exams that were asked for in the last 24 hours, and in how many seconds one fewer will be."""
    found = await tx.records(
        "SELECT count(*) AS held, coalesce(extract(epoch FROM min(created_at)"
        " + interval '1 day' - now()), 0)::integer AS seconds FROM exams"
        " WHERE tenant_id = %s AND created_at > now() - interval '1 day'",
        [tx.tenant_id],
    )
    return found[0]["held"], found[0]["seconds"]


async def exam_under_way(tx: TenantTx) -> UUID | None:
    found: UUID | None = await tx.value(
        "SELECT id FROM exams WHERE tenant_id = %s AND finished_at IS NULL", [tx.tenant_id]
    )
    return found


async def exam(tx: TenantTx, exam_id: UUID | None) -> Exam | None:
    """That exam, or the latest one."""
    row = await tx.maybe(
        _ExamRow,
        "SELECT id, state, failure_code, locale, pages, prices, found_topics, missing_topics,"
        " cost_microeur, created_at, started_at, finished_at FROM exams"
        " WHERE tenant_id = %(tenant)s AND (%(id)s::uuid IS NULL OR id = %(id)s)"
        " ORDER BY id DESC LIMIT 1",
        {"tenant": tx.tenant_id, "id": exam_id},
    )
    return None if row is None else _exam(row, await questions(tx, row.id))


async def questions(tx: TenantTx, exam_id: UUID) -> list[ExamQuestion]:
    rows = await tx.all(
        _QuestionRow,
        _QUESTION + " AND exam_id = %(exam)s ORDER BY position",
        {"tenant": tx.tenant_id, "exam": exam_id},
    )
    return [_question(row) for row in rows]


async def question(tx: TenantTx, question_id: UUID) -> ExamQuestion | None:
    row = await tx.maybe(
        _QuestionRow,
        _QUESTION + " AND id = %(id)s FOR UPDATE",
        {"tenant": tx.tenant_id, "id": question_id},
    )
    return None if row is None else _question(row)


async def begin(tx: TenantTx, *, exam_id: UUID, found: Found) -> int:
    """1 where the exam was waiting; it is asking from now on."""
    return await tx.run(
        "UPDATE exams SET state = 'asking', started_at = now(), pages = %s, prices = %s,"
        " found_topics = %s, missing_topics = %s"
        " WHERE tenant_id = %s AND id = %s AND state = 'waiting'",
        [found.pages, found.prices, list(found.found_topics), list(found.missing_topics)]
        + [tx.tenant_id, exam_id],
    )


async def insert_questions(
    tx: TenantTx, *, exam_id: UUID, questions: Sequence[NewQuestion]
) -> None:
    await tx.run_many(
        "INSERT INTO exam_questions (id, tenant_id, exam_id, position, question, topic, about,"
        " origin, conflict) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            [uuid7(), tx.tenant_id, exam_id, position, one.text, one.topic, one.about, one.origin]
            + [Jsonb(record) if (record := conflict_record(one.conflict)) else None]
            for position, one in enumerate(questions, start=1)
        ],
    )


async def save_result(tx: TenantTx, *, question_id: UUID, result: Result) -> int:
    """0 where the question has a verdict already."""
    sources = [{"title": source.title, "url": source.url} for source in result.sources]
    return await tx.run(
        "UPDATE exam_questions SET verdict = %s, answer = %s, agent_key = %s, agent_name = %s,"
        " score = %s, sources = %s WHERE tenant_id = %s AND id = %s AND verdict IS NULL",
        [result.verdict, result.answer, result.agent_key, result.agent_name, result.score]
        + [Jsonb(sources), tx.tenant_id, question_id],
    )


async def add_cost(
    tx: TenantTx, *, exam_id: UUID, prompt_tokens: int, completion_tokens: int, cost_microeur: int
) -> None:
    await tx.run(
        "UPDATE exams SET prompt_tokens = prompt_tokens + %s,"
        " completion_tokens = completion_tokens + %s, cost_microeur = cost_microeur + %s"
        " WHERE tenant_id = %s AND id = %s",
        [prompt_tokens, completion_tokens, cost_microeur, tx.tenant_id, exam_id],
    )


async def finish(tx: TenantTx, *, exam_id: UUID, failure_code: str | None = None) -> int:
    """0 where it was finished before."""
    state: Literal["done", "failed"] = "failed" if failure_code else "done"
    return await tx.run(
        "UPDATE exams SET state = %s, failure_code = %s, finished_at = now()"
        " WHERE tenant_id = %s AND id = %s AND finished_at IS NULL",
        [state, failure_code, tx.tenant_id, exam_id],
    )


async def resolve(tx: TenantTx, question_id: UUID) -> int:
    return await tx.run(
        "UPDATE exam_questions SET resolved_at = coalesce(resolved_at, now())"
        " WHERE tenant_id = %s AND id = %s AND verdict IS NOT NULL",
        [tx.tenant_id, question_id],
    )


async def one_at_a_time(tx: TenantTx) -> None:
    """Wait until nobody else corrects an answer of this business."""
    await tx.run("SELECT FROM tenants WHERE id = %s FOR NO KEY UPDATE", [tx.tenant_id])


async def keep_test(tx: TenantTx, *, question: str, question_sha256: bytes, expected: str) -> UUID:
    """The same question again takes the newer answer."""
    found: UUID = await tx.value(
        "INSERT INTO exam_tests (id, tenant_id, question, question_sha256, expected)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant_id, question_sha256) DO UPDATE"
        " SET question = excluded.question, expected = excluded.expected, run_at = NULL,"
        " has_passed = NULL RETURNING id",
        [uuid7(), tx.tenant_id, question, question_sha256, expected],
    )
    return found


async def delete_test(tx: TenantTx, test_id: UUID) -> str | None:
    """The question that it asked; None where there is no such test."""
    found: str | None = await tx.value(
        "DELETE FROM exam_tests WHERE tenant_id = %s AND id = %s RETURNING question",
        [tx.tenant_id, test_id],
    )
    return found


async def tests(tx: TenantTx) -> list[KeptTest]:
    """In the order in which they were kept."""
    return await tx.all(KeptTest, _TEST + " WHERE tenant_id = %s ORDER BY id", [tx.tenant_id])


async def save_run(tx: TenantTx, *, test_id: UUID, has_passed: bool) -> None:
    await tx.run(
        "UPDATE exam_tests SET run_at = now(), has_passed = %s WHERE tenant_id = %s AND id = %s",
        [has_passed, tx.tenant_id, test_id],
    )


async def pieces(tx: TenantTx) -> list[Piece]:
    """What answers now, in the order of sources, pages and places on them."""
    return await tx.all(
        Piece,
        "SELECT c.id AS chunk_id, c.document_id, d.title, d.url, c.heading, c.text, c.question,"
        " c.kind FROM chunks c JOIN documents d"
        " ON d.tenant_id = c.tenant_id AND d.id = c.document_id WHERE c.tenant_id = %s"
        " ORDER BY c.source_id, d.position, c.position LIMIT %s",
        [tx.tenant_id, MOST_CHUNKS],
    )


async def is_reading(tx: TenantTx) -> bool:
    """Whether something that was given in the last hour is still being read."""
    found: bool = await tx.value(
        "SELECT EXISTS (SELECT FROM sources WHERE tenant_id = %s"
        " AND state IN ('waiting', 'reading', 'embedding')"
        " AND greatest(created_at, started_at) > now() - interval '1 hour')",
        [tx.tenant_id],
    )
    return found


def _exam(row: _ExamRow, asked: Sequence[ExamQuestion]) -> Exam:
    return Exam(
        id=row.id,
        state=row.state,
        failure_code=row.failure_code,
        locale=row.locale,
        found=Found(row.pages, row.prices, tuple(row.found_topics), tuple(row.missing_topics)),
        cost_microeur=row.cost_microeur,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        questions=tuple(asked),
    )


def _question(row: _QuestionRow) -> ExamQuestion:
    return ExamQuestion(
        id=row.id,
        position=row.position,
        text=row.question,
        topic=row.topic,
        about=row.about,
        origin=row.origin,
        verdict=row.verdict,
        answer=row.answer,
        agent_key=row.agent_key,
        agent_name=row.agent_name,
        score=row.score,
        sources=cited_of(row.sources),
        conflict=conflict_of(row.conflict),
        resolved_at=row.resolved_at,
    )
